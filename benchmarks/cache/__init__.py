"""Hits of the response cache, in memory and on Redis, and first requests with an idempotency key.

- `_apps`: the apps: the kit's, fastapi-cache2's, and one that has its answer ready. `_cashews`: that of cashews.
- `_suite`: checks that all answer the same, then measures.
"""

from ._suite import FULL, QUICK, Suite

__all__ = ["FULL", "QUICK", "Suite"]
