"""The atlas' `City` through `CRUDRouter`, against a hand-written router and fastcrud, on SQLite and PostgreSQL.

- `_contestant`: what each contestant is: an app and its grammar. `_ours`, `_handwritten`, `_fastcrud`: the three.
- `_crudrouter`, `_advanced_alchemy`, `_drf`: further peers, for `./dev bench peers`.
- `_users`: whose cities they are, for `ours_guarded` and `_handwritten_guarded`.
- `_operations`: get, list, create, patch, delete: their calls, and what has to come of them.
- `_goals`: what they may cost.
- `_rows`: filling the database, preparing rows, looking at what was stored.
- `_entrant`: a contestant doing an operation, as the clock sees it. `_statements`: what it sends to PostgreSQL.
- `_suite`: checks that all do the same, then measures.
"""

from ._suite import FULL, OPERATIONS, QUICK, Suite

__all__ = ["FULL", "OPERATIONS", "QUICK", "Suite"]
