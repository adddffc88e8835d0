"""Schemas derived from columns: what may be sent, what must be, and what the JSON schema says of it."""

import json
import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python
from sqlalchemy.orm import DeclarativeBase

from fastapi_kit.crud._resource import Resource, Schemas, describe
from tests.crud.library import TYPES, VALUES, City, Country, Everything, Note

WRITES = ("create", "replace", "update")


def resource_of(model: type[DeclarativeBase], operations: Sequence[str] = WRITES) -> Resource:
    """The description of a model, with everything derived."""
    return describe(model, Schemas(), operations)


def body(model: type[DeclarativeBase], operation: str) -> type[BaseModel]:
    """The derived schema of a write."""
    return resource_of(model).inputs[operation].model


def required(schema: type[BaseModel]) -> set[str]:
    """The fields that must be sent."""
    return {name for name, field in schema.model_fields.items() if field.is_required()}


def read(schema: type[BaseModel], payload: dict[str, Any]) -> dict[str, Any]:
    """What a JSON document is to a schema."""
    return schema.model_validate_json(json.dumps(payload)).model_dump(exclude_unset=True)


COUNTRY, CITY, NOTE = {"code", "name", "currency", "population"}, {"name", "country_code"}, {"text", "mood"}
OPTIONAL = {"population", "elevation", "short", "twin_id"}


