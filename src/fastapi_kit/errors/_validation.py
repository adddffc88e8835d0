"""What a failed validation may tell: where and what, never the value that was sent.

FastAPI's own answer repeats the input of every error, and has an entry for each of them. Here, of an error's members
only `loc`, `msg` and `type` are kept, each cut to a length, and only the first errors. That leaves two ways for input
to come back:

- A message that was made from it. Pydantic's messages speak of the schema, but for a few that carry a value in
  their context (`union_tag_invalid`, `zoneinfo_str`, `import_error`, ...); and a validator's own `ValueError` says
  what its author wrote, or what `int(value)` raised. A message whose variable part repeats the input is replaced.
- Names: `loc` holds the unknown fields and mapping keys that the client sent. A client needs them to find its
  mistake, so they stay, cut to a length.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast, get_args

from pydantic_core.core_schema import ErrorType

from fastapi_kit.errors._problem import FieldError

LONGEST_NAME = 64
LONGEST_MESSAGE = 300
DEEPEST_LOCATION = 16
HIDDEN = "Input is not valid"
"""What stands for a message that repeats the input."""

_FRAGMENT = 8
_SHORTEST_WORD = 3  # shorter ones collide with ordinary words and tell nothing
_LONGEST_INTEGER = 1_000  # bits; Python refuses to write very long integers in decimal
_MOST_VALUES = 1_000
_LONGEST_VALUE = 100_000
_PYDANTIC_TYPES = frozenset(get_args(ErrorType))


def field_errors(errors: Iterable[Mapping[str, Any]], limit: int) -> list[FieldError]:
    """The first `limit` of FastAPI's validation errors, without input and bounded in length."""
    return [field_error(error) for error in islice(errors, limit)]


def field_error(error: Mapping[str, Any]) -> FieldError:
    """One validation error, without input and bounded in length; it may lack any member."""
    kind = str(error.get("type", "value_error"))
    message = str(error.get("msg", HIDDEN))
    if any(_repeats(text, error.get("input")) for text in _variable_parts(kind, message, error.get("ctx") or {})):
        message = HIDDEN
    return {
        "loc": _bounded_location(error.get("loc", ())),
        "msg": _cut(message, LONGEST_MESSAGE),
        "type": _cut(kind, LONGEST_NAME),
    }


def _bounded_location(location: Sequence[Any]) -> list[str | int]:
    items = [item if isinstance(item, int) else _cut(str(item), LONGEST_NAME) for item in location[:DEEPEST_LOCATION]]
    return [*items, "…"] if len(location) > DEEPEST_LOCATION else items


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _variable_parts(kind: str, message: str, context: Mapping[str, Any]) -> list[str]:
    """What of a message may come from the input: nothing without a context, in one of pydantic's own."""
    if kind not in _PYDANTIC_TYPES or any(isinstance(value, BaseException) for value in context.values()):
        return [message]
    return [value for value in context.values() if isinstance(value, str)]


def _repeats(text: str, value: object) -> bool:
    """Whether `text` has a word or a longer fragment of `value`; one too large to tell counts as such."""
    text = text.casefold()
    fragments = [text[start : start + _FRAGMENT] for start in range(len(text) - _FRAGMENT + 1)]
    for count, leaf in enumerate(_leaves(value)):
        if count >= _MOST_VALUES or len(leaf) > _LONGEST_VALUE:
            return True
        word = leaf.casefold().strip()
        if len(word) >= _FRAGMENT:
            if any(fragment in word for fragment in fragments):
                return True
        elif len(word) >= _SHORTEST_WORD and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text):
            return True
    return False


def _leaves(value: object) -> Iterator[str]:
    """Every value inside a JSON-like one, as text, empty for containers; names are the schema's."""
    pending: list[object] = [value]
    while pending:
        item = pending.pop()
        text = ""
        match item:
            case str():
                text = item
            case bytes():
                text = item.decode("utf-8", "replace")
            case None | bool():
                pass
            case int():
                text = str(item) if item.bit_length() < _LONGEST_INTEGER else hex(item)
            case float():
                text = repr(item)
            case Mapping():
                pending.extend(islice(cast("Mapping[str, object]", item).values(), _MOST_VALUES))
            case list() | tuple() | set() | frozenset():
                pending.extend(islice(cast("Iterable[object]", item), _MOST_VALUES))
            case _:
                pending.extend(islice(getattr(item, "__dict__", {}).values(), _MOST_VALUES))
        yield text
