"""Answers are, byte for byte, what pydantic writes of the same values; and what is stored is what was sent."""

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, cast

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
    model_serializer,
)
from pydantic.alias_generators import to_camel
from sqlalchemy import select

from fastapi_kit.crud import CRUDRouter
from fastapi_kit.crud._attributes import read_model
from fastapi_kit.crud._readings import is_plain
from fastapi_kit.db import Database, SessionDep
from fastapi_kit.pagination import CursorPage
from fastapi_kit.schemas import BaseResponse
from fastapi_kit.testing import client
from tests.crud.library import TYPES, VALUES, City, Colour, Country, Everything, Note, app_with, create_tables, store

pytestmark = pytest.mark.anyio

ANNOTATIONS: dict[str, Any] = {name: cast("Any", type(value)) for name, value in VALUES.items()} | {"data": Any}
FIELDS: dict[str, Any] = {
    "id": int,
    "twice": int | None,
    **{name: ANNOTATIONS[name] for name in TYPES},
    **{f"{name}_or_null": ANNOTATIONS[name] | None for name in TYPES},
}
make: Any = create_model  # its overloads know no fields that come from a dictionary
Golden: type[BaseModel] = make("Golden", **FIELDS)
"""The rows of `Everything`, written down without the help of what is tested."""


def golden(values: dict[str, Any], key: int) -> bytes:
    """What pydantic writes of a row."""
    row = {**dict.fromkeys(f"{name}_or_null" for name in TYPES), **values, "twice": values["small"] * 2}
    return Golden.model_validate({"id": key, **row}).model_dump_json().encode()


@pytest.mark.parametrize("name", TYPES)
async def test_a_value_of_each_type(api: httpx2.AsyncClient, database: Database, name: str) -> None:
    """GET and the list answer the model's own bytes, of a column that may be null as of one that may not."""
    values = {**VALUES, f"{name}_or_null": VALUES[name]}
    await store(database, Everything, values)
    assert (await api.get("/everything/1")).content == golden(values, 1)
    page = (
        b'{"items":['
        + golden(values, 1)
        + b'],"total":1,"total_relation":"eq","next_cursor":null,"previous_cursor":null}'
    )
    assert (await api.get("/everything")).content == page


finite = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0)
"""SQLite stores no negative zero."""
characters = st.characters(codec="utf-8", exclude_characters="\0")
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(characters, max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(characters, max_size=3), inner, max_size=3),
    max_leaves=6,
).filter(lambda document: isinstance(document, bool) or not isinstance(document, int | float))
"""SQLite stores a document that is nothing but a number as that number: 1.0 comes back as 1."""
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "small": st.integers(-(2**15), 2**15 - 1),
    "number": st.integers(-(2**31), 2**31 - 1),
    "big": st.integers(-(2**63), 2**63 - 1),
    "flag": st.booleans(),
    "colour": st.sampled_from(Colour),
    "level": st.sampled_from(["low", "high"]),
    "line": st.text(characters, max_size=20),
    "text": st.text(characters, max_size=40),
    "price": st.decimals(Decimal("-99999999.99"), Decimal("99999999.99"), places=2).map(lambda value: value + 0),
    "ratio": finite,
    "at": st.datetimes(timezones=st.just(UTC)),
    "wall": st.datetimes(),
    "day": st.dates(),
    "clock": st.times(),
    "span": st.timedeltas(datetime.min - datetime(1970, 1, 1), datetime.max - datetime(1970, 1, 1)),  # noqa: DTZ001, DTZ901
    "ref": st.uuids(),
    "data": documents,
}
rows = st.fixed_dictionaries(
    STRATEGIES, optional={f"{name}_or_null": values | st.none() for name, values in STRATEGIES.items()}
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=rows)
@example(values=dict(VALUES))
async def test_what_is_sent_is_what_is_answered(api: httpx2.AsyncClient, values: dict[str, Any]) -> None:
    """Law: POST, GET and PUT of any row answer the bytes that pydantic writes of the values that were sent."""
    body = Golden.model_construct(**values).model_dump_json(warnings=False).encode()
    headers = {"content-type": "application/json"}
    created = await api.post("/everything", content=body, headers=headers)
    assert created.status_code == 201, created.text
    expected = golden(values, created.json()["id"])
    location = created.headers["location"]
    assert created.content == expected
    assert (await api.get(location)).content == expected
    assert (await api.put(location, content=body, headers=headers)).content == expected


