"""The functions that a request leaves to be called after its answer.

Theory of operation. FastAPI ends a dependency of request scope after the response was sent, or, if the endpoint raised,
with that exception. So what follows the `yield` of such a dependency knows that the answer is out and that the request
has succeeded; there the functions go to the runner, and the request is over.
"""

from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, ParamSpec

from fastapi import Depends
from fastapi.requests import HTTPConnection

if TYPE_CHECKING:
    from fastapi_kit.concurrency._runner import AfterResponseRunner

P = ParamSpec("P")

Call = Callable[[], object]
"""A function with its arguments; what it gives is awaited if it can be."""


class NoRunnerError(RuntimeError):
    """Nobody in the app's state calls functions after the response."""


class AfterResponse:
    """Functions to call after the response; takes the place of FastAPI's `BackgroundTasks`.

    - They are called one after the other, in the order in which they were added. One that raises is logged with its
      traceback and the request's id, and the next is called all the same.
    - A function that is not `async` runs in a thread.
    - If the request fails, whether by an `HTTPException` or any other, none is called: what it wrote was rolled back,
      so a mail about it would tell of something that has not happened. What shall happen for a failure is given to
      `AfterResponseRunner.start`, or done before raising.
    - They run in a task of their own, so the connection is free for the next request. The app's shutdown waits for
      them, for a bounded time.
    - Lost with the process: what must not be lost is written as a row in the request's transaction.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        """What was added."""

    def add_task(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call `function` with these arguments after the response.

        A session or another resource of the request is closed by then: let the function open its own.
        """
        self.calls.append(partial(function, *args, **kwargs))


async def get_after_response(connection: HTTPConnection) -> AsyncGenerator[AfterResponse]:
    """The functions to call after this request; used as `AfterResponseDep`.

    Raises:
        NoRunnerError: The app was started without `AfterResponseRunner.lifespan`.
    """
    runner: AfterResponseRunner | None = connection.scope.get("state", {}).get("after_response")
    if runner is None:
        raise NoRunnerError(
            "nobody in the app's state calls functions after the response: build the app with "
            "lifespan=compose(AfterResponseRunner().lifespan), and run it with its lifespan "
            "(a test client does so only inside `with` or `async with`)"
        )
    after = AfterResponse()
    yield after
    if after.calls:
        await runner.start(after.calls)


AfterResponseDep = Annotated[AfterResponse, Depends(get_after_response, scope="request")]
"""The functions to call after this request: `async def endpoint(after: AfterResponseDep)`."""
