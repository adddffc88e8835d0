"""Twenty rows to bytes: serialised only, or validated before as a `response_model` does."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

from pydantic import BaseModel, ConfigDict, TypeAdapter

from benchmarks._work import Repeated
from fastapi_kit.pagination import Page

ROW = (UUID(int=7), "Bénchville", 2988507, 48.85341, None, datetime(2026, 5, 1, tzinfo=UTC))


class Visit(BaseModel):
    """A row as a client sees it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    city_id: int
    latitude: float
    note: str | None
    created_at: datetime


NAMES = tuple(Visit.model_fields)


@asynccontextmanager
async def answers() -> AsyncGenerator[Mapping[str, Repeated]]:
    """Both write the same bytes."""
    serializer = Page[Visit].__pydantic_serializer__
    validator = TypeAdapter(list[Visit])

    def rows() -> list[SimpleNamespace]:
        return [SimpleNamespace(**dict(zip(NAMES, ROW, strict=True))) for _ in range(20)]

    def page(items: object) -> bytes:
        return serializer.to_json(SimpleNamespace(items=items, total=20, total_relation="eq"))

    async def serialised() -> bytes:
        return page(rows())

    async def validated() -> bytes:
        return page(validator.validate_python(rows(), from_attributes=True))

    if await serialised() != await validated():
        raise AssertionError("the bytes differ")
    yield {"serialised": Repeated(serialised), "validated and serialised": Repeated(validated)}
