"""What may not be in production, and the secret that development gets."""

import logging
import re
import secrets
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from fastapi_kit.settings._names import variable_of
from fastapi_kit.settings._problems import SettingsProblem

if TYPE_CHECKING:
    from fastapi_kit.settings._settings import Settings

logger = logging.getLogger("fastapi_kit.settings")

LEAST_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The shortest key of each algorithm: the size of its hash (RFC 7518, section 3.2)."""

_FEWEST_CHARACTERS = 8
_MAKE_ONE = 'Make one: python -c "import secrets; print(secrets.token_urlsafe(64))"'

# The key of the FastAPI tutorial, and the words that placeholders are made of.
_TUTORIAL = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"
_PLACEHOLDER_WORDS = re.compile(
    "secret|key|change|this|please|your|here|super|insecure|password|default|example|development|production|dev|prod"
    "|test|local|random|string|token|jwt|session|app|with|some|long|value|for|not|use|in|my|me|it|to|at|least"
)


@cache
def development_secret() -> str:
    """A random secret, the same for the life of this process; making it is said in the log."""
    logger.warning("SECRET_KEY is not set: this process made one. Tokens end with it and hold in no other worker.")
    return secrets.token_urlsafe(64)


def production_problems(settings: "Settings") -> Iterator[SettingsProblem]:
    """Everything in `settings` that production must not run with."""
    yield from _secret_problems(settings)
    if settings.debug:
        yield _problem(settings, "debug-on", "debug", "Debugging shows internals to clients. Set it to false.")
    if "*" in settings.cors_origins and settings.cors_credentials:
        message = "The origin * with credentials lets every site act as the user. Name the origins."
        yield _problem(settings, "cors-any-origin", "cors_origins", message)
    if settings.public_docs and "public_docs" not in settings.model_fields_set:
        message = "The API's documentation would be public. Set it to true if that is meant, else to false."
        yield _problem(settings, "docs-public", "public_docs", message)


def _secret_problems(settings: "Settings") -> Iterator[SettingsProblem]:
    secret, least = settings.secret_key.get_secret_value(), LEAST_BYTES[settings.algorithm]
    if not secret:
        yield _problem(settings, "secret-missing", "secret_key", f"There is none. {_MAKE_ONE}")
    elif _is_placeholder(secret):
        yield _problem(settings, "secret-known", "secret_key", f"It is one that others know. {_MAKE_ONE}")
    elif len(secret.encode()) < least:
        message = f"{settings.algorithm} needs {least} bytes or more. {_MAKE_ONE}"
        yield _problem(settings, "secret-short", "secret_key", message)
    elif len(set(secret)) < _FEWEST_CHARACTERS:
        yield _problem(settings, "secret-simple", "secret_key", f"It repeats too few characters. {_MAKE_ONE}")


def _is_placeholder(secret: str) -> bool:
    plain = "".join(filter(str.isalnum, secret)).lower()
    words_left = _PLACEHOLDER_WORDS.sub("", plain)
    return plain == _TUTORIAL or len(words_left) * 4 < len(plain)


def _problem(settings: "Settings", code: str, field: str, message: str) -> SettingsProblem:
    return SettingsProblem(code, variable_of(type(settings), field), message)
