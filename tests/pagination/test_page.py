"""Pages by number."""

from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fastapi_kit.errors import install
from fastapi_kit.pagination import MAX_PAGE, Page, PaginationDep, PaginationParams
from fastapi_kit.testing import client


@given(st.lists(st.integers(), max_size=120), st.integers(1, 100))
def test_law_pages_partition_the_list(items: list[int], limit: int) -> None:
    """Walking the pages of any size gives every item once, in order, and then nothing."""
    seen: list[int] = []
    for page in range(1, len(items) // limit + 2):
        params = PaginationParams(page=page, limit=limit)
        seen += items[params.offset : params.offset + params.limit]
    assert seen == items


@pytest.mark.parametrize(
    "wrong",
    [
        {"page": 0},
        {"page": -1},
        {"page": MAX_PAGE + 1},
        {"page": 10**30},
        {"limit": 0},
        {"limit": 101},
        {"sort_by": "name; DROP TABLE"},
        {"sort_by": ""},
        {"order": "sideways"},
        {"offset": 3},
    ],
    ids=str,
)
def test_bounds(wrong: dict[str, Any]) -> None:
    """What is out of bounds, or unknown, is refused."""
    with pytest.raises(ValidationError):
        PaginationParams(**wrong)


@pytest.mark.anyio
async def test_as_a_dependency() -> None:
    """An endpoint gets the parameters checked, and answers a page that OpenAPI describes."""
    app = FastAPI()
    install(app)

    @app.get("/numbers")
    async def numbers(params: PaginationDep) -> Page[int]:
        return Page(items=list(range(100))[params.offset : params.offset + params.limit], total=100)

    async with client(app) as api:
        answer = await api.get("/numbers?page=3&limit=2")
        assert answer.json() == {"items": [4, 5], "total": 100, "total_relation": "eq"}
        assert (await api.get("/numbers?limit=1000")).status_code == 422
        assert (await api.get("/numbers?unknown=1")).status_code == 422
        names = {p["name"] for p in (await api.get("/openapi.json")).json()["paths"]["/numbers"]["get"]["parameters"]}
    assert names == {"page", "limit", "sort_by", "order"}