@pytest.mark.parametrize(
    ("model", "operation", "fields", "needed"),
    [
        (Country, "create", COUNTRY, {"code", "name"}),
        (Country, "replace", COUNTRY - {"code"}, {"name", "currency"}),
        (Country, "update", COUNTRY - {"code"}, set[str]()),
        (City, "create", CITY | OPTIONAL, CITY),
        (City, "replace", CITY | OPTIONAL, CITY),
        (City, "update", CITY | OPTIONAL, set[str]()),
        (Note, "create", NOTE, {"text"}),
        (Note, "replace", NOTE, {"text"}),
        (Note, "update", NOTE, set[str]()),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else value if isinstance(value, str) else "",
)
def test_what_a_body_has_and_needs(
    model: type[DeclarativeBase], operation: str, fields: set[str], needed: set[str]
) -> None:
    """What clients may not write is in no body; what has a default may be left out where that default is known."""
    schema = body(model, operation)
    assert set(schema.model_fields) == fields
    assert required(schema) == needed


def test_what_a_row_shows() -> None:
    """A row has all columns but the hidden ones, in their order, and each is always there."""
    schema = resource_of(City).output.model
    assert list(schema.model_fields) == [
        *("id", "name", "country_code", "population", "elevation", "short", "twin_id", "rank")
    ]
    assert required(schema) == set(schema.model_fields)


def test_constant_defaults_are_told() -> None:
    """The JSON schema names a default that is always the same, and no other."""
    properties = body(City, "create").model_json_schema()["properties"]
    assert properties["population"]["default"] == 0
    assert properties["elevation"]["default"] is None
    assert "default" not in body(Country, "create").model_json_schema()["properties"]["currency"]
    assert not [
        field for field in body(City, "update").model_json_schema()["properties"].values() if "default" in field
    ]


def test_comments_are_descriptions() -> None:
    """What the column's comment says, the schema says."""
    for schema in (resource_of(Country).output.model, body(Country, "create"), body(Country, "update")):
        assert schema.model_json_schema()["properties"]["population"]["description"] == "As of the last census"


INTEGER = {"type": "integer"}
SCHEMAS: dict[str, Any] = {
    "small": INTEGER | {"minimum": -(2**15), "maximum": 2**15 - 1},
    "number": INTEGER | {"minimum": -(2**31), "maximum": 2**31 - 1},
    "big": INTEGER | {"minimum": -(2**63), "maximum": 2**63 - 1},
    "flag": {"type": "boolean"},
    "level": {"type": "string", "enum": ["low", "high"]},
    "line": {"type": "string", "maxLength": 20, "pattern": "^[^\\u0000]*$"},
    "text": {"type": "string", "maxLength": 10_000, "pattern": "^[^\\u0000]*$"},
    "price": {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": -1e8, "exclusiveMaximum": 1e8, "multipleOf": 0.01},
            {"type": "string", "pattern": r"^-?\d{1,8}(\.\d{1,2})?$"},
        ]
    },
    "ratio": {"type": "number"},
    "at": {"type": "string", "format": "date-time"},
    "wall": {"type": "string", "format": "date-time-local"},
    "day": {"type": "string", "format": "date"},
    "clock": {"type": "string", "format": "time-local"},
    "span": {"type": "string", "format": "duration"},
    "ref": {"type": "string", "format": "uuid"},
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_json_schema_of_each_type(name: str) -> None:
    """Bounds and forms are those of the column; null is another possibility, not another type."""
    properties = body(Everything, "create").model_json_schema()["properties"]
    described = {key: value for key, value in properties[name].items() if key != "title"}
    assert described == SCHEMAS[name]
    alternatives = properties[f"{name}_or_null"]["anyOf"]
    assert alternatives == [*SCHEMAS[name].get("anyOf", [SCHEMAS[name]]), {"type": "null"}]


EDGES: dict[str, tuple[list[Any], list[Any]]] = {
    "small": ([-(2**15), 2**15 - 1, 1.0], [-(2**15) - 1, 2**15, None, "1", True, 1.5]),
    "number": ([-(2**31), 2**31 - 1], [-(2**31) - 1, 2**31]),
    "big": ([-(2**63), 2**63 - 1], [-(2**63) - 1, 2**63]),
    "flag": ([True, False], [0, 1, "true", "yes", None]),
    "colour": (["red", "green"], ["RED", "blue", 1]),
    "level": (["low", "high"], ["", "LOW"]),
    "line": (["", "x" * 20, "\U0001f701" * 20], ["x" * 21, "\0", 5]),
    "text": (["x" * 10_000], ["x" * 10_001, "a\0b"]),
    "price": ([0, "-99999999.99", 1.5, "0.10"], [100_000_000, "0.001", "1e999999", "NaN", True, ""]),
    "ratio": ([0, 1e308], ["NaN", math.inf, math.nan, "1.5", True, None]),
    "at": (
        ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2024-01-01T00:00:00+14:00"],
        ["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "2024-01-01T00:00:00", "2024-01-01", 0, "0"],
    ),
    "wall": (["0001-01-01T00:00:00"], ["2024-01-01T00:00:00Z", 0, "0"]),
    "day": (["0001-01-01", "9999-12-31"], ["0000-01-01", "10000-01-01", 0, "0", "2023-02-29"]),
    "clock": (["00:00:00", "23:59:59.999999", "12:00"], ["24:00:00", "12:00:00Z", 0, "43200", True]),
    "span": (["P2932896DT23H59M59.999999S", "-P719162D"], ["P2932897D", "-P719163D", "NaN", 5]),
    "ref": (["01890a5d-ac96-774b-bcce-b302099a8057"], ["01890a5d", 5]),
    "data": ([None, {}, [], "", 0, {"a": [1e308]}], ["\0", {"\0": 1}, [[math.nan]], {"a": math.inf}]),
}


@pytest.mark.parametrize("name", EDGES)
def test_the_bounds_of_each_type(name: str) -> None:
    """What the narrowest database stores is taken, to the last value, and the next one is not."""
    schema = body(Everything, "update")
    taken, refused = EDGES[name]
    for value in taken:
        assert read(schema, {name: value}).keys() == {name}
    for value in refused:
        with pytest.raises(ValidationError):
            read(schema, {name: value})


def test_every_type_is_tried() -> None:
    """The tables of this module leave no type out."""
    assert set(EDGES) == set(TYPES)
    assert set(SCHEMAS) == set(TYPES) - {"colour", "data"}


def test_instants_are_taken_to_utc() -> None:
    """Whatever the offset, what is stored is in UTC."""
    made = read(body(Everything, "update"), {"at": "2024-01-01T00:00:00+14:00"})
    assert made == {"at": datetime.fromisoformat("2023-12-31T10:00:00+00:00")}


def test_null_is_taken_where_the_column_takes_it() -> None:
    """Each column that may be null takes null in each body, and no other does, but JSON, which has a null itself."""
    for operation in WRITES:
        schema = body(Everything, operation)
        whole: dict[str, Any] = to_jsonable_python(dict(VALUES))
        nulls = {f"{name}_or_null": None for name in TYPES}
        assert read(schema, {**whole, **nulls})
        for name in set(TYPES) - {"data"}:
            with pytest.raises(ValidationError):
                read(schema, {**whole, name: None})


def test_numbers_without_precision_are_bounded_all_the_same() -> None:
    """A `Numeric` of any size takes 38 digits; one that is a float in Python is a float."""

    class Models(DeclarativeBase):
        pass

    class Amount(Models):
        __table__ = sa.Table(
            "amount",
            Models.metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("any", sa.Numeric, nullable=False),
            sa.Column("whole", sa.Numeric(5, 0), nullable=False),
            sa.Column("inexact", sa.Numeric(5, 2, asdecimal=False), nullable=False),
        )

    schema = body(Amount, "update")
    assert read(schema, {"any": "9" * 38}) == {"any": Decimal("9" * 38)}
    for refused in ({"any": "9" * 39}, {"any": "1e38"}, {"whole": "1.5"}, {"whole": 100_000}, {"inexact": "NaN"}):
        with pytest.raises(ValidationError):
            read(schema, refused)
    assert schema.model_json_schema()["properties"]["whole"]["anyOf"][1] == {
        "type": "string",
        "pattern": r"^-?\d{1,5}$",
    }


def test_arrays_are_lists_of_their_items() -> None:
    """PostgreSQL's arrays take so many values of the item's type, and can neither be filtered nor sorted by."""

    class Models(DeclarativeBase):
        pass

    class Tagged(Models):
        __table__ = sa.Table(
            "tagged",
            Models.metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("tags", sa.ARRAY(sa.String(5)), nullable=False),
        )

    resource = resource_of(Tagged)
    assert not resource.visible["tags"].kind.operators
    assert not resource.visible["tags"].kind.sortable
    schema = resource.inputs["create"].model
    assert read(schema, {"tags": ["a", "b"] * 500})
    for refused in (["abcdef"], ["a"] * 1001, "a", [None], ["\0"]):
        with pytest.raises(ValidationError):
            read(schema, {"tags": refused})


def test_times_may_have_a_zone() -> None:
    """A `DateTime` with time zone takes instants; a `Time` with one takes an offset."""

    class Models(DeclarativeBase):
        pass

    class Zoned(Models):
        __table__ = sa.Table(
            "zoned",
            Models.metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("clock", sa.Time(timezone=True), nullable=False),
        )

    schema = body(Zoned, "update")
    assert read(schema, {"at": "2024-01-01T01:00:00+01:00", "clock": "12:00:00+01:00"}).keys() == {"at", "clock"}
    with pytest.raises(ValidationError):
        read(schema, {"at": "2024-01-01T01:00:00"})


def test_a_given_schema_may_write_a_type_of_its_own() -> None:
    """A column whose type has no JSON form takes what its schema makes of the body."""

    class Models(DeclarativeBase):
        pass

    class File(Models):
        __table__ = sa.Table(
            "file", Models.metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("data", sa.LargeBinary)
        )

    class FileRead(BaseModel):
        id: int

    class FileWrite(BaseModel):
        data: bytes

    resource = describe(File, Schemas(create=FileWrite, read=FileRead), {"create"})
    assert resource.inputs["create"].values(b'{"data": "abc"}') == {"data": b"abc"}


def test_uuids_may_be_text() -> None:
    """A `Uuid` that is text in Python is text to clients."""

    class Models(DeclarativeBase):
        pass

    class Named(Models):
        __table__ = sa.Table("named", Models.metadata, sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True))

    assert resource_of(Named).output.model.model_json_schema()["properties"]["id"]["type"] == "string"
    with pytest.raises(ValidationError):
        read(body(Named, "create"), {"id": "x" * 37})


@pytest.mark.parametrize("key", ["", ".", "..", "a/", "/", "\0"])
def test_a_key_that_no_path_can_hold_is_refused(key: str) -> None:
    """A row that could be made but never found is not made; dots and other signs are no harm."""
    schema = body(Country, "create")
    with pytest.raises(ValidationError):
        read(schema, {"code": key, "name": "x"})
    for fine in ("FR", ".a", "a.", "?", "%", "é#"):
        assert read(schema, {"code": fine, "name": "x"})["code"] == fine
