"""Hypothesis strategies for what clients may send: almost right, mutated, or nothing like it.

They are made from the OpenAPI document of the app under test, so they know whatever parameters and fields it has.
`SENTINEL` stands in values only, never in names: those may come back in an error, values may not.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

SENTINEL = "Zq9sentinel7Xw"

NUMBERS = (
    *("0", "-0", "1", "-1", "+1", " 1", "01", "1.0", "1.5", "1e3", "1e999", "-1e-999", "1_0", "0x10", "٣", "½", ".5"),
    *(str(sign * 2**bits + off) for bits in (15, 31, 53, 63, 64, 70) for sign in (1, -1) for off in (-1, 0, 1)),
    *("NaN", "nan", "sNaN", "Infinity", "-inf", "1e30", f"1{'0' * 400}", "9" * 5000, "0." + "0" * 500 + "1"),
)
TIMES = (
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "2024-02-29T23:59:60Z", "2024-02-30", "0", "-1"),
    *("10000-01-01", "0000-01-01", "2024-02-29", "2024-01-01T00:00:00", "2024-01-01 00:00:00z", "24:00:00", "1e11"),
    *("12:00:00+01:00", "23:59:59.9999999999", "P1D", "-P999999999D", "P1Y", "PT1e9S", "1 days, 0:00", "P٣D"),
)
TEXTS = (
    *("", " ", "\0", "\ufeff", "\u2028", "\u202e", "\ud7ff", "\U0010ffff"),
    *("%_\\", "'; DROP TABLE city; --", "a" * 21, "a" * 10_001, ",", "a,b", "null", "true", "None", "{}", "[]", "\r\n"),
    *("..", "/", "e\u0301", "İ", "ß", "CH", "BS", "name", "-name", "name,-name", "id", "capped", "exact"),
    *("{134e0dd5-7f31-37ef-ad06-763b32fa4eaa}", "urn:uuid:134e0dd5-7f31-37ef-ad06-763b32fa4eaa", "134e0dd5"),
)

texts = st.one_of(
    st.sampled_from([SENTINEL, SENTINEL * 3, f"{SENTINEL}\0", f"2024-01-01{SENTINEL}", f"1{SENTINEL}"]),
    st.sampled_from([*NUMBERS, *TIMES, *TEXTS]),
    st.text(max_size=30),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(str),
    st.uuids().map(str),
)
"""A value as text, of any kind and any quality."""


def fitting(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """A JSON value that a schema allows, or nearly so."""
    if "anyOf" in schema:
        return st.one_of([fitting(member) for member in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    make = _FITTING.get(schema.get("type", ""))
    return make(schema) if make else st.recursive(_leaves, _nested, max_leaves=8)


def _integers(schema: Mapping[str, Any]) -> st.SearchStrategy[int]:
    low, high = schema.get("minimum", -5), schema.get("maximum", 5)
    return st.integers(low, high) | st.integers(0, 3) | st.sampled_from([low, high, low - 1, high + 1])


def _strings(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    if "format" in schema:
        return _FORMATS[schema["format"]]
    return st.sampled_from(["CH", "BS", "GE", "a"]) | st.text(max_size=min(schema.get("maxLength", 30), 30))


_FITTING: Mapping[str, Callable[[Mapping[str, Any]], st.SearchStrategy[Any]]] = {
    "integer": _integers,
    "number": lambda _: st.floats(-1e6, 1e6) | st.integers(-99, 99) | st.floats(allow_nan=False, allow_infinity=False),
    "boolean": lambda _: st.booleans(),
    "null": lambda _: st.none(),
    "array": lambda schema: st.lists(fitting(schema.get("items", {})), max_size=4),
    "string": _strings,
}
_moments = st.datetimes().map(lambda moment: moment.isoformat())
_FORMATS: Mapping[str, st.SearchStrategy[str]] = {
    "date": st.dates().map(str),
    "date-time": _moments.map(lambda moment: f"{moment}Z"),
    "date-time-local": _moments,
    "duration": st.integers(-(10**6), 10**6).map(lambda days: f"{'-' * (days < 0)}P{abs(days)}D"),
    "time-local": st.times().map(str),
    "uuid": st.uuids().map(str),
}
_leaves: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers() | st.text(max_size=5)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)


# Query strings


def query_strings(parameters: Mapping[str, Mapping[str, Any]]) -> st.SearchStrategy[bytes]:
    """Query strings of an operation with these parameters: name to JSON schema."""
    known = st.one_of(
        [
            st.tuples(st.just(name), fitting(schema).map(_parameter_text) | texts)
            for name, schema in sorted(parameters.items())
        ]
    )
    right = known.map(_encoded)
    wrong = st.one_of(
        known.flatmap(lambda pair: st.tuples(_misspelt(pair[0]), st.just(pair[1]))).map(_encoded),
        known.map(_misencoded),
        st.tuples(st.text(max_size=8), texts).map(_encoded),
        st.binary(max_size=12),
        st.sampled_from([b"", b"=", b"%", b"%zz=1", b"a=%F", b"%00", b"name=%ED%A0%80", b"name=%C0%80", b"name=\xff"]),
    )
    pairs = st.lists(right, max_size=4) | st.lists(right | wrong, max_size=5) | st.lists(wrong, min_size=1, max_size=3)
    times, separators = st.sampled_from([1, 1, 1, 1, 2, 60]), st.sampled_from([b"&"] * 9 + [b";"])
    return st.tuples(separators, pairs, times).map(lambda parts: parts[0].join(parts[1] * parts[2]))


def _parameter_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_parameter_text, _items(value)))
    return json.dumps(value) if isinstance(value, bool | None) else str(value)


def _items(value: Any) -> list[Any]:
    return list(value)


def _encoded(pair: tuple[str, str]) -> bytes:
    name, text = pair
    return f"{quote(name, errors='replace')}={quote(text, errors='replace')}".encode()


def _misencoded(pair: tuple[str, str]) -> bytes:
    """The value twice encoded, so that what was sent is read as another text."""
    name, text = pair
    return f"{name}={quote(quote(text, errors='replace'))}".encode()


def _misspelt(name: str) -> st.SearchStrategy[str]:
    column = name.partition("__")[0]
    return st.sampled_from(
        [
            name.upper(),
            f"{name}[]",
            f"{name}__eq",
            f"{column}__regex",
            f"{column}.name",
            f"{column}__",
            f" {name}",
            name[:-1],
        ]
    )


# Bodies


RAW = (
    *(
        "null",
        "true",
        "{}",
        "[]",
        '""',
        "-",
        "'a'",
        "undefined",
        "NaN",
        "-Infinity",
        "1e999",
        "1E-999",
        "-0",
        "01",
        "1.",
    ),
    *(
        "9" * 5000,
        "0." + "3" * 500,
        str(2**63),
        str(-(2**31) - 1),
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\u0000"',
        '"\t"',
    ),
    *("[" * 300 + "]" * 300, "[" * 100_000, '{"a":' * 300 + "1" + "}" * 300, f'"{SENTINEL}\\ud83d"', '"\\x"', "// a"),
)
"""JSON values as text, some of which are no JSON."""


def bodies(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
    """Request bodies of an operation: of `whole`, which is right, some members are changed, and some made wrong.

    Args:
        schema: The body's JSON schema.
        whole: Values for the fields that are required, and perhaps for more.
    """
    fields: Mapping[str, Mapping[str, Any]] = schema["properties"]
    base = {name: json.dumps(whole[name]) for name in schema.get("required", ())}
    known = st.sampled_from(sorted(fields))
    right = st.one_of(
        [st.tuples(st.just(name), fitting(field).map(json.dumps)) for name, field in sorted(fields.items())]
    )
    wrong = st.one_of(st.sampled_from(RAW), texts.map(json.dumps), fitting({}).map(json.dumps))
    names = known | st.sampled_from(["id", "secret", "__class__", ""]) | st.text(max_size=5)
    changes = st.lists(right, max_size=4) | st.lists(right | st.tuples(names, wrong), max_size=4)
    doubled = changes.map(lambda changed: _object([*base.items(), *changed]))
    replaced = changes.map(lambda changed: _object({**base, **dict(changed)}.items()))
    return st.one_of(replaced, replaced, doubled, wrong).flatmap(_mangled)


def _object(members: Iterable[tuple[str, str]]) -> str:
    """A JSON object of raw members; names may be there twice."""
    return "{" + ", ".join(f"{json.dumps(name)}: {raw}" for name, raw in members) + "}"


def _mangled(document: str) -> st.SearchStrategy[bytes]:
    """The document in an encoding, mostly the right one, mostly whole."""
    plain = document.encode("utf-8", "surrogatepass")
    at = st.integers(0, min(len(plain), 200))
    return st.one_of(
        *[st.just(plain)] * 9,
        st.sampled_from(["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-7"]).map(
            lambda name: document.encode(name, "replace")
        ),
        at.map(lambda end: plain[:end]),
        st.tuples(at, st.binary(min_size=1, max_size=3)).map(
            lambda parts: plain[: parts[0]] + parts[1] + plain[parts[0] :]
        ),
        st.sampled_from([b"", b"{}", b"\0", b" ", b"null"]).map(lambda more: plain + more),
    )


CONTENT_TYPES = (
    *("application/json",) * 12,
    *("application/merge-patch+json", "application/json; charset=latin-1", "APPLICATION/JSON", "text/plain", "", ";"),
)
