"""From an exception to the answer it gets: the one place where handlers and the boundary meet."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any, Literal

from fastapi.utils import is_body_allowed_for_status_code
from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Scope

from fastapi_kit._asgi import request_id
from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit._routes import allowed_methods
from fastapi_kit.errors._body import JSON, PROBLEM_JSON, encode, legacy_members, problem_members
from fastapi_kit.errors._meaning import FAILURE, Meaning, Translations, meaning_of
from fastapi_kit.errors._problem import Problem
from fastapi_kit.errors._types import type_uri

Render = Literal["problem", "legacy"]
"""`problem` for RFC 9457, `legacy` for the reference's `{"error", "detail", "timestamp"}`."""

logger = logging.getLogger("fastapi_kit.errors")

_OF_THE_BODY = {"content-type", "content-length"}


@dataclass(frozen=True, slots=True)
class Answers:
    """How exceptions are answered.

    Attributes:
        render: Shape of the bodies: `"problem"` for RFC 9457, `"legacy"` for `{"error", "detail", "timestamp"}`.
        max_errors: How many errors of a failed validation are shown; the answer says how many there were.
        translate: What exceptions of other libraries mean, by their class or a base of it: a function that makes a
            problem of one, or gives `None` for one that stays a failure. Never let it tell the exception's text.
        type_base: What stands before the name of a problem type in `type`, such as
            `"https://docs.example.org/problems/#"` for `…/problems/#not-found`; a type's own URI stays. Without it
            that is `about:blank`.
        clock: Gives the timestamp of legacy bodies.

    Raises:
        ValueError: One of them is out of range.
    """

    render: Render = "problem"
    max_errors: int = 20
    translate: Translations = field(default_factory=dict[type[Exception], Any])
    type_base: str | None = None
    clock: Clock = SYSTEM_CLOCK

    def __post_init__(self) -> None:
        if self.render not in {"problem", "legacy"}:
            message = f'render={self.render!r}: choose "problem" (RFC 9457) or "legacy" (error, detail, timestamp)'
            raise ValueError(message)
        if self.max_errors < 1:
            message = f"max_errors={self.max_errors}: show at least one error, so that a client finds what is wrong"
            raise ValueError(message)
        if self.type_base is not None and not self.type_base.endswith(("#", "/")):
            message = f"type_base={self.type_base!r}: a name is put right behind it, so let it end with # or /"
            raise ValueError(message)

    def meaning(self, exc: Exception) -> Meaning:
        """What a client is told of `exc`."""
        return meaning_of(exc, self.translate, self.max_errors)

    def response(self, exc: Exception, scope: Scope, meaning: Meaning | None = None) -> Response:
        """The answer to a request that ended with `exc`; it tells only what is meant for clients."""
        meaning = meaning or self.meaning(exc)
        problem = meaning.problem
        if meaning is FAILURE:
            return self._rendered(FAILURE, scope, _headers_of_failure(scope))
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _note_cause(problem, exc)
        headers = {name: text for name, text in (problem.headers or {}).items() if name.lower() not in _OF_THE_BODY}
        if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = _with_allow(headers, scope)
        if not is_body_allowed_for_status_code(problem.status):
            return Response(status_code=problem.status, headers=headers)
        return self._rendered(meaning, scope, headers)

    def _rendered(self, meaning: Meaning, scope: Scope, headers: dict[str, str]) -> Response:
        body = self._body(meaning, scope)
        headers["content-type"] = PROBLEM_JSON if self.render == "problem" else JSON
        headers["content-length"] = str(len(body))
        # The length is what a GET would have; only the body is left out (RFC 9110, section 9.3.2).
        return Response(b"" if scope.get("method") == "HEAD" else body, meaning.problem.status, headers)

    def _body(self, meaning: Meaning, scope: Scope) -> bytes:
        if meaning is FAILURE and self.render == "problem":
            return _body_of_failure(self.type_base, request_id(scope))

        def members(of: Problem) -> dict[str, Any]:
            if self.render == "legacy":
                return legacy_members(of, meaning.name, now=self.clock.now(), max_errors=self.max_errors)
            uri = type_uri(of, self.type_base)
            return problem_members(of, request_id=request_id(scope), max_errors=self.max_errors, uri=uri)

        return encode(members(meaning.problem), lambda: members(Problem(status=meaning.problem.status)))


def _headers_of_failure(scope: Scope) -> dict[str, str]:
    """What is raised again makes servers close the connection: a client that knows sends no request on it."""
    return {"connection": "close"} if scope.get("http_version", "").startswith("1") else {}


def _body_of_failure(type_base: str | None, name: str | None) -> bytes:
    """The same for every failure, but for the request's id."""
    body = _body_without_id(type_base)
    return body if name is None else b'%b,"request_id":%b}' % (body[:-1], to_json(name))


@cache
def _body_without_id(type_base: str | None) -> bytes:
    uri = type_uri(FAILURE.problem, type_base)
    return to_json(problem_members(FAILURE.problem, request_id=None, max_errors=1, uri=uri))


def _note_cause(problem: Problem, exc: Exception) -> None:
    """Name what a known failure of the server comes from: no traceback, as the next hundred requests meet the same."""
    cause = problem.__cause__ if exc is problem else exc
    if cause is not None:
        logger.warning("answered %d because of %s", problem.status, type(cause).__qualname__)


def _with_allow(headers: Mapping[str, str], scope: Scope) -> dict[str, str]:
    """With an `Allow` of all routes at this path, not only of the first (RFC 9110, section 15.5.6)."""
    allowed = allowed_methods(scope)
    for name, text in headers.items():
        if name.lower() == "allow":
            allowed |= {method.strip() for method in text.split(",") if method.strip()}
    others = {name: text for name, text in headers.items() if name.lower() != "allow"}
    # Where nobody knows, it is the static files of `app.frontend` that refused.
    return others | {"Allow": ", ".join(sorted(allowed or {"GET", "HEAD"}))}
