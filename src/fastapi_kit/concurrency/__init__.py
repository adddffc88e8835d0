"""Concurrency: work beside requests.

- `AfterResponseDep`: the request's `AfterResponse`, which takes functions to call once the answer is out, as FastAPI's
  `BackgroundTasks` does. `get_after_response` is the dependency behind it, and what tests override.
- `AfterResponseRunner` calls them; give its `lifespan` to the app. `NoRunnerError` is raised without it.
"""

from fastapi_kit.concurrency._after_response import (
    AfterResponse,
    AfterResponseDep,
    NoRunnerError,
    get_after_response,
)
from fastapi_kit.concurrency._runner import AfterResponseRunner

__all__ = [
    "AfterResponse",
    "AfterResponseDep",
    "AfterResponseRunner",
    "NoRunnerError",
    "get_after_response",
]
