"""What an endpoint raises: problems (RFC 9457), the ready-made ones, and the business errors of the reference."""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

RESERVED = frozenset({"type", "title", "status", "detail", "instance", "request_id"})
"""Members of a problem body that no extension may take."""

# The names of RFC 9110, where Python before 3.13 has older ones.
_RFC_9110 = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}


UNNAMED = "Error"
"""What a status without a name is called."""


def reason_phrase(status: int) -> str:
    """What RFC 9110 calls this status, the same on every Python; `UNNAMED` for a status without a name."""
    try:
        return _RFC_9110.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return UNNAMED


class Problem(HTTPException):
    """An error to answer a request with, as RFC 9457 describes it.

    Subclasses set `status`, `title` and `type` and are thereby declared problem types, which `raises` takes. A
    problem is an `HTTPException`: where nothing is installed, FastAPI answers with its status, headers and detail.

    Args:
        detail: What went wrong this time, for a person to read; the title if left out. It reaches the client: never
            give it the text of an exception, or what the client sent.
        status: HTTP status code, if not the class's own (500 on `Problem` itself).
        title: Short summary of the kind of problem, if not the class's own; by default the status's name.
        type: URI reference that names the kind of problem; by default `about:blank`, which means the status alone.
        instance: URI reference that names this occurrence; left out by default, as the request id names it already.
        headers: Header fields for the answer.
        extensions: Further members for the body.

    Raises:
        ValueError: An extension has the name of a member that RFC 9457 or the kit defines.
    """

    status: int = 500
    title: str | None = None
    type: str = "about:blank"

    def __init__(  # noqa: PLR0913 - the members of RFC 9457, each by its name
        self,
        detail: str | None = None,
        *,
        status: int | None = None,
        title: str | None = None,
        type: str | None = None,  # noqa: A002 - the member's name in RFC 9457
        instance: str | None = None,
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = self.status if status is None else status
        self.title = title or self.title or reason_phrase(self.status)
        self.type = type or self.type
        self.instance = instance
        self.extensions: dict[str, Any] = dict(extensions or {})
        if taken := sorted(RESERVED & set(self.extensions)):
            raise ValueError(
                f"{', '.join(taken)}: not an extension but a member of every problem; give it by its argument"
            )
        super().__init__(self.status, self.title if detail is None else detail, headers)


class BadRequestError(Problem):
    """The request cannot be understood."""

    status = 400


class UnauthorizedError(Problem):
    """No valid credentials came with the request; `headers` should carry a `WWW-Authenticate` challenge."""

    status = 401


class ForbiddenError(Problem):
    """The credentials are valid, but do not allow this."""

    status = 403


class NotFoundError(Problem):
    """There is no such resource, or none that the caller may know of."""

    status = 404


class ConflictError(Problem):
    """The request does not fit the present state of the resource."""

    status = 409


class PreconditionFailedError(Problem):
    """The resource is not in the state that the request names, such as the version in `If-Match`."""

    status = 412


class PreconditionRequiredError(Problem):
    """The request must name the state that it expects, such as a version by `If-Match` (RFC 6585)."""

    status = 428


class ContentTooLargeError(Problem):
    """The body is larger than the server takes."""

    status = 413


class UnsupportedMediaTypeError(Problem):
    """The body has a media type that the resource does not take."""

    status = 415


class UnprocessableContentError(Problem):
    """The body is well-formed, but cannot be carried out."""

    status = 422


class ServiceUnavailableError(Problem):
    """The server cannot answer for now.

    Args:
        detail: What went wrong this time, for a person to read.
        retry_after: Seconds after which to try again, for the `Retry-After` header; fractions are rounded up.
        headers: Further header fields.
        extensions: Further members for the body.
    """

    status = 503

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        if retry_after is not None:
            headers = {**(headers or {}), "Retry-After": str(math.ceil(retry_after))}
        super().__init__(detail, headers=headers, extensions=extensions)


class FieldError(TypedDict):
    """One thing that is wrong with a request, as FastAPI names it."""

    loc: Sequence[str | int]
    """Where: `body`, `query`, `path`, `header` or `cookie`, then names and indexes inwards."""
    msg: str
    """What is wrong, for a person to read; never with the value that was sent."""
    type: str
    """What is wrong, for a program: one of pydantic's error types or one's own."""


class ValidationProblem(UnprocessableContentError):  # noqa: N818 - a Problem, which is an HTTPException
    """The request does not have the declared shape: the same answer as FastAPI's own validation gets.

    Args:
        errors: What is wrong. The answer shows the first `max_errors` of them (see `install`) and says how many there
        were.
        total: How many there were, if `errors` holds only the first of them.
    """

    def __init__(self, errors: Sequence[FieldError], *, total: int | None = None) -> None:
        super().__init__("The request does not have the declared shape.")
        self.errors = errors
        self.total = len(errors) if total is None else total


class BusinessLogicError(Problem):
    """A rule of the business that a request breaks; subclass it for each rule.

    With `install(app, render="legacy")` the answer is `{"error": <class name>, "detail", "timestamp"}`, else a problem.

    Args:
        detail: What went wrong, for a person to read; it reaches the client.
        status_code: HTTP status code, if not the class's own `status` (400).
    """

    status = 400

    def __init__(self, detail: str, status_code: int | None = None) -> None:
        super().__init__(detail, status=status_code)

    def __str__(self) -> str:
        return str(self.detail)
