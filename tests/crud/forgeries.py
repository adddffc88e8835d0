"""Hypothesis strategy for cursors that nobody gave out."""

import base64
import json
from dataclasses import dataclass
from typing import Literal, get_args, get_type_hints

from hypothesis import strategies as st

from tests.crud.generators import texts


@dataclass(frozen=True)
class Forgery:
    """A cursor that nobody gave out: made up, or made of one that somebody was given."""

    way: Literal["none", "cut", "insert", "replace", "twice", "reversed", "swapcase"]
    at: int
    text: str

    def of(self, genuine: str | None) -> str:
        """The cursor, if lists give out such as `genuine`; made up if they give out none."""
        if genuine is None or self.way == "none":
            return self.text
        at, letter = self.at % (len(genuine) + 1), self.text[:1]
        changed = {
            "cut": genuine[:at],
            "insert": genuine[:at] + letter + genuine[at:],
            "replace": genuine[:at] + letter + genuine[at + 1 :],
            "twice": genuine * 2,
            "reversed": genuine[::-1],
            "swapcase": genuine.swapcase(),
        }
        return changed[self.way]


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


_values = st.lists(st.none() | st.integers() | texts, max_size=4).map(json.dumps)
_cursors = st.one_of(
    texts,
    _values,
    st.binary(max_size=40).map(_base64),
    st.tuples(st.sampled_from(["", "\1", "v1:"]), _values).map(lambda parts: _base64("".join(parts).encode())),
    st.sampled_from(["=", "====", "é", "A" * 10_000, _base64(b"[" * 50_000), _base64(b"\x80\x04.")]),
)
forgeries = st.builds(Forgery, st.sampled_from(get_args(get_type_hints(Forgery)["way"])), st.integers(0, 200), _cursors)
