"""Reading query strings strictly: nothing is guessed, ignored or taken twice, and all errors are told at once."""

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError

from fastapi_kit.crud._filters import MOST_VALUES, Filter
from fastapi_kit.crud._parsing import Parse, text_parser
from fastapi_kit.errors import FieldError, ValidationProblem

_LONGEST_NAME = 64
"""Code points at most of a client's own name for a parameter that are shown back to it."""

_ENCODED = re.compile(rb"[%+\x80-\xff]")
_MOST_PARAMETERS = 1_000
_MOST_SUGGESTIONS = 5
"""Parameters at most of one request for which a similar name is looked for, which costs far more than all else."""

BLANKS = r"\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What stands between words, in a class of a regular expression; Python and ECMA-262 mean different ones by `\\s`, and
the OpenAPI document has to mean what the reader does."""
_WORD = re.compile(f"[^{BLANKS}]+")

_whole_number = text_parser(int)


def words_of(text: str) -> list[str]:
    """The words of a search."""
    return _WORD.findall(text)


class Reader:
    """Reads one query string and gathers its errors.

    Args:
        foreign: Parameters that belong to the route's dependencies, and are passed over.
    """

    def __init__(self, foreign: Collection[str]) -> None:
        self._foreign = foreign
        self._errors: list[FieldError] = []
        self._unknown = 0

    def error(self, name: str, kind: str, message: str) -> None:
        """Note an error of the parameter `name`, in the form that FastAPI gives to validation errors."""
        self._errors.append(FieldError(loc=("query", name[:_LONGEST_NAME]), msg=message, type=kind))

    def finish(self) -> None:
        """Raise what was found.

        Raises:
            ValidationProblem: There were errors.
        """
        if self._errors:
            raise ValidationProblem(self._errors)

    def pairs(self, query_string: bytes) -> Iterator[tuple[str, str]]:
        """The parameters that are not foreign, in order."""
        if not _ENCODED.search(query_string) and query_string.count(b"&") < _MOST_PARAMETERS:
            # Nothing to decode, as in most requests: the same for a third of the time.
            for part in query_string.decode().split("&"):
                name, _, text = part.partition("=")
                if part and name not in self._foreign:
                    yield name, text
            return
        try:
            found = parse_qsl(
                query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
            )
        except UnicodeDecodeError:
            self.error("", "value_error", "The query string must be percent-encoded UTF-8")
            return
        except ValueError:
            self.error("", "too_long", f"There may be at most {_MOST_PARAMETERS} parameters")
            return
        yield from (pair for pair in found if pair[0] not in self._foreign)

    def unknown(self, name: str, known: Collection[str]) -> None:
        """Note that there is no parameter `name`, and which one may have been meant."""
        self._unknown += 1
        close = get_close_matches(name[:_LONGEST_NAME], known, 1) if self._unknown <= _MOST_SUGGESTIONS else []
        hint = f"; did you mean {close[0]!r}?" if close else ""
        self.error(name, "extra_forbidden", f"There is no such parameter{hint}")

    def repeated(self, name: str) -> None:
        """Note that a parameter came twice that has one value."""
        self.error(name, "value_error", "This parameter may be given once")

    def value(self, name: str, parse: Parse, text: str) -> Any:
        """One value; `None` after an error."""
        try:
            return parse(text)
        except ValidationError as error:
            for found in error.errors(include_url=False, include_context=False, include_input=False):
                self.error(name, found["type"], found["msg"])
            return None

    def values(self, found: Filter, texts: list[str]) -> list[Any]:
        """The values of a list operator, which may come by comma where they cannot hold one."""
        if found.splits_on_comma:
            texts = [part for text in texts for part in text.split(",")]
        if len(texts) > MOST_VALUES:
            self.error(found.parameter, "too_long", f"There may be at most {MOST_VALUES} values")
            return []
        return [self.value(found.parameter, found.parse, text) for text in texts]

    def integer(self, name: str, text: str, largest: int) -> int:
        """A whole number from 1 to `largest`; 1 after an error."""
        number = self.value(name, _whole_number, text)
        if number is not None and not 1 <= number <= largest:
            self.error(name, "value_error", f"Input should be between 1 and {largest}")
            return 1
        return number or 1

    def one_of(self, name: str, text: str, choices: tuple[str, ...]) -> str:
        """One of `choices`; the first after an error."""
        if text in choices:
            return text
        self.error(name, "enum", f"Input should be one of {', '.join(choices)}")
        return choices[0]

    def words(self, name: str, text: str, longest: int, most: int) -> list[str]:
        """Words by blanks; none after an error."""
        found = words_of(text)
        if "\0" in text or len(text) > longest or not 1 <= len(found) <= most:
            self.error(
                name,
                "value_error",
                f"Input should be 1 to {most} words, of {longest} characters in all, without U+0000",
            )
            return []
        return found

    def names(self, name: str, text: str, choices: Collection[str], most: int) -> tuple[str, ...]:
        """Names by comma, each once, put into the order of `choices`; empty after an error."""
        given = text.split(",")
        if len(given) > most:
            self.error(name, "too_long", f"There may be at most {most} names")
        elif len(set(given)) < len(given) or not set(given) <= set(choices):
            self.error(name, "value_error", f"Input should be some of these, each once: {', '.join(choices)}")
        else:
            return tuple(choice for choice in choices if choice in given)
        return ()
