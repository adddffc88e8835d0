"""Types of settings: lists from comma-separated text, and URLs that keep their credentials to themselves."""

import json
import re
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Secret
from pydantic_settings import NoDecode

Item = TypeVar("Item")

_HOST = r"([\w.\-]*|\[[0-9a-fA-F:.]*\])(:\d+)?"
_PLACE = re.compile(rf"{_HOST}(,{_HOST})*(/[\w.\-/]*)?")


def _split(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [item for item in (part.strip() for part in value.split(",")) if item]


CommaList = Annotated[tuple[Item, ...], NoDecode, BeforeValidator(_split)]
"""`CommaList[T]`: a tuple of `T`, written in a variable as `a, b` or as the JSON array `["a", "b"]`."""


class SecretURL(Secret[str]):
    """A URL that may hold credentials, such as a database's.

    `get_secret_value()` gives the URL itself. `repr`, `str` and JSON show where it leads
    (`postgresql://***@host/db`), never the user info, the query or the fragment, and only the scheme where it cannot be
    told for sure what is what. The path is shown: it is no place for a secret.
    """

    def _display(self) -> str:
        return _without_secrets(self.get_secret_value())


def _without_secrets(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "***"
    before_query = re.split(r"[?#]", rest, maxsplit=1)[0]
    # A second "@", or one after a "?", may be part of an unescaped password: then nothing of the rest is safe to show.
    if rest.count("@") > 1 or before_query.count("@") != rest.count("@"):
        return f"{scheme}://***"
    credentials, at, place = before_query.rpartition("@")
    if not _PLACE.fullmatch(place):
        return f"{scheme}://***"
    return f"{scheme}://***@{place}" if at and credentials else f"{scheme}://{place}"