class Plain(BaseModel):
    """Columns, and nothing else."""

    id: int
    name: Annotated[str, Field(max_length=40, description="Bounds change no value")]
    population: int


class Alias(BaseModel):
    """Other names."""

    model_config = ConfigDict(validate_by_name=True)

    id: int
    name: str = Field(alias="cityName")
    population: int = Field(serialization_alias="inhabitants")
    country_code: str = Field(validation_alias="iso_code")


class AliasGenerator(BaseModel):
    """Other names by rule."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)

    id: int
    country_code: str


class Computed(BaseModel):
    """A field that is no column, made of one that is not shown."""

    id: int
    name: str
    population: int = Field(exclude=True)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def size(self) -> str:
        """Of the city."""
        return "large" if self.population > 100_000 else "small"


class FieldSerializer(BaseModel):
    """A field that is written in another way."""

    id: int
    name: str

    @field_serializer("name")
    def _shout(self, value: str) -> str:
        return value.upper() + "!"


class ModelSerializer(BaseModel):
    """A whole that is written in another way."""

    id: int
    name: str

    @model_serializer
    def _pair(self) -> dict[str, Any]:
        return {"city": [self.id, self.name]}


class FieldValidator(BaseModel):
    """A value that validation changes."""

    id: int
    name: str

    @field_validator("name")
    @classmethod
    def _reverse(cls, value: str) -> str:
        return value[::-1]


class AnnotatedValidator(BaseModel):
    """The same, in the annotation."""

    id: int
    name: Annotated[str, AfterValidator(str.upper)]


class AnnotatedSerializer(BaseModel):
    """Written in another way, in the annotation."""

    id: int
    name: Annotated[str, PlainSerializer(lambda value: f"<{value}>")]


class Configured(BaseModel):
    """A value that the configuration changes."""

    model_config = ConfigDict(str_to_upper=True)

    id: int
    name: str


class Written(BaseModel):
    """Values that the configuration writes otherwise."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    id: int
    name: str


class Narrower(BaseModel):
    """Types that take fewer values."""

    id: Annotated[int, Field(gt=0)]
    name: Literal["Basel", "Genève"]
    elevation: int | None


class Wider(BaseModel):
    """Types that take more values."""

    id: int | str
    name: str | None
    population: Any
    elevation: float | None
    country_code: object


class Size(StrEnum):
    """Names of cities, as an enum."""

    BASEL = "Basel"
    GENEVA = "Genève"


class Other(BaseModel):
    """Other types altogether."""

    id: Annotated[str, BeforeValidator(str)]
    name: Size
    population: Decimal
    elevation: Annotated[float, Field(ge=0)] | None


class List(BaseModel):
    """A list made of text."""

    id: int
    name: list[str]

    @field_validator("name", mode="before")
    @classmethod
    def _split(cls, value: str) -> list[str]:
        return list(value)


GIVEN: Sequence[type[BaseModel]] = (
    *(Plain, Alias, AliasGenerator, Computed, FieldSerializer, ModelSerializer, FieldValidator, AnnotatedValidator),
    *(AnnotatedSerializer, Configured, Written, Narrower, Wider, Other, List),
)


def with_oracle(app: FastAPI, read: type[BaseModel]) -> FastAPI:
    """`app` with routes written by hand, whose answers FastAPI validates and writes."""

    async def one(session: SessionDep) -> Any:
        return await session.get(City, 1)

    async def many(session: SessionDep) -> Any:
        cities = (await session.scalars(select(City).order_by(City.id))).all()
        return {
            "items": cities,
            "total": len(cities),
            "total_relation": "eq",
            "next_cursor": None,
            "previous_cursor": None,
        }

    app.add_api_route("/oracle/1", one, response_model=read)
    app.add_api_route("/oracle", many, response_model=CursorPage[read])  # type: ignore[valid-type]
    return app


