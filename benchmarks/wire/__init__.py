"""Over the wire: ours and the hand-written app under a uvicorn worker each, by eight connections that are never idle.

- `_server`: a contestant under uvicorn in a process of its own; `__main__` is what runs there.
- `_client`: connections that cost as little as they can.
- `_suite`: sees that both answer the same, then measures in turns.
"""

from ._suite import FULL, QUICK, Suite

__all__ = ["FULL", "QUICK", "Suite"]
