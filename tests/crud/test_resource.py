"""A description that cannot be served is refused when the router is made, with the cure in the message."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
import sqlalchemy as sa
from fastapi import Depends
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, computed_field, field_validator
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column

from fastapi_kit.crud import RANGE, TEXT, CRUDRouter, Query, ResourceError
from fastapi_kit.crud._resource import Schemas, describe
from fastapi_kit.db import HIDDEN, READ_ONLY, SoftDelete
from tests.crud.library import City, Country, Everything


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Animal(Models):
    """The base of an inheritance."""

    __tablename__ = "animal"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012 - SQLAlchemy's form
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(9))


class Dog(Animal):
    """A row of another model's table."""

    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012 - SQLAlchemy's form


class Selected(Models):
    """A model of no table of its own."""

    __table__ = sa.select(Country.code, Country.name).subquery()


class Dunder(Models):
    """A column whose name reads like a filter."""

    __tablename__ = "dunder"
    id: Mapped[int] = mapped_column(primary_key=True)
    size__gte: Mapped[int]


class HiddenKey(Models):
    """A key that clients may not see."""

    __tablename__ = "hidden_key"
    id: Mapped[int] = mapped_column(primary_key=True, info=HIDDEN)


class DocumentKey(Models):
    """A key without equality."""

    __tablename__ = "document_key"
    id: Mapped[Any] = mapped_column(sa.JSON, primary_key=True)


class Binary(Models):
    """A column without a JSON form."""

    __tablename__ = "binary"
    id: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes | None]


class Binaries(Models):
    """A list of what has no JSON form."""

    __tablename__ = "binaries"
    id: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[list[bytes] | None] = mapped_column(sa.ARRAY(sa.LargeBinary))


class Secretive(Models):
    """A column that clients cannot write, and without which there is no row."""

    __tablename__ = "secretive"
    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(sa.String(9), info=HIDDEN)
    stamp: Mapped[str] = mapped_column(sa.String(9), info=READ_ONLY)


class Deletable(SoftDelete, Models):
    """A row that is not to be deleted for good."""

    __tablename__ = "deletable"
    id: Mapped[int] = mapped_column(primary_key=True)


class Keyless(BaseModel):
    """Rows without their key."""

    name: str


class ExcludedKey(BaseModel):
    """Rows whose key is left out."""

    id: int = Field(exclude=True)
    name: str


class Stranger(BaseModel):
    """A field that is no column."""

    id: int
    mayor: str


class WithKey(BaseModel):
    """A body that would change the key."""

    code: str
    name: str


class Open(BaseModel):
    """A body that takes any field."""

    model_config = ConfigDict(extra="allow")

    name: str
    country_code: str


class Computing(BaseModel):
    """A body with a column that it computes."""

    name: str
    country_code: str

    @computed_field
    def short(self) -> str:
        """Of the name."""
        return self.name[:2]


class ComputingStranger(Computing):
    """A body that computes what is no column."""

    @computed_field
    def slug(self) -> str:
        """Of the name."""
        return self.name.lower()


class Root(RootModel[list[str]]):
    """A body without fields."""


class Nameless(BaseModel):
    """A body that lacks what a row needs."""

    population: int


Make = Callable[[], object]


