"""Large bodies in which everything is wrong: refused soon, and by few words."""

import time

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.app import create_app
from fastapi_kit.crud import CRUDRouter, OperationName
from fastapi_kit.db import Database
from fastapi_kit.settings import Settings
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio

HALF_A_MILLION_ERRORS = b"[" + b",".join([b"1"] * 500_000) + b"]"
UNKNOWN_FIELDS = b"{" + b",".join(b'"n%d":1' % number for number in range(88_000)) + b"}"
LARGER = 2_000_000
"""Bytes of a body, where a router takes more than by default."""


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Row(Models):
    """A row."""

    __tablename__ = "row"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def routers() -> list[APIRouter]:
    """One with its own limit and one with a larger one, each with the writes of many rows."""
    routes: set[OperationName] = {"list", "create", "create_many", "update_many"}
    return [
        CRUDRouter(Row, prefix="/rows", routes=routes),
        CRUDRouter(Row, prefix="/larger", routes=routes, max_body_size=LARGER),
    ]


async def send(method: str, path: str, content: bytes) -> tuple[httpx2.Response, float]:
    """The answer of the whole stack, and the seconds that it took."""
    database = Database("sqlite://")
    app = create_app(Settings(database_url="sqlite://", log_level="critical"), database=database, routers=routers())
    async with client(app) as api:
        await api.get("/health")
        began = time.perf_counter()
        answer = await api.request(method, path, content=content, headers={"content-type": "application/json"})
        return answer, time.perf_counter() - began


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/rows", HALF_A_MILLION_ERRORS, 413),
        ("POST", "/rows", UNKNOWN_FIELDS, 413),
        ("POST", "/rows/bulk", HALF_A_MILLION_ERRORS, 413),
        ("POST", "/larger", HALF_A_MILLION_ERRORS, 422),
        ("POST", "/larger/bulk", HALF_A_MILLION_ERRORS, 422),
        ("PATCH", "/larger", HALF_A_MILLION_ERRORS, 422),
    ],
    ids=["body", "fields", "list", "larger body", "larger list", "larger list of changes"],
)
async def test_a_megabyte_of_errors_is_refused_soon(method: str, path: str, content: bytes, status: int) -> None:
    """By the limit of the route, or, where more is allowed, at the first error of a list."""
    assert 950_000 < len(content) < 1_048_576
    answer, seconds = await send(method, path, content)
    assert answer.status_code == status
    assert len(answer.content) < 10_000
    assert seconds < 1
