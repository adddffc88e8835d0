"""From an exception to the answer it gets: the one place where handlers and the boundary meet."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.utils import is_body_allowed_for_status_code
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from fastapi_kit._asgi import request_id
from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit._routes import allowed_methods
from fastapi_kit.errors._body import JSON, PROBLEM_JSON, encode, legacy_members, problem_members
from fastapi_kit.errors._problem import Problem, ValidationProblem

Render = Literal["problem", "legacy"]
"""`problem` for RFC 9457, `legacy` for the reference's `{"error", "detail", "timestamp"}`."""

_OF_THE_BODY = {"content-type", "content-length"}


@dataclass(frozen=True, slots=True)
class Answers:
    """How exceptions are answered.

    Attributes:
        render: Shape of the bodies.
        max_errors: How many errors of a validation are shown.
        clock: Gives the timestamp of legacy bodies.
    """

    render: Render = "problem"
    max_errors: int = 20
    clock: Clock = SYSTEM_CLOCK

    def response(self, exc: Exception, scope: Scope) -> Response:
        """The answer to a request that ended with `exc`; it tells only what is meant for clients."""
        problem = problem_of(exc, self.max_errors)
        headers = {name: text for name, text in (problem.headers or {}).items() if name.lower() not in _OF_THE_BODY}
        if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = _with_allow(headers, scope)
        if not is_body_allowed_for_status_code(problem.status):
            return Response(status_code=problem.status, headers=headers)
        body = self._body(problem, exc, scope)
        headers["content-type"] = PROBLEM_JSON if self.render == "problem" else JSON
        headers["content-length"] = str(len(body))
        # The length is what a GET would have; only the body is left out (RFC 9110, section 9.3.2).
        return Response(b"" if scope.get("method") == "HEAD" else body, problem.status, headers)

    def _body(self, problem: Problem, exc: Exception, scope: Scope) -> bytes:
        def members(of: Problem) -> dict[str, Any]:
            if self.render == "legacy":
                return legacy_members(of, _legacy_name(exc), now=self.clock.now(), max_errors=self.max_errors)
            return problem_members(of, request_id=request_id(scope), max_errors=self.max_errors)

        return encode(members(problem), lambda: members(Problem(status=problem.status)))


def problem_of(exc: Exception, max_errors: int) -> Problem:
    """The problem that an exception stands for; 500 without a word of it for one that is not meant for clients."""
    match exc:
        case Problem():
            return exc
        case HTTPException(detail=str() as detail):
            return Problem(detail, status=exc.status_code, headers=exc.headers)
        case HTTPException():
            # FastAPI allows any JSON as detail; RFC 9457 says that it is a text.
            return Problem(status=exc.status_code, headers=exc.headers, extensions={"data": exc.detail})
        case RequestValidationError() | WebSocketRequestValidationError():
            errors = exc.errors()
            return ValidationProblem(errors[:max_errors], total=len(errors))
        case _:
            return Problem("The server could not answer this request.")


def _legacy_name(exc: Exception) -> str:
    match exc:
        case ValidationProblem() | RequestValidationError() | WebSocketRequestValidationError():
            return "ValidationError"
        case HTTPException():
            return type(exc).__name__
        case _:
            return "InternalServerError"


def _with_allow(headers: dict[str, str], scope: Scope) -> dict[str, str]:
    """With an `Allow` of all routes at this path, not only of the first (RFC 9110, section 15.5.6)."""
    allowed = allowed_methods(scope)
    for name, text in headers.items():
        if name.lower() == "allow":
            allowed |= {method.strip() for method in text.split(",") if method.strip()}
    others = {name: text for name, text in headers.items() if name.lower() != "allow"}
    # Where nobody knows, it is the static files of `app.frontend` that refused.
    return others | {"Allow": ", ".join(sorted(allowed or {"GET", "HEAD"}))}