def query(**options: Any) -> Make:
    """A router for cities with this query."""
    return lambda: CRUDRouter(City, query=Query(**options))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: CRUDRouter(Dog), "Dog must be mapped to one table of its own", id="inherited"),
        pytest.param(lambda: CRUDRouter(Selected), "Selected must be mapped to one table of its own", id="selected"),
        pytest.param(lambda: CRUDRouter(Dunder), "Dunder.size__gte: '__' stands .* rename it", id="dunder"),
        pytest.param(
            lambda: CRUDRouter(HiddenKey), "HiddenKey.id: a hidden key leaves clients no way", id="hidden-key"
        ),
        pytest.param(lambda: CRUDRouter(DocumentKey), "DocumentKey.id: .* key of type JSON", id="json-key"),
        pytest.param(lambda: CRUDRouter(Binary), "binary.data: .* info=HIDDEN, or leave it out", id="no-json-form"),
        pytest.param(lambda: CRUDRouter(Binaries), "binaries.data: .* has no JSON form", id="no-json-form-in-a-list"),
        pytest.param(lambda: CRUDRouter(Secretive), "lacks token, stamp, .* default, .* routes=", id="unreachable"),
        pytest.param(lambda: CRUDRouter(Deletable), "leave 'delete' out of routes=", id="soft-delete"),
        pytest.param(lambda: CRUDRouter(City, read=Keyless), "Keyless lacks id", id="no-key"),
        pytest.param(lambda: CRUDRouter(City, read=ExcludedKey), "ExcludedKey lacks id", id="excluded-key"),
        pytest.param(
            lambda: CRUDRouter(City, read=Stranger), "Stranger.mayor is no column of City, .* name,", id="read"
        ),
        pytest.param(lambda: CRUDRouter(City, create=Stranger), "Stranger.mayor is no column", id="create"),
        pytest.param(lambda: CRUDRouter(City, update=Stranger), "Stranger.mayor is no column", id="update"),
        pytest.param(lambda: CRUDRouter(City, replace=Stranger), "Stranger.mayor is no column", id="replace"),
        pytest.param(
            lambda: CRUDRouter(Country, update=WithKey), "code: a row keeps its key; give update=", id="key-update"
        ),
        pytest.param(lambda: CRUDRouter(Country, create=WithKey), "code: .* give replace=", id="key-replace"),
        pytest.param(lambda: CRUDRouter(City, create=Open), "any column: give it extra='forbid'", id="open"),
        pytest.param(lambda: CRUDRouter(City, create=Computing), "give update= a schema of its own", id="partial"),
        pytest.param(
            lambda: CRUDRouter(City, create=ComputingStranger, routes={"create"}), "slug is no column", id="computed"
        ),
        pytest.param(lambda: CRUDRouter(City, create=Root, routes={"create"}), "Root.root is no column", id="root"),
        pytest.param(
            lambda: CRUDRouter(City, create=Nameless, routes={"create"}),
            "Nameless lacks name, country_code, .* give a create= that has it",
            id="incomplete",
        ),
        pytest.param(
            lambda: CRUDRouter(City, routes={"list", "destroy"}),  # type: ignore[arg-type]
            "no operations destroy; there are list, get,",
            id="operation",
        ),
        pytest.param(
            lambda: CRUDRouter(City, dependencies={"read": [Depends(dict)]}),
            "no operations read; there are list, get,",
            id="dependency",
        ),
        pytest.param(query(filter={"mayor": TEXT}), "'mayor' is no column .* those are .*country_code", id="filter"),
        pytest.param(query(filter={"secret": TEXT}), "'secret' is no column that clients can read", id="filter-hidden"),
        pytest.param(query(filter={"name": RANGE}), "name: no operators gt, gte, lt, lte; .*contains", id="operators"),
        pytest.param(query(filter={"name": set[str]()}), "name: .* there are contains, eq", id="no-operators"),
        pytest.param(query(sort={"mayor"}), "'mayor' is no column", id="sort"),
        pytest.param(query(sort={"secret"}), "'secret' is no column", id="sort-hidden"),
        pytest.param(query(default_sort="-mayor"), "default_sort: '-mayor' .* or none of .*name", id="default-sort"),
        pytest.param(query(default_sort="name,-name"), "default_sort: '-name' is there twice", id="default-sort-twice"),
        pytest.param(query(limit=0), "1 <= limit <= max_limit <= 1000 does not hold: 0, 100", id="limit"),
        pytest.param(query(limit=50, max_limit=20), "does not hold: 50, 20", id="max-limit"),
        pytest.param(query(max_limit=1001), "does not hold: 20, 1001", id="largest-limit"),
        pytest.param(
            lambda: CRUDRouter(Everything, query=Query(sort={"data"})),
            "data: .* type JSON.* has no order",
            id="sort-json",
        ),
        pytest.param(
            lambda: CRUDRouter(Everything, query=Query(filter={"data": {"eq"}})),
            "data: no operators eq",
            id="filter-json",
        ),
    ],
)
def test_what_cannot_be_served_is_refused(make: Make, message: str) -> None:
    """The message names the place, what is wrong, and what may be done."""
    with pytest.raises(ResourceError, match=message):
        make()


