"""Closing kept-alive connections while the service drains."""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastapi_kit.health._shutdown import shutdown_in


class DrainingMiddleware:
    """Answers with `Connection: close` while the service drains (RFC 9112, section 9.6).

    A load balancer that picks an instance for each connection, as the Services of Kubernetes do, sends nothing new to
    an instance that is about to end, but what comes on kept-alive connections would still come when it ends. Needs
    `Shutdown.lifespan`. Costs next to nothing while the service serves; HTTP/2 has no such header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass everything on, and while draining add the header."""
        shutdown = shutdown_in(scope)
        if shutdown is None or not shutdown.draining or not scope.get("http_version", "").startswith("1"):
            return self.app(scope, receive, send)

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        return self.app(scope, receive, send_and_close)
