"""Models and types that are right at the border of an API.

- `Schema`: base of request and response models. `BaseResponse`: the same with `id`, `created_at` and `updated_at`.
- `Partial[Model]`, `partial(Model)`: a model of which any field may be left out, for PATCH.
- `Text`, `Line`: bounded text without NUL; `text()`, `line()` make one with other bounds.
- `SafeInt`, `UTCDatetime`: integers and instants that mean the same everywhere.
- `WHOLE`, `ISO_DATE`: numbers and dates in all forms that the JSON schema tells of, and in no others.
- `kept_fields()`: the fields that hold a value just as it was sent.
- `EscapedText`, `SafeInput`: HTML escaped on input, for those who must.
"""

from fastapi_kit.schemas._kept import kept_fields
from fastapi_kit.schemas._models import BaseResponse, Schema
from fastapi_kit.schemas._partial import Partial, partial
from fastapi_kit.schemas._scalars import ISO_DATE, WHOLE, SafeInt, UTCDatetime
from fastapi_kit.schemas._text import EscapedText, Line, SafeInput, Text, line, text

__all__ = [
    "ISO_DATE",
    "WHOLE",
    "BaseResponse",
    "EscapedText",
    "Line",
    "Partial",
    "SafeInput",
    "SafeInt",
    "Schema",
    "Text",
    "UTCDatetime",
    "kept_fields",
    "line",
    "partial",
    "text",
]
