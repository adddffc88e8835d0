"""The text of `.env.example`: what may be set, what it means, and what holds if nothing is said."""

import json
import textwrap
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import Secret, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from fastapi_kit.settings._names import variable_of

_WIDTH = 100
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,:/@%+-*")


def env_example(settings: type[BaseSettings]) -> str:
    r"""Write `.env.example` for a class of settings: each variable with its description, in the order of the fields.

    A variable that has a default is commented out, with that default as its value; one that is made otherwise, or is a
    secret, has none. What has to be set is not commented out, and empty. So a copy of the file, named `.env`, changes
    nothing until it is edited, and says what is missing.

    Secrets are never written, not even a default: what is in the repository is known.

    Example:
        >>> class Mine(BaseSettings):
        ...     quota: int = Field(default=3, description="Visits a user may keep.")
        >>> env_example(Mine)
        '# Visits a user may keep.\n# QUOTA=3\n'
    """
    return "\n".join(_entry(settings, name, field) for name, field in settings.model_fields.items())


def _entry(settings: type[BaseSettings], name: str, field: FieldInfo) -> str:
    about = " ".join([*filter(None, [field.description]), *_choices(field)])
    comment = textwrap.wrap(about, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    variable = variable_of(settings, name)
    line = f"{variable}=" if field.is_required() else f"# {variable}={_quoted(_default(field))}"
    return "\n".join([*comment, line, ""])


def _choices(field: FieldInfo) -> Iterator[str]:
    kind: Any = field.annotation
    values: list[Any] = []
    if get_origin(kind) is Literal:
        values = list(get_args(kind))
    elif isinstance(kind, type) and issubclass(kind, Enum):
        values = [member.value for member in kind]
    if values:
        yield f"One of: {', '.join(map(str, values))}."


def _default(field: FieldInfo) -> str:
    """The default as it would be written in a variable; nothing for a secret, and where there is none to write."""
    default: Any = field.default
    if default is PydanticUndefined or default is None:
        return ""
    if isinstance(default, Secret | SecretStr):
        shown = str(default)  # pyright: ignore[reportUnknownArgumentType] - of a URL: without its credentials
        return "" if "*" in shown or shown != default.get_secret_value() else shown
    value = TypeAdapter(Any).dump_python(default, mode="json")
    if isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        if all(isinstance(item, str | int | float) for item in items):
            return ",".join(map(str, items))
    return value if isinstance(value, str) else json.dumps(value)


def _quoted(value: str) -> str:
    if _PLAIN.issuperset(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
