"""Versions as entity tags: `ETag`, `If-Match` and `If-None-Match` (RFC 9110, sections 8.8 and 13.1). Pure."""

import re

_ELEMENT = re.compile(r'[ \t]*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,|$)')
"""A tag, or nothing at all, as a list may have empty elements (RFC 9110, section 5.6.1.2)."""
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_LARGEST = 2**63 - 1
_MOST_ELEMENTS = 100

ANY = "*"


class MalformedTagsError(ValueError):
    """The header is no list of entity tags."""


def etag(version: int) -> str:
    """The strong entity tag of a version."""
    return f'"{version}"'


def matching_versions(header: str) -> frozenset[int] | None:
    """The versions that `If-Match` takes; `None` for any.

    A weak tag is a match for none, as writes ask for strong comparison; nor is a tag that no version has.

    Raises:
        MalformedTagsError: `header` is neither `*` nor a list of entity tags.
    """
    if header.strip(" \t") == ANY:
        return None
    numbers = (int(tag) for weak, tag in _tags(header) if not weak and _NUMBER.fullmatch(tag))
    return frozenset(number for number in numbers if number <= _LARGEST)


def is_known(header: str, version: int) -> bool:
    """Whether `If-None-Match` says that the client has this version; weak tags count (weak comparison).

    Raises:
        MalformedTagsError: `header` is neither `*` nor a list of entity tags.
    """
    return header.strip(" \t") == ANY or any(tag == str(version) for _, tag in _tags(header))


def _tags(header: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = 0
    for _ in range(_MOST_ELEMENTS):
        element = _ELEMENT.match(header, place)
        if element is None:
            raise MalformedTagsError
        if element[2] is not None:
            found.append((element[1] or "", element[2]))
        place = element.end()
        if place == len(header):
            break
    if not found or place < len(header):
        raise MalformedTagsError
    return found
