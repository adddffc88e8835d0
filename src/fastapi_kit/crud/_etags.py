"""Versions as entity tags: `ETag`, `If-Match` and `If-None-Match` (RFC 9110, sections 8.8 and 13.1). Pure."""

import re

_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_MOST_TAGS = 100

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
    if header.strip() == ANY:
        return None
    return frozenset(int(tag) for weak, tag in _tags(header) if not weak and _NUMBER.fullmatch(tag))


def is_known(header: str, version: int) -> bool:
    """Whether `If-None-Match` says that the client has this version; weak tags count (weak comparison).

    Raises:
        MalformedTagsError: `header` is neither `*` nor a list of entity tags.
    """
    return header.strip() == ANY or any(tag == str(version) for _, tag in _tags(header))


def _tags(header: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(header):
        tag = _TAG.match(header, place)
        if tag is None or len(found) == _MOST_TAGS:
            raise MalformedTagsError
        found.append((tag[1] or "", tag[2]))
        place = tag.end()
    if not found:
        raise MalformedTagsError
    return found
