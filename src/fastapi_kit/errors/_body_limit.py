"""A limit for the bodies of requests, at no cost to requests that have none."""

from collections.abc import Awaitable

from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_kit.errors._answer import Answers
from fastapi_kit.errors._boundary import ErrorBoundaryMiddleware

_OF_A_BODY = frozenset({b"content-length", b"transfer-encoding"})


class BodyLimitMiddleware:
    """Starlette's body limit, with its refusal in the one shape of errors.

    Over HTTP/1 a request that names neither the length of a body nor its encoding has none (RFC 9112, section 6.3), as
    most that only read have. There is nothing to limit then.

    Args:
        app: What is inside.
        max_body_size: Bytes of a body at most.
        answers: How the refusal is answered.
    """

    def __init__(self, app: ASGIApp, *, max_body_size: int, answers: Answers) -> None:
        self.app = app
        self._limited = ErrorBoundaryMiddleware(RequestBodyLimitMiddleware(app, max_body_size), answers=answers)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Run what is inside, with a limit if the request may have a body."""
        return (self._limited if _may_have_body(scope) else self.app)(scope, receive, send)


def _may_have_body(scope: Scope) -> bool:
    if scope["type"] != "http" or not scope.get("http_version", "").startswith("1"):
        return True
    return not _OF_A_BODY.isdisjoint(dict(scope["headers"]))
