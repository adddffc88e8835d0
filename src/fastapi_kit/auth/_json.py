"""JSON objects as tokens may hold them: read the same by everybody, and harmless to whoever reads on.

Refused besides what is no JSON: a name given twice (readers differ in which they take, RFC 8725, section 2.4), numbers
without a value (`NaN`, `Infinity`, `1e999`), depth, and text that no database stores (U+0000, half a surrogate pair).
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias, cast

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"

_CONTAINERS = (dict, list, tuple)
"""Those that `json` reads and writes."""
DEEPEST = 10
"""Objects and arrays at most inside each other, the outermost counted."""


def parse_object(raw: bytes) -> dict[str, Any]:
    """The object that `raw` is the text of, in UTF-8.

    Raises:
        ValueError: There is none, or none that is taken.
    """
    try:
        found: object = _DECODER.decode(raw.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004 - of what was sent, not of a type in code
    found = cast("dict[str, Any]", found)
    if b"\\u" in raw or b"[" in raw or raw.count(b"{") > 1:  # else it is flat, and its texts are as UTF-8 has them
        check(found)
    return found


def dump_object(value: dict[str, Any]) -> bytes:
    """The text of an object, as short as may be.

    Raises:
        ValueError: It holds something that `parse_object` would not take.
        TypeError: It holds something that is no JSON.
    """
    check(value)
    return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def check(value: dict[str, Any]) -> None:
    """See that an object is not too deep, that its texts can be stored, and that its names are texts."""
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for it in level:
            for child in _children(it):
                if isinstance(child, str):
                    if not _is_storable(child):
                        raise ValueError("text that cannot be stored")
                elif isinstance(child, _CONTAINERS):
                    inner.append(child)
        if not inner:
            return
        level = inner
    raise ValueError("nested too deep")


def _children(container: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterable[Any]:
    if isinstance(container, dict):
        if not all(isinstance(name, str) for name in container):
            raise TypeError("a name that is no text")
        return (*container, *container.values())
    return container


def _is_storable(text: str) -> bool:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # half a surrogate pair
            return False
    return "\0" not in text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name given twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number out of range")
    return number


def _refuse(_text: str) -> NoReturn:
    raise ValueError("no number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse)
