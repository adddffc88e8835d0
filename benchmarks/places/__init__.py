"""A million places through `CRUDRouter`: what depth, totals, related rows and unused filters cost.

Each variant is set against our own plain case, or against the ORM's way to do the same.

- `_models`: places, each in a region, the first ones with notes. `_rows`: the database makes them itself.
- `_ours`, `_orm`: the apps.
- `_variants`: what is compared, and what the ratio has to reach.
- `_suite`: checks that both sides of a variant show the same, then measures.
"""

from ._suite import FULL, QUICK, Suite

__all__ = ["FULL", "QUICK", "Suite"]
