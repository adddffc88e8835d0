"""Every backend's way to tell a violated constraint is read alike."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, ForeignKey, Integer, MetaData, String, UniqueConstraint, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.db import Base, Database, Violation, violation_of

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""

    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Item(Models):
    """A row with every kind of constraint."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    a: Mapped[str] = mapped_column(String(9))
    b: Mapped[int]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("item.id"))
    __table_args__ = (UniqueConstraint("a", "b"), CheckConstraint("b > 0", name="positive"))


FIRST: dict[str, Any] = {"id": 1, "a": "x", "b": 1}


async def violation(database: Database, *rows: dict[str, Any]) -> Violation | None:
    """What the last of the rows violates."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Models.metadata.create_all)
    *stored, refused = rows
    await database.run(lambda connection: connection.execute(insert(Item), stored))
    with pytest.raises(DBAPIError) as caught:
        await database.run(lambda connection: connection.execute(insert(Item), refused))
    return violation_of(caught.value)


CASES: Sequence[Any] = (
    pytest.param({**FIRST, "id": 2}, "unique", "uq_item_a_b", ("a", "b"), id="unique"),
    pytest.param({**FIRST, "a": "y"}, "unique", None, ("id",), id="key"),
    pytest.param(
        {**FIRST, "id": 2, "a": "y", "parent_id": 9}, "foreign_key", "fk_item_parent_id_item", (), id="foreign"
    ),
    pytest.param({**FIRST, "id": 2, "b": -1}, "check", "ck_item_positive", (), id="check"),
    pytest.param({**FIRST, "id": 2, "a": None}, "not_null", None, ("a",), id="not-null"),
)


@pytest.mark.parametrize(("row", "kind", "constraint", "columns"), CASES)
async def test_kinds(
    database: Database, row: dict[str, Any], kind: str, constraint: str | None, columns: tuple[str, ...]
) -> None:
    """The kind is always told; the constraint's name or the columns as the backend tells them."""
    found = await violation(database, FIRST, row)
    assert found is not None
    assert found.kind == kind
    if database.url.get_backend_name() == "sqlite":
        assert found.columns == columns or (found.constraint == constraint and kind in {"check", "foreign_key"})
    elif constraint:
        assert found.constraint == constraint
    else:
        assert found.constraint == "pk_item" or found.columns == columns


@pytest.mark.mariadb
@pytest.mark.parametrize(("row", "kind", "constraint", "columns"), CASES)
async def test_kinds_on_mariadb(
    mariadb: Database, row: dict[str, Any], kind: str, constraint: str | None, columns: tuple[str, ...]
) -> None:
    """MariaDB tells the same, by number and message."""
    found = await violation(mariadb, FIRST, row)
    assert found is not None
    assert found.kind == kind
    assert found.constraint == (constraint or ("PRIMARY" if kind == "unique" else None))
    if kind == "not_null":
        assert found.columns == columns


async def test_other_errors_are_no_violation(database: Database) -> None:
    """A syntax error violates no constraint."""
    with pytest.raises(DBAPIError) as caught:
        await database.run(lambda connection: connection.exec_driver_sql("SELEC 1"))
    assert violation_of(caught.value) is None
