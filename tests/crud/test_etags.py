"""Entity tags, read and compared without a request."""

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_kit.crud._etags import MalformedTagsError, etag, is_known, matching_versions

MATCHES = {
    "one": ('"3"', {3}),
    "several": ('"1", "2" ,"3"', {1, 2, 3}),
    "without-spaces": ('"1","2"', {1, 2}),
    "white-space-around": (' \t"1"\t', {1}),
    "comma-at-the-end": ('"1",', {1}),
    "empty-elements": (', "1",, "2" ,', {1, 2}),
    "weak-is-no-match": ('W/"1"', set[int]()),
    "weak-among-strong": ('W/"1", "2"', {2}),
    "comma-in-quotes": ('"1,2", "3"', {3}),
    "others-tags": ('"abc", "", "1.0", "-1", "01", "+1", "1e3"', set[int]()),
    "zero": ('"0"', {0}),
    "largest": (f'"{2**63 - 1}"', {2**63 - 1}),
    "no-break-space-in-quotes": ('"\xa01", "2"', {2}),
    "larger-than-any-version": (f'"{2**63}", "{10**30}"', set[int]()),
    "digits-of-other-scripts": ('"\xb2", "\xb9"', set[int]()),
}


@pytest.mark.parametrize(("header", "versions"), MATCHES.values(), ids=MATCHES)
def test_if_match_takes_the_versions_that_it_names(header: str, versions: Collection[int]) -> None:
    """A list of tags names the versions among them, in strong comparison; a tag that no version has names none."""
    assert matching_versions(header) == frozenset(versions)


@pytest.mark.parametrize("header", ["*", " * ", "\t*"])
def test_a_star_is_any_version(header: str) -> None:
    """`*` matches whatever version there is, in both headers."""
    assert matching_versions(header) is None
    assert is_known(header, 1)


@pytest.mark.parametrize("header", ['"3"', 'W/"3"', '"1", W/"3"', '"a,b", "3"', '"1",\t"3",'])
def test_if_none_match_compares_weakly(header: str) -> None:
    """A version is known by its tag, weak or strong, wherever it stands in the list; another version is not."""
    assert is_known(header, 3)
    assert not is_known(header, 4)


MALFORMED = [
    "",
    " ",
    ",",
    "3",
    '"3',
    '3"',
    '"1" "2"',
    '"1";"2"',
    '*, "1"',
    '"1", *',
    "**",
    'w/"1"',
    'W/1, "1"',
    'W/ "1"',
    '"1" W/',
    "'1'",
    '"1"\xa0',
    '\x0b"1"',
    "\xa0*",
    '"a b"',
    '"a\x00"',
    '"\x7f"',
    '"a""b"',
]


@pytest.mark.parametrize("header", MALFORMED, ids=ascii)
def test_what_is_no_list_of_tags_is_malformed(header: str) -> None:
    """Anything else than `*` and a list of entity tags is refused by both headers, whatever the version."""
    with pytest.raises(MalformedTagsError):
        matching_versions(header)
    with pytest.raises(MalformedTagsError):
        is_known(header, 1)


def test_a_list_has_an_end() -> None:
    """A hundred tags are read, and no more."""
    assert matching_versions(", ".join(map(etag, range(100)))) == frozenset(range(100))
    with pytest.raises(MalformedTagsError):
        matching_versions(", ".join(map(etag, range(101))))


tag_characters = st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters='"\x7f')
tags = st.tuples(
    st.sampled_from(["", "W/"]),
    st.one_of(st.integers(0, 2**63 - 1).map(str), st.text(tag_characters, max_size=5)),
)
separators = st.sampled_from([",", ", ", " ,\t", ",,", ", ,"])


@given(st.lists(st.tuples(tags, separators), min_size=1, max_size=10), st.integers(0, 2**63 - 1))
def test_a_list_is_read_as_it_was_written(listed: list[tuple[tuple[str, str], str]], version: int) -> None:
    """Whatever tags a list has and however they are set apart, the versions among them are those that it names."""
    header = "".join(f'{weak}"{opaque}"{separator}' for (weak, opaque), separator in listed)
    strong = {opaque for (weak, opaque), _ in listed if not weak}
    found = matching_versions(header)
    assert found is not None
    assert {etag(number) for number in found} <= {f'"{opaque}"' for opaque in strong}
    assert (version in found) == (str(version) in strong)
    assert is_known(header, version) == (str(version) in {opaque for (_, opaque), _ in listed})
    assert matching_versions(f"{header} {etag(version)}") == found | {version}


@given(st.text(st.characters(max_codepoint=0xFF), max_size=30))
def test_any_header_is_read_or_refused(header: str) -> None:
    """No header ends in anything but versions or the one error, and both headers agree on which."""
    try:
        matching_versions(header)
    except MalformedTagsError:
        with pytest.raises(MalformedTagsError):
            is_known(header, 1)
    else:
        is_known(header, 1)
