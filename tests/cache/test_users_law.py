"""The law of the cache: whatever tells two users apart, neither sees what was made for the other."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, Request
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_kit._principal import set_principal
from fastapi_kit.cache import Cache, cached
from fastapi_kit.testing import client
from tests.cache.apps import app_with

pytestmark = pytest.mark.anyio

USERS = st.sampled_from(["ada", "bob", "eve", "ada,bob", ""])
WAYS = ("authorization", "cookie", "x-api-key", "x-user", "x-forwarded-user", "x-tenant-id")


class User:
    """A user as apps have them."""

    def __init__(self, name: str) -> None:
        self.id = name


def said(request: Request) -> dict[str, str]:
    """All that the request says of its user, by whatever way."""
    return {way: request.headers[way] for way in WAYS if way in request.headers}


async def found(request: Request) -> None:
    """A dependency that takes the user from one of many headers, and may or may not say whom it has found."""
    if request.headers.get("x-known") == "yes":
        set_principal(request, User(str(said(request))))


router = APIRouter()


@router.get("/declared")
@cached(60)
async def declared(request: Request, _: Annotated[None, Depends(found)]) -> dict[str, Any]:
    """Tells the user what it knows of him."""
    return said(request)


@router.get("/plain")
@cached(60, stale_while_revalidate=60, vary=["accept"])
async def plain(request: Request) -> dict[str, Any]:
    """The same without any dependency."""
    return said(request)


REQUESTS = st.tuples(
    st.sampled_from(["/v1/declared", "/v1/plain"]),
    st.dictionaries(st.sampled_from(WAYS), USERS, max_size=3),
    st.sampled_from(["yes", "no"]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(REQUESTS, min_size=2, max_size=12))
async def test_nobody_sees_the_answer_of_another(requests: list[tuple[str, dict[str, str], str]]) -> None:
    """Every answer tells of the user who has asked, in any order, by any header, known to the app or not."""
    async with client(app_with(Cache(), router)) as http:
        for path, headers, known in requests:
            answer = await http.get(path, headers={**headers, "x-known": known})
            assert answer.json() == headers, (path, headers, answer.headers)