class Shelf(Models):
    """A column that may be null."""

    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    width: Mapped[int | None]


class NeverNull(BaseModel):
    """An answer that a row without a width would break."""

    id: int
    width: int


class Positive(BaseModel):
    """The same, with a bound."""

    id: int
    width: int = Field(gt=0)


class NullAsZero(BaseModel):
    """An answer that makes a number of null, in the annotation."""

    id: int
    width: Annotated[int, BeforeValidator(lambda width: width or 0)]


class NullAsZeroByMethod(BaseModel):
    """The same, in a method, which is trusted."""

    id: int
    width: int

    @field_validator("width", mode="before")
    @classmethod
    def zero(cls, width: int | None) -> int:
        """Zero for null."""
        return width or 0


class Bounded(BaseModel):
    """An answer whose bound lets null pass."""

    id: int
    width: int | None = Field(gt=0)


@pytest.mark.parametrize("read", [NeverNull, Positive])
def test_an_answer_must_take_what_is_stored(read: type[BaseModel]) -> None:
    """One row with a null would make every list fail: the schema is refused instead."""
    with pytest.raises(ResourceError, match=r"width is never null, but its column may be: declare it `… \| None`"):
        CRUDRouter(Shelf, read=read)


@pytest.mark.parametrize("read", [NullAsZero, NullAsZeroByMethod, Bounded])
def test_an_answer_may_make_something_of_null(read: type[BaseModel]) -> None:
    """A validator that takes null, or may do so, is left to its author."""
    assert CRUDRouter(Shelf, read=read).routes


def test_a_body_may_compute_a_column() -> None:
    """A computed field that is a column is written like any other."""
    router = CRUDRouter(City, create=Computing, update=Keyless, replace=Keyless)
    assert {getattr(route, "name", "") for route in router.routes} == {
        f"{name}_city" for name in ("list", "get", "create", "replace", "update", "delete")
    }


def test_what_is_left_out_is_not_looked_at() -> None:
    """A column without a JSON form stands in nobody's way where no schema has it."""

    class BinaryRead(BaseModel):
        id: int

    assert CRUDRouter(Binary, read=BinaryRead).routes


@pytest.mark.parametrize("routes", [{"list"}, {"get", "delete"}, set[str]()], ids=["list", "get-and-delete", "none"])
def test_routes_are_those_that_were_asked_for(routes: Any) -> None:
    """An operation that is left out has no route, and its schema may be anything; GET brings HEAD."""
    router = CRUDRouter(Secretive, routes=routes)
    served = [(getattr(route, "name", ""), *getattr(route, "methods", ())) for route in router.routes]
    methods = {"list": ("GET", "HEAD"), "get": ("GET", "HEAD"), "delete": ("DELETE",)}
    assert served == [(f"{name}_secretive", method) for name in methods if name in routes for method in methods[name]]


def test_an_expression_of_the_orm_is_read_and_not_written() -> None:
    """A `column_property` is like a column that the database computes; one whose type nobody told is refused."""

    class Square(Models):
        __tablename__ = "square"
        id: Mapped[int] = mapped_column(primary_key=True)
        side: Mapped[int] = mapped_column(sa.Integer)
        area = column_property(side * side)

    resource = describe(Square, Schemas(), {"create"})
    assert "area" in resource.visible
    assert set(resource.inputs["create"].model.model_fields) == {"side"}
