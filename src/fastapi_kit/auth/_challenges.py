"""What is answered to who may not: 401 and 403 with the challenges of RFC 6750, section 3, and 429."""

import math
from collections.abc import Iterable

from fastapi_kit.errors import ForbiddenError, Problem, UnauthorizedError

_SCHEME = "Bearer"


class TooManyAttemptsError(Problem):
    """There were too many attempts; `Retry-After` says when the next one is looked at."""

    status = 429

    def __init__(self, seconds: float = 1.0) -> None:
        super().__init__(
            "There were too many attempts. Try again later.", headers={"Retry-After": str(max(1, math.ceil(seconds)))}
        )


class InactiveUserError(ForbiddenError):
    """The user's account has been closed."""


def unauthenticated() -> UnauthorizedError:
    """Nobody has said who they are: a bare challenge, as section 3.1 wants it."""
    return UnauthorizedError("Not authenticated.", headers={"WWW-Authenticate": _SCHEME})


def invalid_token() -> UnauthorizedError:
    """The token, cookie or key is not valid; why is for the log alone."""
    return UnauthorizedError(
        "The credentials are not valid, or no longer.",
        headers={"WWW-Authenticate": _challenge(error="invalid_token")},
        extensions={"error": "invalid_token"},
    )


def invalid_grant(error: str = "invalid_grant") -> UnauthorizedError:
    """A login or a renewal that fails, with one answer for all reasons (RFC 6749, section 5.2, but for its 400)."""
    detail = (
        "The one-time code is missing." if error == "otp_required" else "The user name, password or token is not valid."
    )
    return UnauthorizedError(detail, headers={"WWW-Authenticate": _SCHEME}, extensions={"error": error})


def insufficient_scope(scopes: Iterable[str] = ()) -> ForbiddenError:
    """The user is known, and may not do this."""
    needed = " ".join(sorted(scopes))
    challenge = _challenge(error="insufficient_scope", **({"scope": needed} if needed else {}))
    return ForbiddenError(
        "This is not among what you may do.",
        headers={"WWW-Authenticate": challenge},
        extensions={"error": "insufficient_scope"},
    )


def not_fresh(max_age: int) -> UnauthorizedError:
    """The password was given too long ago for this (RFC 9470, section 3)."""
    return UnauthorizedError(
        "Log in again for this.",
        headers={"WWW-Authenticate": _challenge(error="insufficient_user_authentication", max_age=str(max_age))},
        extensions={"error": "insufficient_user_authentication"},
    )


def inactive(status: int) -> Problem:
    """The user is known, and may do nothing."""
    return InactiveUserError("Inactive user", status=status)


def forged() -> ForbiddenError:
    """A cookie came without the token that only a page of ours can add."""
    return ForbiddenError("The CSRF token is missing or wrong.", extensions={"error": "csrf"})


def _challenge(**parameters: str) -> str:
    return f"{_SCHEME} " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())
