"""A request to the last of 100 routers, in an app with `index_routes`, beside an app with one router.

- `_apps`: the apps, and what they serve: generated routes on SQLite, or endpoints that do nothing.
- `_suite`: checks that all answer the same, then measures.
"""

from ._suite import FULL, QUICK, Suite

__all__ = ["FULL", "QUICK", "Suite"]
