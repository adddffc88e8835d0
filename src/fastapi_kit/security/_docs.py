"""FastAPI's documentation pages, each under a policy of its own.

The pages are plain routes whose HTML depends on the request, by the root path. So the policy is made from the page that
is sent, where it is sent: around the route, inside whatever compresses it. No other request passes through here.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastapi_kit.security._policy import page_policy


def protect_docs(app: FastAPI, *, connect: Iterable[str] = ()) -> None:
    """Let the documentation pages of `app` work under a strict `Content-Security-Policy`.

    Each page gets the policy that `page_policy` reads off it, and a `Cross-Origin-Opener-Policy` under which the window
    of an OAuth2 login finds its way back. A page that is served by a route of your own does not: give it
    `page_policy(html)` yourself. Calling this again changes nothing.

    Args:
        app: The application; its docs are where its `docs_url` and `redoc_url` say.
        connect: Origins that "Try it out" may call besides the app's own and those of its `servers`.
    """
    origins = (*map(_origin, app.servers), *connect)
    openers = {app.docs_url: "same-origin-allow-popups", app.redoc_url: "same-origin"}
    if app.docs_url:
        # A window whose policy differs from that of the page it came from loses its opener, which it reports to.
        openers[app.swagger_ui_oauth2_redirect_url] = "unsafe-none"
    for route in app.routes:
        if isinstance(route, Route) and route.path in openers and not isinstance(route.app, _Page):
            route.app = _Page(route.app, openers[route.path].encode(), origins)


class _Page:
    """A page whose start is sent once its policy is known."""

    def __init__(self, app: ASGIApp, opener: bytes, connect: tuple[str, ...]) -> None:
        self.app = app
        self._opener = opener
        self._connect = connect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None

        async def with_policy(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            held, start = start, None
            if held is not None:
                policy = page_policy(message.get("body", b"").decode("utf-8", "replace"), connect=self._connect)
                added = [(b"content-security-policy", policy.encode()), (b"cross-origin-opener-policy", self._opener)]
                await send({**held, "headers": [*held.get("headers", ()), *added]})
            await send(message)

        await self.app(scope, receive, with_policy)


def _origin(server: Mapping[str, Any]) -> str:
    parts = urlsplit(str(server.get("url", "")))
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "'self'"
