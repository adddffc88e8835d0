"""Nothing that a client can send makes a 5xx, and nothing of what it sent comes back in an error."""

import json
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from pydantic import BaseModel, field_validator
from pydantic_core import to_jsonable_python
from sqlalchemy import URL, make_url

from fastapi_kit.crud import CRUDRouter
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.library import ROUTERS, VALUES, City, Country, Everything, app_with, create_tables, store
from tests.databases import own_database

pytestmark = pytest.mark.anyio

SENTINEL = "Zq9sentinel7Xw"
DIGITS = "9" * 5000
LISTS = ("/countries", "/cities", "/notes", "/everything", "/loose")


class Loose(BaseModel):
    """A schema that a user gives, with the bare types that come to mind first."""

    number: int
    big: int
    flag: bool
    colour: str
    level: str
    line: str
    text: str
    price: Decimal
    ratio: float
    at: datetime
    wall: datetime
    clock: time
    span: timedelta
    data: Any

    @field_validator("line")
    @classmethod
    def _careless(cls, value: str) -> str:
        if "Zq" in value:
            raise ValueError(f"{value} is no line")
        return value


@dataclass(frozen=True)
class Attack:
    """A request, and the status that it deserves."""

    method: str
    url: str
    status: int
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])


def queries() -> Iterator[Any]:
    """Query strings of lists."""
    for name, text, status in [
        *[
            (name, text, 422)
            for name in ("page", "limit")
            for text in ("-1", "0", "1.5", "", "x", f"1{'0' * 30}", DIGITS)
        ],
        ("page", "1000000", 200),
        ("page", "1000001", 422),
        ("limit", "1000000", 422),
        *[("id", text, 422) for text in (str(2**31), str(-(2**31) - 1), str(2**63), str(2**64), DIGITS, "", SENTINEL)],
        *[("id__in", text, 422) for text in ("", "1,,2", f"1,{2**63}", f"1,{SENTINEL}", ",".join("1" * 101))],
        ("id__lt", str(2**31 - 1), 200),
        *[(f"name__{operator}", f"{SENTINEL}\0", 422) for operator in ("eq", "ne", "in", "contains", "startswith")],
        ("name", SENTINEL * 3, 422),
        ("name__contains", "%_/\\'\";--", 200),
        *[
            ("sort", text, 422)
            for text in ("country", "secret", "elev_m", SENTINEL, "", "-", ",", "name,name", "--name")
        ],
        *[("sort", text, 422) for text in ("country.name", "name desc", "name;SELECT 1", "id,-id", "+name", "\0")],
        *[(text, SENTINEL, 422) for text in ("nonsense", "secret", "secret__startswith", "elev_m", "country", "")],
        *[(text, SENTINEL, 422) for text in ("country.name", "name__regex", "name__", "__class__", "id__isnull", "\0")],
        ("elevation__isnull", SENTINEL, 422),
        ("count", SENTINEL, 422),
    ]:
        yield pytest.param(
            Attack("GET", f"/cities?{quote(name)}={quote(text)}", status), id=f"query-{name!r}={text[:32]!r}"
        )
    for name, text in [
        *[
            ("at", text)
            for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00", "5", "2024-01-01T00:00:00")
        ],
        *[("at__gt", text) for text in ("10000-01-01T00:00:00Z", "2024-02-30T00:00:00Z", "1e999", SENTINEL)],
        *[("wall", text) for text in ("2024-01-01T00:00:00Z", "0000-01-01T00:00:00", "1e9")],
        *[("day", text) for text in ("0", "10000-01-01", "0000-01-01", "2024-02-30", "-1", "2024-02-29T00:00:00")],
        *[("clock", text) for text in ("25:00:00", "12:00:00Z", "43200", SENTINEL)],
        *[("span", text) for text in ("P999999999D", "-P999999999D", "P9999999999999D", "1e999", "NaN", SENTINEL)],
        *[("ratio", text) for text in ("NaN", "Infinity", "-Infinity", "1e999", SENTINEL)],
        *[("price", text) for text in ("NaN", "Infinity", "1e999999", "1e-999999", "100000000", "0.001", DIGITS)],
        *[("small", text) for text in ("32768", "-32769")],
        *[("big", text) for text in (str(2**63), str(-(2**63) - 1), DIGITS, "1e30")],
        *[
            ("flag", "2"),
            ("colour", SENTINEL),
            ("colour", "RED"),
            ("level", SENTINEL),
            ("level__in", f"low,{SENTINEL}"),
        ],
        *[("ref", SENTINEL), ("line", "x" * 21), ("text", "x" * 10_001), ("data", "{}"), ("data__eq", SENTINEL)],
    ]:
        yield pytest.param(Attack("GET", f"/everything?{name}={quote(text)}", 422), id=f"query-{name}={text[:32]!r}")


