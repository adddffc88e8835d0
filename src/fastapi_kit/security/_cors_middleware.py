"""CORS headers on answers, put together once for each origin."""

from collections.abc import Iterable
from functools import lru_cache

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import cors as starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastapi_kit._asgi import header
from fastapi_kit.security._cors import CORS
from fastapi_kit.security._headers import Pair

_VARY = b"vary"
_OURS = b"access-control-"
_ORIGIN = b"origin"
_MOST_ORIGINS = 256
"""Origins whose headers are kept: clients invent as many as they like."""


class CORSMiddleware(starlette.CORSMiddleware):
    """Starlette's `CORSMiddleware` for a policy, at a fraction of its cost: to all requests it says the same.

    What an answer has to say depends on the origin alone, so it is put together once for each and added. Preflight
    requests, and answers of routes that set headers of CORS themselves, are left to Starlette.

    Args:
        app: What is inside.
        policy: Whose pages may read the answers.
    """

    def __init__(self, app: ASGIApp, *, policy: CORS) -> None:
        super().__init__(app, **policy.options())
        self._added = lru_cache(_MOST_ORIGINS)(self._headers_for)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what is inside, and say who may read its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        origin = header(scope["headers"], _ORIGIN)
        if origin is not None and scope["method"] == "OPTIONS":
            await super().__call__(scope, receive, send)
            return
        added = self._added(origin)

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = _with(message.get("headers", ()), added)
                if headers is None:
                    await self.send(message, send, Headers(scope=scope))
                    return
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, complete)

    def _headers_for(self, origin: bytes | None) -> list[Pair]:
        """What an answer to a page of this origin says, without `Vary`."""
        if origin is None:
            return []
        headers = MutableHeaders(self.simple_headers)
        if not self.allow_all_origins and self.is_allowed_origin(text := origin.decode("latin-1")):
            headers["Access-Control-Allow-Origin"] = text
        return headers.raw


def _with(given: Iterable[Pair], added: list[Pair]) -> list[Pair] | None:
    """The headers of an answer with those; `None` if it has some of CORS itself."""
    headers: list[Pair] = []
    varies = b""
    for pair in given:
        name = pair[0]
        if name.startswith(_OURS):
            return None
        if name == _VARY:
            varies += pair[1] + b", "
        else:
            headers.append(pair)
    headers += added
    headers.append((_VARY, varies + b"Origin"))
    return headers
