"""All of a million places as NDJSON and as CSV: time, and how much memory it takes.

- `_memory`: the peak of a process' resident memory.
- `_worker`: an app in a process of its own, which exports; `__main__` is what runs there.
- `_suite`: starts a worker for each contestant, sees that they write the same bytes, and compares.
"""

from ._suite import FULL, QUICK, Suite

__all__ = ["FULL", "QUICK", "Suite"]
