"""What an exception means for a client: the problem that it stands for.

Problems and `HTTPException`s are meant for clients, and so is a failed validation. The errors of a library are, where
somebody has said what they mean. All others are failures: a client is told that there was one, and no word of it.
"""

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, cast

from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException

from fastapi_kit.errors._problem import Problem, ValidationProblem

Translations = Mapping[type[Exception], Callable[[Any], Problem | None]]
"""What exceptions of a library mean, by their class or a base of it; `None` for one that tells of a fault."""

_MOST_LEAVES = 1_000
_FIRST_TOLD = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Meaning(NamedTuple):
    """What a client is told of an exception."""

    problem: Problem
    name: str
    """What the legacy shape calls the error."""
    known: bool
    """Whether it was meant for clients; otherwise it is a failure, and the server shall see it."""


FAILURE = Meaning(Problem("The server could not answer this request."), "InternalServerError", known=False)
"""Of what is not meant for clients: all failures are told alike."""


def meaning_of(exc: Exception, translate: Translations, max_errors: int) -> Meaning:
    """What `exc` means; of a group, what the gravest of its exceptions does."""
    if isinstance(exc, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", exc)
        return max((_of_one(leaf, translate, max_errors) for leaf in _leaves(group)), key=_gravity)
    return _of_one(exc, translate, max_errors)


def _of_one(exc: Exception, translate: Translations, max_errors: int) -> Meaning:
    translated = _translated(exc, translate) if translate and not isinstance(exc, Problem) else None
    match translated or exc:
        case ValidationProblem() as problem:
            return Meaning(problem, "ValidationError", known=True)
        case Problem() as problem:
            return Meaning(problem, type(problem).__name__, known=True)
        case HTTPException(detail=str() as detail) as error:
            problem = Problem(detail, status=error.status_code, headers=error.headers)
            return Meaning(problem, type(error).__name__, known=True)
        case HTTPException() as error:
            # FastAPI allows any JSON as detail; RFC 9457 says that it is a text.
            problem = Problem(status=error.status_code, headers=error.headers, extensions={"data": error.detail})
            return Meaning(problem, type(error).__name__, known=True)
        case RequestValidationError() | WebSocketRequestValidationError() as error:
            errors = error.errors()
            return Meaning(ValidationProblem(errors[:max_errors], total=len(errors)), "ValidationError", known=True)
        case _:
            return FAILURE


def _translated(exc: Exception, translate: Translations) -> Problem | None:
    for kind in type(exc).__mro__:
        translation = translate.get(kind)
        if translation is not None:
            try:
                return translation(exc)
            except Exception as error:  # noqa: BLE001 - the answer must not fail, and there is one traceback to tell in
                exc.add_note(f"What this means for a client could not be told: {type(error).__name__}")
                return None
    return None


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    """The exceptions in a group and in the groups of it, in their order."""
    pending: list[Exception] = [group]
    count = 0
    while pending and count < _MOST_LEAVES:
        exc = pending.pop()
        if isinstance(exc, ExceptionGroup):
            pending.extend(reversed(cast("ExceptionGroup[Exception]", exc).exceptions))
        else:
            count += 1
            yield exc


def _gravity(meaning: Meaning) -> tuple[bool, bool, int]:
    """A failure is graver than what is known, the server's fault than a client's, and who may ask than what is asked.

    Of equals `max` takes the first.
    """
    status = meaning.problem.status
    permission = len(_FIRST_TOLD) - _FIRST_TOLD.index(status) if status in _FIRST_TOLD else 0
    return not meaning.known, status >= HTTPStatus.INTERNAL_SERVER_ERROR, permission
