"""Compressed answers, at no cost to those that are too small for it."""

from starlette.datastructures import Headers
from starlette.middleware import gzip as starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastapi_kit._asgi import header


class GZipMiddleware(starlette.GZipMiddleware):
    """Starlette's `GZipMiddleware`, which lets an answer pass at once that says that it is too small.

    Starlette holds the start of each answer back until it has seen the first part of the body. An answer whose
    `Content-Length` is below the minimum, as most of an API's are, is sent as it comes; all others are Starlette's.

    Args:
        app: What is inside.
        minimum_size: Bytes from which an answer is compressed: what fits into one packet gains nothing by it.
        compresslevel: From 1, the fastest, to 9, the smallest.
    """

    def __init__(self, app: ASGIApp, *, minimum_size: int = 1_000, compresslevel: int = 9) -> None:
        super().__init__(app, minimum_size, compresslevel)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what is inside, and compress its answer if that is worth it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        onward: Send | None = None

        async def choose(message: Message) -> None:
            nonlocal onward
            if onward is None:
                if message["type"] != "http.response.start":  # an early hint
                    await send(message)
                    return
                onward = send if self._is_small(message) else self._compressor(scope, send)
            await onward(message)

        await self.app(scope, receive, choose)

    def _is_small(self, start: Message) -> bool:
        length = header(start.get("headers", ()), b"content-length")
        return length is not None and length.isdigit() and int(length) < self.minimum_size

    def _compressor(self, scope: Scope, send: Send) -> Send:
        """What Starlette would put around `send`."""
        excluded = self.exclude_content_types
        responder = (
            starlette.GZipResponder(
                self.app,
                self.minimum_size,
                self.compresslevel,
                thread_minimum_size=self.thread_minimum_size,
                exclude_content_types=excluded,
            )
            if "gzip" in Headers(scope=scope).get("Accept-Encoding", "")
            else starlette.IdentityResponder(self.app, self.minimum_size, exclude_content_types=excluded)
        )
        responder.send = send
        return responder.send_with_compression