def raw_queries() -> Iterator[Any]:
    """Query strings that are no list of parameters."""
    for name, query, status in [
        ("not-utf-8", "name=%FF", 422),
        ("surrogate", "name=%ED%A0%80", 422),
        ("overlong", "name=%C0%80", 422),
        ("not-utf-8-name", "%FF=1", 422),
        ("repeated-page", "page=1&page=2", 422),
        ("repeated-filter", f"name={SENTINEL}&name={SENTINEL}", 422),
        ("repeated-in-two-forms", "population=1&population__eq=1", 422),
        ("many-values", "&".join(["id__in=1"] * 101), 422),
        ("many-parameters", "&".join(f"p{number}={SENTINEL}" for number in range(2500)), 422),
        ("nothing-but-ampersands", "&&&&", 200),
        ("long-name", f"{'n' * 5000}={SENTINEL}", 422),
        ("bracket-syntax", "filter[name]=x&id[]=1", 422),
    ]:
        yield pytest.param(Attack("GET", f"/cities?{query}", status), id=f"query-{name}")
    for method, path in [("GET", "/cities/1"), ("DELETE", "/cities/1"), ("POST", "/cities"), ("PATCH", "/cities/1")]:
        attack = Attack(method, f"{path}?{SENTINEL[:4]}=1", 422, b"{}", {"content-type": "application/json"})
        yield pytest.param(attack, id=f"query-unknown-{method}")


def keys() -> Iterator[Any]:
    """Keys in paths."""
    integers = [(str(2**31), 422), (str(2**63), 422), (DIGITS, 422), ("-1", 404), ("1.5", 422), (SENTINEL, 422)]
    for method, content in [("GET", None), ("PUT", b"{}"), ("PATCH", b"{}"), ("DELETE", None)]:
        for path, key, status in [
            *[("/cities", key, status) for key, status in [*integers, ("%00", 422), ("%FF", 422), ("1%2F2", 404)]],
            *[("/countries", key, status) for key, status in [("%00", 422), (SENTINEL, 422), ("..%2F..", 404)]],
            ("/notes", SENTINEL, 422),
        ]:
            if method == "PUT" and status == 404 and "%2F" not in key:
                continue  # an empty PUT is refused before the row is looked for
            attack = Attack(method, f"{path}/{key}", status, content, {"content-type": "application/json"})
            yield pytest.param(attack, id=f"key-{method}{path}/{key[:20]}")


