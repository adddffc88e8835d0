"""The declarative base and the columns that most tables share."""

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import DateTime, Integer, MetaData, Uuid, literal_column
from sqlalchemy.dialects.mysql import DATETIME as MYSQL_DATETIME
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from fastapi_kit._clock import SYSTEM_CLOCK
from fastapi_kit.db._uuid7 import uuid7

HIDDEN: dict[Any, Any] = {"fastapi_kit.access": "hidden"}
"""`mapped_column(info=HIDDEN)`: generated schemas, filters and sorts know nothing of this column."""

READ_ONLY: dict[Any, Any] = {"fastapi_kit.access": "read_only"}
"""`mapped_column(info=READ_ONLY)`: clients see this column and cannot write it."""


class UTCDateTime(TypeDecorator[datetime]):
    """An instant: aware datetimes in, aware UTC datetimes out, with microseconds, on every database.

    Databases without time zones (SQLite, MariaDB) store the UTC wall clock. A naive value raises `ValueError`.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """MariaDB keeps microseconds only when asked to."""
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(MYSQL_DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; drop the zone where the database has none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime names no instant: give it a time zone, e.g. datetime.now(UTC)")
        instant = value.astimezone(UTC)
        return instant if dialect.name == "postgresql" else instant.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Say that the stored wall clock is UTC."""
        return value if value is None else value.replace(tzinfo=UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """No work per row on PostgreSQL, whose driver already answers aware UTC."""
        return None if dialect.name == "postgresql" else super().result_processor(dialect, coltype)


class _Now(FunctionElement[datetime]):
    """The database's clock, in the form in which SQLAlchemy writes instants.

    SQLite's own, CURRENT_TIMESTAMP, is text without microseconds, which comes before the same instant with them.
    """

    type = UTCDateTime()
    inherit_cache = True


@compiles(_Now)
def _now(_element: _Now, _compiler: SQLCompiler, **_options: Any) -> str:
    return "now()"


@compiles(_Now, "sqlite")
def _now_sqlite(_element: _Now, _compiler: SQLCompiler, **_options: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


class Base(DeclarativeBase):
    """A declarative base whose constraints have predictable names and whose `datetime` columns are instants.

    The naming convention lets migrations name what they drop, and lets a violated constraint be traced to its columns.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UTCDateTime()}


class UUIDKey:
    """Mixin: a primary key `id`, a UUIDv7 made by the application, so it is known before the row is stored."""

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True, default=uuid7, info=READ_ONLY, sort_order=-10)


class Timestamps:
    """Mixin: `created_at` and `updated_at`, instants written by the application's clock."""

    created_at: Mapped[datetime] = mapped_column(
        UTCDateTime(), default=SYSTEM_CLOCK.now, server_default=_Now(), info=READ_ONLY, sort_order=900
    )
    updated_at: Mapped[datetime] = mapped_column(
        UTCDateTime(),
        default=SYSTEM_CLOCK.now,
        onupdate=SYSTEM_CLOCK.now,
        server_default=_Now(),
        info=READ_ONLY,
        sort_order=901,
    )


class SoftDelete:
    """Mixin: `deleted_at`, the instant at which the row was put out of use, or null while it is in use.

    The column alone hides nothing: each query decides whether it wants rows that are out of use.
    """

    deleted_at: Mapped[datetime | None] = mapped_column(
        UTCDateTime(), default=None, index=True, info=READ_ONLY, sort_order=902
    )


class Versioned:
    """Mixin: `version`, counted up by each update; the ORM refuses to write over a version it has not read."""

    version: Mapped[int] = mapped_column(
        Integer(),
        default=1,
        onupdate=literal_column("version + 1", Integer()),
        server_default="1",
        info=READ_ONLY,
        sort_order=903,
    )

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        """Let the ORM check the version; `UPDATE` statements of Core count it up by `onupdate`."""
        return {"version_id_col": cls.version}
