"""The end of a service: first no new requests, then no open streams, then the server's own shutdown.

    serving ──SIGTERM──▶ draining ──after `delay`──▶ stopping ──▶ the server closes
             /ready is 503            streams end

Load balancers learn from `/ready`, or from their orchestrator, that an instance goes, and they need a moment to act
on it. A server that closes at once refuses what they still send. So the signal is kept from the server for `delay`
seconds, in which everything is served as before.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, FastAPI
from fastapi.requests import HTTPConnection
from starlette.types import Scope

from fastapi_kit.health._signals import intercepted

logger = logging.getLogger("fastapi_kit.health")

T = TypeVar("T")
Phase = Literal["serving", "draining", "stopping"]

_STATE = "shutdown"


class NoShutdownError(RuntimeError):
    """The app's state knows nothing of its end."""


class Shutdown:
    """Whether the service is about to end.

    Give its `lifespan` to the app, last of all resources:

        shutdown = Shutdown(delay=5)
        app = FastAPI(lifespan=compose(database.lifespan, shutdown.lifespan))

    From SIGTERM on the phase is `draining`, and `/ready` answers 503. After `delay` seconds it is `stopping`, and the
    server gets the signal. SIGINT (Ctrl-C) skips the wait, also while it lasts; a further SIGTERM changes nothing.

    Signals reach it under uvicorn, with and without workers, and under gunicorn with uvicorn's worker. A server that
    takes signals through the event loop cannot be kept from them: there the phase is `stopping` at once, and a start
    with a `delay` logs a warning. Use it from the event loop that runs the app.

    Args:
        delay: Seconds from the signal to the end of streams and the server's shutdown. 0 does not wait.

    Raises:
        ValueError: If the delay is below 0.
    """

    def __init__(self, delay: float = 0.0) -> None:
        if not delay >= 0:
            message = f"The delay of a shutdown is {delay} seconds; it has to be 0 or more."
            raise ValueError(message)
        self.delay = delay
        self._serve()

    def _serve(self) -> None:
        self.phase: Phase = "serving"
        """Where the service is on its way."""
        self._stopping = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def draining(self) -> bool:
        """Whether the end has been announced: `/ready` answers 503."""
        return self.phase != "serving"

    @property
    def stopping(self) -> bool:
        """Whether streams have to end now."""
        return self.phase == "stopping"

    def begin(self, then: Callable[[], object] = lambda: None) -> None:
        """Drain, and stop after `delay` seconds; does nothing if that has begun.

        Signals call it. Call it yourself where an orchestrator announces the end in another way.

        Args:
            then: Called when the phase has become `stopping`.
        """
        if self.draining:
            return
        self.phase = "draining"
        logger.info("Draining for %s seconds: not ready for new requests.", self.delay)
        self._timer = asyncio.get_running_loop().call_later(self.delay, self._stop, then)

    def stop(self) -> None:
        """Make the phase `stopping` at once, without what `begin` was to call."""
        self._stop(lambda: None)

    def _stop(self, then: Callable[[], object]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.phase = "stopping"
        self._stopping.set()
        then()

    async def wait(self) -> None:
        """Return as soon as streams have to end."""
        await self._stopping.wait()

    async def until(self, source: AsyncIterable[T]) -> AsyncGenerator[T]:
        """Give what `source` gives, and end as soon as streams have to end, also while `source` is waiting.

        `source` is cancelled where it waits, and closed. Each of its items is awaited in a task of its own, so a
        cancel scope or task group must not span two of them.

        Args:
            source: What to stream; it may be endless.
        """
        iterator = aiter(source)
        stopping = asyncio.ensure_future(self.wait())
        item: asyncio.Future[T] | None = None
        try:
            while not self.stopping:
                item = asyncio.ensure_future(anext(iterator))
                await asyncio.wait({item, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not item.done():
                    break
                try:
                    value = item.result()
                except StopAsyncIteration:
                    break
                yield value
        finally:
            stopping.cancel()
            if item is not None and not item.done():
                item.cancel()
                await asyncio.wait({item})
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncGenerator[Mapping[str, Any]]:
        """The lifespan resource: listens to signals, and puts this into the requests' state as `shutdown`."""
        self._serve()
        loop = asyncio.get_running_loop()

        def on_signal(number: int, pass_on: Callable[[], object] | None) -> None:
            if number == signal.SIGTERM and pass_on is not None:
                loop.call_soon_threadsafe(self.begin, pass_on)
            else:
                loop.call_soon_threadsafe(self.stop)

        with intercepted(on_signal, keep=signal.SIGTERM if self.delay else None) as kept:
            if self.delay and not kept:
                logger.warning(
                    "This server takes SIGTERM in a way that cannot be delayed: before it is sent, wait for %s seconds,"
                    " with a preStop hook for example.",
                    self.delay,
                )
            yield {_STATE: self}


def shutdown_in(scope: Scope) -> Shutdown | None:
    """The `Shutdown` of the app that serves `scope`, or `None` where it has none."""
    found: Shutdown | None = scope.get("state", {}).get(_STATE)
    return found


async def get_shutdown(connection: HTTPConnection) -> Shutdown:
    """The app's `Shutdown`; used as `ShutdownDep`.

    Raises:
        NoShutdownError: The app was started without `Shutdown.lifespan`.
    """
    shutdown = shutdown_in(connection.scope)
    if shutdown is None:
        raise NoShutdownError(
            "no shutdown in the app's state: build the app with lifespan=compose(..., Shutdown().lifespan), "
            "and run it with its lifespan (a test client does so only inside `with` or `async with`)"
        )
    return shutdown


ShutdownDep = Annotated[Shutdown, Depends(get_shutdown)]
"""The app's `Shutdown`: `async def stream(shutdown: ShutdownDep)`."""
