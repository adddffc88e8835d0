"""What a limit costs a request, in memory and on Redis, as a dependency and as a policy.

- `_apps`: the apps: one without a limit, the kit's, and slowapi's.
- `_trips`: counts the commands that an app sends to Redis.
- `_suite`: checks that all answer the same, then measures.
"""

from ._suite import FULL, QUICK, Suite

__all__ = ["FULL", "QUICK", "Suite"]