JSON_TEXTS = [
    ("empty", b""),
    ("blank", b"  \n"),
    ("cut", b'{"name": "' + SENTINEL.encode()),
    ("no-json", SENTINEL.encode()),
    ("form", f"name={SENTINEL}".encode()),
    ("two-documents", b"{}{}"),
    ("array", f'["{SENTINEL}"]'.encode()),
    ("array-of-objects", b"[{}]"),
    ("string", f'"{SENTINEL}"'.encode()),
    ("number", b"5"),
    ("null", b"null"),
    ("nan", b"NaN"),
    ("not-utf-8", b'{"name": "\xff\xfe"}'),
    ("utf-16", json.dumps({"name": SENTINEL}).encode("utf-16")),
    ("byte-order-mark", b'\xef\xbb\xbf{"name": "x"}'),
    ("nested-arrays", b"[" * 100_000),
    ("nested-objects", b'{"a":' * 40_000),
    ("nested-in-a-field", b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ("control-character", b'{"name": "a\x01b"}'),
    ("single-quotes", b"{'name': 'x'}"),
    ("unknown-fields", json.dumps({f"{SENTINEL[:3]}{number}": 1 for number in range(9000)}).encode()),
    ("name-of-a-method", b'{"__class__": {}, "__init__": 1}'),
]
FIELDS = [
    *[("population", raw) for raw in (str(2**31), str(2**63), "1e30", "1e999", "NaN", "Infinity", "-Infinity", DIGITS)],
    *[("population", raw) for raw in ("1.5", "null", "[]", "true", '"5"', f'"{SENTINEL}"', "-2147483649")],
    *[("name", raw) for raw in ("null", "5", "[]", "{}", f'"{SENTINEL * 3}"', f'"{SENTINEL}\\u0000"', '"\\ud800"')],
    *[("name", raw) for raw in (f'"{SENTINEL}\\udfff"', f'["{SENTINEL}"]', "NaN")],
    *[("country_code", raw) for raw in ("null", f'"{SENTINEL}"')],
    *[(name, f'"{SENTINEL}"') for name in ("id", "rank", "secret", "country", "elev_m", "abbr", "country.name")],
]
VIOLATIONS = [
    ("twin_id", "99"),
    ("population", "-1"),
    ("short", '"BS"'),
    ("country_code", '"XX"'),
]
EVERYTHING = [
    *[
        ("at", f'"{text}"')
        for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00", "2024-01-01T00:00:00")
    ],
    *[("at", raw) for raw in ("5", "1e30", "NaN", f'"{SENTINEL}"', '"2024-01-01T00:00:60Z"', "true")],
    *[("wall", raw) for raw in ('"2024-01-01T00:00:00Z"', "5", '"0000-01-01T00:00:00"')],
    *[("day", raw) for raw in ("0", '"0"', '"10000-01-01"', '"0000-01-01"', '"2023-02-29"', "null")],
    ("day", '"2024-02-29T00:00:00"'),
    *[("clock", raw) for raw in ("0", '"24:00:01"', '"12:00:00+01:00"')],
    *[("span", raw) for raw in ('"P999999999D"', '"-P999999999D"', "1e30", "1e999", "NaN", DIGITS, '"P1e9D"')],
    *[("ratio", raw) for raw in ("NaN", "Infinity", "1e999", DIGITS, f'"{SENTINEL}"')],
    *[
        ("price", raw)
        for raw in ("NaN", '"NaN"', '"sNaN"', "1e999999", '"1e999999"', '"1e-999999"', "100000000", DIGITS)
    ],
    *[("small", raw) for raw in ("32768", "-32769", "1e5")],
    *[("big", raw) for raw in (str(2**63), str(-(2**63) - 1), "1e30")],
    *[("flag", "2"), ("flag", "null"), ("colour", f'"{SENTINEL}"'), ("colour", "5"), ("level", f'"{SENTINEL}"')],
    *[("ref", raw) for raw in (f'"{SENTINEL}"', "5", "[]")],
    *[("line", f'"{"x" * 21}"'), ("text", f'"{"x" * 10_001}"'), ("text", '"\\u0000"')],
    *[("data", raw) for raw in ("NaN", '{"a": [Infinity]}', '{"a": 1e999}', '["\\u0000"]', '{"\\u0000": 1}')],
    *[("data", raw) for raw in ('["\\ud800"]', f"[{DIGITS}]", "[" * 1000 + "]" * 1000)],
]
KEPT = [
    ("data", "[" * 100 + "]" * 100),
    ("data", "9" * 4000),
    ("data", "1.7976931348623157e308"),
    ("at", '"0001-01-01T00:00:00Z"'),
    ("at", '"9999-12-31T23:59:59.999999Z"'),
    ("wall", '"0001-01-01T00:00:00"'),
    ("wall", '"9999-12-31T23:59:59.999999"'),
    ("day", '"0001-01-01"'),
    ("day", '"9999-12-31"'),
    ("span", '"-P719162D"'),
    ("span", '"P2932896DT23H59M59.999999S"'),
    ("price", '"-99999999.99"'),
    ("ratio", "-1.7976931348623157e308"),
    ("big", str(2**63 - 1)),
    ("text", json.dumps("\U0010ffff" * 10_000)),
]
"""Values at the very edge of what is stored, by every database."""
LOOSE = [
    *[("number", str(2**31)), ("number", str(2**70)), ("big", str(2**63)), ("big", DIGITS), ("colour", '"blue"')],
    *[("level", '"middle"'), ("line", f'"{"x" * 21}"'), ("text", f'"{SENTINEL}\\u0000"')],
    *[("price", "1e30"), ("price", '"NaN"'), ("ratio", "NaN"), ("ratio", "Infinity"), ("ratio", "1e999")],
    *[("at", '"2024-01-01T00:00:00"'), ("at", '"0001-01-01T00:00:00+14:00"'), ("wall", '"2024-01-01T00:00:00Z"')],
    *[("clock", '"12:00:00+14:00"'), ("span", '"P999999999D"'), ("span", "-86400000000000"), ("data", "NaN")],
    *[("data", '{"a": [Infinity]}'), ("data", '["\\u0000"]'), ("data", '{"\\u0000": 1}'), ("line", f'"{SENTINEL}"')],
]
JSON = {"content-type": "application/json"}


def raw_object(base: dict[str, Any], name: str, raw: str) -> bytes:
    """A JSON object with one member as raw text, which may be no JSON."""
    members = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in base.items() if key != name]
    return ("{" + ", ".join([*members, f"{json.dumps(name)}: {raw}"]) + "}").encode()


