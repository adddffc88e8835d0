"""Text that every database stores and every client can read back.

PostgreSQL cannot store U+0000 in text, and UTF-8 cannot carry a lone surrogate: unchecked, both reach the driver and
come back as a 500. The types here refuse them as input errors and bound the length, and their JSON schema says so
(`pattern`, `minLength`, `maxLength`; lengths count code points in both).
"""

import html
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from fastapi_kit.schemas._models import Schema

_NO_NUL = r"^[^\u0000]*$"
_ONE_LINE = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"


def text(*, max_length: int, min_length: int = 0) -> StringConstraints:
    """Constrain a `str` to text without U+0000 and lone surrogates.

        bio: Annotated[str, text(max_length=500)]

    Args:
        max_length: The most code points.
        min_length: The fewest code points.
    """
    return StringConstraints(min_length=min_length or None, max_length=max_length, pattern=_NO_NUL)


def line(*, max_length: int, min_length: int = 0) -> StringConstraints:
    """Constrain a `str` to one line: no control character and no line or paragraph separator.

        name: Annotated[str, line(min_length=2, max_length=100)]

    Args:
        max_length: The most code points.
        min_length: The fewest code points.
    """
    return StringConstraints(min_length=min_length or None, max_length=max_length, pattern=_ONE_LINE)


Text = Annotated[str, text(max_length=10_000)]
"""Text of any number of lines, at most 10,000 code points."""

Line = Annotated[str, line(max_length=255)]
"""One line of text, at most 255 code points."""

_escaped = AfterValidator(html.escape)

EscapedText = Annotated[str, text(max_length=10_000), _escaped]
"""`Text` whose `&`, `<`, `>` and quotes become HTML entities once its length has been checked.

Escape where HTML is made, not where text comes in: text that is stored escaped is wrong in JSON, mail and search,
longer than its bound, and escaped twice when it comes in again. This type is for services whose readers put text into
pages unescaped.
"""


class SafeInput(Schema):
    """A title and a content whose HTML is escaped on the way in; `EscapedText` says when that is right."""

    content: Annotated[str, text(max_length=1000), _escaped]
    title: Annotated[str, text(min_length=1, max_length=100), _escaped]
