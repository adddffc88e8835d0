"""An answer as bytes, and by its tag."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_kit.cache import StoredAnswer
from fastapi_kit.cache._answer import is_known, strong_etag

TOKENS = st.binary(min_size=1, max_size=20).filter(lambda text: b"\0" not in text)
ANSWERS = st.builds(
    StoredAnswer,
    st.integers(100, 599),
    st.lists(st.tuples(TOKENS, st.binary(max_size=20).filter(lambda text: b"\0" not in text)), max_size=4),
    st.binary(max_size=200),
    st.floats(0, 1e10),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
)


@given(ANSWERS, st.binary(max_size=20))
def test_it_comes_back_as_it_was(answer: StoredAnswer, before: bytes) -> None:
    """From wherever in the value of a store it begins."""
    assert StoredAnswer.from_bytes(before + answer.to_bytes(), len(before)) == answer


@given(st.binary(max_size=100), ANSWERS, st.data())
def test_other_bytes_are_no_answer(junk: bytes, answer: StoredAnswer, data: st.DataObject) -> None:
    """Those of another format, or that break off before the body: nothing is raised."""
    whole = answer.to_bytes()
    head = len(whole) - len(answer.body)
    assert StoredAnswer.from_bytes(whole[: data.draw(st.integers(0, head - 1))]) is None
    assert StoredAnswer.from_bytes(b"\x01" + whole[1:]) is None
    assert StoredAnswer.from_bytes(b"\x00" + junk) is None


@pytest.mark.parametrize(
    ("if_none_match", "known"),
    [
        (None, False),
        (b"", False),
        (b'"a"', True),
        (b'W/"a"', True),
        (b'"b"', False),
        (b'"b", W/"a"', True),
        (b" * ", True),
        (b"a", False),
    ],
)
def test_a_client_has_an_answer_by_weak_comparison(if_none_match: bytes | None, known: bool) -> None:
    """Of any of the tags that it names (RFC 9110, section 13.1.2)."""
    assert is_known(if_none_match, b'"a"') == known
    assert is_known(if_none_match, b'W/"a"') == known
    assert not is_known(if_none_match, b"")


def test_equal_bytes_have_equal_tags() -> None:
    """In every process; others have another one."""
    assert strong_etag(b"x") == strong_etag(b"x") != strong_etag(b"y")
    assert strong_etag(b"") == b'"cae66941d9efbd404e4d88758ea67670"'