@pytest.mark.parametrize("read", GIVEN, ids=lambda read: read.__name__)
async def test_a_given_schema_is_answered_as_fastapi_would(database: Database, read: type[BaseModel]) -> None:
    """Aliases, computed fields, serialisers, validators and other types have the effect that they have by hand."""
    await create_tables(database)
    await store(database, Country, {"code": "CH", "name": "Switzerland"})
    city = {"country_code": "CH", "population": 200_000}
    await store(
        database,
        City,
        {"name": "Basel", "elevation": 260, **city},
        {"name": "Genève", "elevation": 375, **city, "population": 5},
    )
    app = with_oracle(app_with(database, CRUDRouter(City, prefix="/cities", read=read, routes={"list", "get"})), read)
    async with client(app) as api:
        assert (await api.get("/cities/1")).content == (await api.get("/oracle/1")).content
        assert (await api.get("/cities")).content == (await api.get("/oracle")).content


def test_instances_are_made_only_where_they_matter() -> None:
    """A schema that only names columns takes the short way, and no other does."""
    attributes = read_model(City).attributes
    short = {read for read in GIVEN if is_plain(read, attributes)}
    assert short == {Plain, Alias, AliasGenerator}


async def test_a_naive_time_stamp_is_said_to_be_in_utc(database: Database) -> None:
    """The ready-made base of responses works as the schema of a resource: text keys, aware time stamps."""

    class NoteRead(BaseResponse):
        text: str

    await create_tables(database)
    async with client(app_with(database, CRUDRouter(Note, prefix="/notes", read=NoteRead))) as api:
        created = await api.post("/notes", json={"text": "a"})
        assert created.status_code == 201
        assert list(created.json()) == ["id", "created_at", "updated_at", "text"]
        assert created.json()["created_at"].endswith("Z")
        assert (await api.get(created.headers["location"])).json() == created.json()


class Size3D(BaseModel):
    """What a JSON column holds."""

    height: float
    since: datetime


async def test_a_document_has_the_schema_that_it_is_given(database: Database) -> None:
    """A nested model goes into a JSON column and comes out of it, whatever its own fields are in Python."""

    class Shape(BaseModel):
        id: int
        data_or_null: Size3D | None = None

    class ShapeWrite(BaseModel):
        data_or_null: Size3D | None = None

    await create_tables(database)
    await store(database, Everything, dict(VALUES))
    router = CRUDRouter(Everything, prefix="/shapes", read=Shape, update=ShapeWrite, routes={"get", "update"})
    async with client(app_with(database, router)) as api:
        sent = {"data_or_null": {"height": 1.5, "since": "2024-01-01T00:00:00Z"}}
        assert (await api.patch("/shapes/1", json=sent)).json() == {"id": 1, **sent}
        assert (await api.get("/shapes/1")).json() == {"id": 1, **sent}
        assert (await api.patch("/shapes/1", json={"data_or_null": None})).json()["data_or_null"] is None


async def test_what_is_hidden_never_appears(api: httpx2.AsyncClient, database: Database) -> None:
    """Neither the name nor the value of a hidden column is in any answer, nor in the API's description."""
    await store(database, Country, {"code": "CH", "name": "Switzerland"})
    city = {"name": "Basel", "country_code": "CH"}
    answers = [
        await api.post("/cities", json=city),
        await api.put("/cities/1", json=city),
        await api.patch("/cities/1", json={"population": 1}),
        await api.patch("/cities/1", json={}),
        await api.get("/cities/1"),
        await api.get("/cities"),
        await api.get("/cities?secre=1"),
        await api.get("/openapi.json"),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200, 200, 422, 200]
    for answer in answers:
        assert "hidden-value" not in answer.text
        assert "secret" not in answer.text


@pytest.mark.postgres
async def test_numbers_of_answers_are_json(postgres: Database) -> None:
    """A NaN that got into a table by another way does not make an answer that no parser takes."""
    await create_tables(postgres)
    await store(postgres, Everything, {**VALUES, "ratio": math.nan, "ratio_or_null": math.inf})
    async with client(app_with(postgres, CRUDRouter(Everything, prefix="/everything"))) as api:
        row = json.loads((await api.get("/everything/1")).content, parse_constant=pytest.fail)
    assert (row["ratio"], row["ratio_or_null"]) == (None, None)
