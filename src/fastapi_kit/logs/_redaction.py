"""What may stand in a log line: no secrets, and no characters that forge lines or drive terminals.

Both are structlog processors and pure: an event dict goes in, an event dict comes out. Secrets are told by the
names of their keys, at any depth. Control characters are escaped as Python writes them, so a line break that a
client sent stays visible and the record stays one line, whoever prints it.
"""

import re
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import NoneType
from typing import Any, cast

from pydantic import BaseModel

REDACTED = "[redacted]"
"""What stands for a secret."""

_SECRET_PARTS = (
    "apikey",
    "authorization",
    "cookie",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "sessionid",
    "token",
)
_PLAIN = (str, int, float, NoneType)
_OF_LOGGING = {"exc_info", "_record"}
_DEEPEST = 8

# Controls (C0, DEL, C1), separators that end a line for some readers, marks that reorder text on a terminal, and lone
# surrogates, which no output can encode.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_MULTI_LINE = {"exception", "stack"}
_UNSAFE_IN_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def redact(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the values of secret keys (`password`, `Authorization`, `api_key`, `x-auth-token`, ...), at any depth."""
    for key, value in event_dict.items():
        if is_secret(key):
            event_dict[key] = REDACTED
        elif not isinstance(value, _PLAIN) and key not in _OF_LOGGING:
            event_dict[key] = _redacted(value, _DEEPEST)
    return event_dict


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a value of this name must not be logged; case, dashes and underscores do not matter."""
    plain = name.casefold().replace("-", "").replace("_", "")
    return any(part in plain for part in _SECRET_PARTS)


def _redacted(value: Any, depth: int) -> Any:
    if isinstance(value, BaseModel):
        value = dict(value)
    elif is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        members = cast("Mapping[Any, object]", value)
        return {key: _member(key, item, depth) for key, item in members.items()} if depth else REDACTED
    if isinstance(value, list | tuple | set | frozenset):
        items = list(cast("Iterable[object]", value))
        return _sequence(items, depth) if depth else REDACTED
    return value


def _member(key: object, value: object, depth: int) -> Any:
    return REDACTED if is_secret(_name(key)) else _redacted(value, depth - 1)


def _sequence(items: list[Any], depth: int) -> list[Any]:
    """A list; one of a name and a value, like a raw header, is treated as a member."""
    if len(items) == 2 and isinstance(items[0], str | bytes) and is_secret(_name(items[0])):  # noqa: PLR2004 - a pair
        return [items[0], REDACTED]
    return [_redacted(item, depth - 1) for item in items]


def _name(key: object) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)


def escape_controls(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters in every text, at any depth; tracebacks keep their line breaks."""
    for key, value in event_dict.items():
        if isinstance(value, str):
            if not value.isprintable():
                event_dict[key] = (_UNSAFE_IN_LINES if key in _MULTI_LINE else _UNSAFE).sub(_escape, value)
        elif isinstance(value, list | dict):
            event_dict[key] = _escaped(value)
    return event_dict


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else _UNSAFE.sub(_escape, value)
    if isinstance(value, dict):
        members = cast("dict[object, object]", value)
        return {_escaped(key): _escaped(item) for key, item in members.items()}
    return [_escaped(item) for item in cast("list[object]", value)] if isinstance(value, list) else value


def _escape(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")
