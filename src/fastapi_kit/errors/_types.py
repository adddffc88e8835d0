"""The names of problem types, and the URIs that are made of them."""

import re

from fastapi_kit.errors._problem import UNNAMED, Problem, reason_phrase

BLANK = "about:blank"
"""The kind of problem that its status says all about (RFC 9457, section 4.2.1)."""

_SUFFIX = re.compile(r"(?<=[a-z0-9])(Error|Problem|Exception)$")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def type_uri(problem: Problem, base: str | None) -> str:
    """What `type` says: the problem's own URI, or one made of its name where there is a base for it."""
    if base is None or problem.type != BLANK:
        return problem.type
    name = name_of_class(type(problem).__name__) if type(problem) is not Problem else name_of_status(problem.status)
    return base + name if name else BLANK


def name_of_class(name: str) -> str:
    """The name of the type that a class declares: `OutOfStockError` is `out-of-stock`."""
    return "-".join(word.lower() for word in _WORD.findall(_SUFFIX.sub("", name)))


def name_of_status(status: int) -> str | None:
    """The name of the type that is a status and no more: 405 is `method-not-allowed`; `None` for one without a name."""
    phrase = reason_phrase(status)
    return None if phrase == UNNAMED else re.sub(r"[^a-z]+", "-", phrase.lower()).strip("-")
