"""A shop of two tenants, for the tests of scopes."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, get_args

import httpx2
from fastapi import APIRouter, Depends, Request

from fastapi_kit.crud import CRUDRouter, OperationName, Scope, SoftDeletion, Version, of_principal, set_principal
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.library import app_with, create_tables, store
from tests.crud.shop import Author, Book, Shop


async def user(request: Request) -> None:
    """Say who asks: the tenant that the header names; `nobody` is somebody who is known to be nobody."""
    tenant = request.headers.get("tenant")
    if tenant is not None:
        set_principal(request, None if tenant == "nobody" else int(tenant))


USER = Depends(user)
ONE, TWO, NOBODY = {"tenant": "1"}, {"tenant": "2"}, {"tenant": "nobody"}
TENANT = of_principal(lambda tenant: tenant)


def scoped_books(scope: Scope | Mapping[Any, Scope] | None, prefix: str = "/books", **options: Any) -> CRUDRouter[Book]:
    """Books within a scope, with all routes."""
    return CRUDRouter(
        Book,
        prefix=prefix,
        dependencies={"*": [USER]},
        scope=scope,
        version=Version(required=False),
        soft_delete=SoftDeletion(visible_to=lambda _: True),
        routes=get_args(OperationName),
        **options,
    )


@asynccontextmanager
async def shop(database: Database, *routers: APIRouter) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of routers, with an author and two books of each of two tenants."""
    await create_tables(database, Shop)
    await store(database, Author, {"id": 1, "name": "Tolkien"}, {"id": 2, "name": "Le Guin", "tenant": 2})
    await store(
        database,
        Book,
        *(
            {"id": tenant * 10 + n, "slug": f"{tenant}{n}", "title": "T", "author_id": tenant, "tenant": tenant}
            for tenant in (1, 2)
            for n in (1, 2)
        ),
    )
    async with client(app_with(database, *routers)) as api:
        yield api


async def ids(api: httpx2.AsyncClient, path: str, headers: Mapping[str, str]) -> list[int]:
    """The keys in a list."""
    answer = await api.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


BODY = {"id": 99, "slug": "new", "title": "New", "pages": None, "author_id": None, "tenant": 1}
WHOLE = {name: value for name, value in BODY.items() if name != "id"}
WITHOUT_AUTHOR = {name: value for name, value in WHOLE.items() if name != "author_id"}
