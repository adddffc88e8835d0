"""The layer that observes exchanges, where no other does."""

from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit._exchange import Observer, Observers, exchange_of, observed
from fastapi_kit._routes import template


class MetricsMiddleware:
    """Tells an observer of every exchange: `app.add_middleware(MetricsMiddleware, observer=metrics)`.

    Use it where `fastapi_kit.logs.RequestContextMiddleware` is not: that one watches the same messages and takes the
    observer as well, so one layer does for both. Add it outermost.

    Args:
        app: What is inside.
        observer: Whom to tell, such as `Metrics`.
        clock: Gives the duration.
    """

    def __init__(self, app: ASGIApp, *, observer: Observer, clock: Clock = SYSTEM_CLOCK) -> None:
        self.app = app
        self._observers = Observers([observer])
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what is inside, and tell of it."""
        kind = scope["type"]
        if kind not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        exchange = exchange_of(kind, receive, send)
        self._observers.started(kind)
        started = self._clock.monotonic()
        failure: BaseException | None = None
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as exc:
            failure = exc
            raise
        finally:
            self._observers.ended(
                observed(exchange, scope, template(scope), self._clock.monotonic() - started, failure)
            )
