"""Errors as the kit answers them, beside FastAPI's own answers.

- `_apps`: an app that fails, with and without its errors installed.
- `_suite`: checks that both answer with the same status, then measures. The traceback is formatted by neither: that is
  the server's part, and costs many times the answer.
"""

from ._suite import FULL, QUICK, Suite

__all__ = ["FULL", "QUICK", "Suite"]