def bodies() -> Iterator[Any]:
    """Bodies of POST, PUT and PATCH."""
    for name, content in JSON_TEXTS:
        for method, url in (("POST", "/cities"), ("PUT", "/cities/1"), ("PATCH", "/cities/1")):
            yield pytest.param(Attack(method, url, 422, content, JSON), id=f"body-{name}-{method}")
    city = {"name": "Bern", "country_code": "CH"}
    everything = to_jsonable_python(dict(VALUES))
    for path, base, status, cases in [
        ("/cities", city, 422, FIELDS),
        ("/cities", city, 409, VIOLATIONS),
        ("/everything", everything, 422, EVERYTHING),
    ]:
        for name, raw in cases:
            post = Attack("POST", path, status, raw_object(base, name, raw), JSON)
            patch = Attack("PATCH", f"{path}/2", status, raw_object({}, name, raw), JSON)
            yield pytest.param(post, id=f"POST-{name}={raw[:30]}")
            yield pytest.param(patch, id=f"PATCH-{name}={raw[:30]}")
    for name, raw in KEPT:
        attack = Attack("POST", "/everything", 201, raw_object(everything, name, raw), JSON)
        yield pytest.param(attack, id=f"kept-{name}={raw[:30]}")
    duplicate = b'{"name": "first", "name": "last", "country_code": "CH"}'
    yield pytest.param(Attack("POST", "/cities", 201, duplicate, JSON), id="body-duplicate-names")
    yield pytest.param(Attack("DELETE", "/countries/CH", 409), id="delete-a-parent")


def media() -> Iterator[Any]:
    """Sizes and kinds of bodies."""
    content = json.dumps({"name": SENTINEL, "country_code": "CH"}).encode()
    for kind in (
        *("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json", "/"),
        *("application/jsonp", "application/json, text/plain", "text/json+xml", ";", f"x/{SENTINEL}"),
    ):
        headers = {"content-type": kind} if kind else {}
        yield pytest.param(Attack("POST", "/cities", 415, content, headers), id=f"kind-{kind!r}")
        yield pytest.param(Attack("PATCH", "/cities/1", 415, content, headers), id=f"kind-{kind!r}-PATCH")
    huge = b'{"name": "' + SENTINEL.encode() * 50_000 + b'"}'
    for method, url in (("POST", "/cities"), ("PUT", "/cities/1"), ("PATCH", "/cities/1")):
        yield pytest.param(Attack(method, url, 413, huge, JSON), id=f"huge-{method}")
    yield pytest.param(Attack("POST", "/cities", 422, huge[:200_000] + b'"}', JSON), id="large")
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "BREW"):
        yield pytest.param(Attack(method, "/cities", 405), id=f"method-{method}")
    yield pytest.param(Attack("POST", "/cities/1", 405), id="method-POST-on-a-row")


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def own_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A database of this module's own, which no other test empties."""
    if request.param == "sqlite":
        yield make_url(f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'test.db'}")
    else:
        with own_database(request.param) as url:
            yield url


@pytest.fixture(scope="module")
async def target(own_url: URL, anyio_backend: str) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of one app for all attacks, so that what one of them leaves behind is there for the next."""
    database = Database(own_url)
    await create_tables(database)
    await store(database, Country, {"code": "CH", "name": "Switzerland"})
    await store(database, City, *({"name": name, "country_code": "CH", "short": name} for name in ("BS", "GE")))
    await store(database, Everything, *[dict(VALUES)] * 2)
    loose = CRUDRouter(Everything, prefix="/loose", create=Loose, routes={"list", "get", "replace", "update"})
    async with client(app_with(database, *ROUTERS, loose)) as api:
        yield api


def check_answer(response: httpx2.Response) -> None:
    """See that a failure is a problem without a word of the input."""
    assert response.status_code < 500
    if response.status_code < 400:
        return
    assert response.headers["content-type"] == "application/problem+json"
    problem = json.loads(response.content.decode("utf-8", "strict"), parse_constant=pytest.fail)
    assert problem["status"] == response.status_code
    assert SENTINEL.casefold() not in response.text.casefold()
    assert len(response.content) < 20_000


async def check_lists(api: httpx2.AsyncClient) -> None:
    """See that all that is stored can still be read, as JSON."""
    for path in LISTS:
        response = await api.get(path, params={"limit": 100, "sort": "-id" if path != "/countries" else "code"})
        assert response.status_code == 200
        json.loads(response.content, parse_constant=pytest.fail)


@pytest.mark.parametrize("attack", [*queries(), *raw_queries(), *keys(), *bodies(), *media()])
async def test_an_attack_is_answered(target: httpx2.AsyncClient, attack: Attack) -> None:
    """Each input gets the status that it deserves, the same on every database, and all rows can still be read."""
    response = await target.request(attack.method, attack.url, content=attack.content, headers=attack.headers)
    check_answer(response)
    assert response.status_code == attack.status
    if attack.method != "GET":
        await check_lists(target)


@pytest.mark.parametrize(("name", "raw"), [pytest.param(*case, id=f"{case[0]}={case[1][:30]}") for case in LOOSE])
async def test_a_loose_schema_is_no_way_in(target: httpx2.AsyncClient, name: str, raw: str) -> None:
    """What a given schema without bounds lets through is refused by the bounds of its columns, in its own words."""
    whole = to_jsonable_python({key: VALUES[key] for key in Loose.model_fields})
    for method, content in (("PATCH", raw_object({}, name, raw)), ("PUT", raw_object(whole, name, raw))):
        response = await target.request(method, "/loose/1", content=content, headers=JSON)
        check_answer(response)
        assert response.status_code == 422
        await check_lists(target)
    assert (await target.put("/loose/1", json=whole)).status_code == 200
