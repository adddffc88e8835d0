"""A router with every kind of route, and all the ways in which a dependency can stand above it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from sqlalchemy import Column, ForeignKey, String, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_kit.crud import CRUDRouter, ItemContext, Links, OperationName
from fastapi_kit.db import READ_ONLY, Database, UTCDateTime
from fastapi_kit.errors import install
from fastapi_kit.lifespan import compose


class Models(DeclarativeBase):
    """A registry for these tests alone."""


pairs = Table(
    "pair",
    Models.metadata,
    Column[int]("item_id", ForeignKey("item.id"), primary_key=True),
    Column[int]("other_id", ForeignKey("other.id"), primary_key=True),
)


class Other(Models):
    """A row to link to."""

    __tablename__ = "other"
    id: Mapped[int] = mapped_column(primary_key=True)


class Item(Models):
    """A row."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(300), unique=True)
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime(), info=READ_ONLY)
    others: Mapped[list[Other]] = relationship(secondary=pairs)


EVERY: tuple[OperationName, ...] = get_args(OperationName)


def items(**options: Any) -> CRUDRouter[Item]:
    """Every generated route there is, an action, and a route of the app's own."""
    router: CRUDRouter[Item] = CRUDRouter(
        Item, prefix="/items", routes=EVERY, soft_delete="deleted_at", include={"others": Links()}, **options
    )

    @router.action("seen", methods=["GET"])
    async def seen(context: ItemContext[Item]) -> Item:
        return context.row

    @router.get("/extra")
    async def extra(request: Request, number: int = 0) -> int:
        return number

    del seen, extra  # the router has them
    return router


REQUESTS: Mapping[str, tuple[str, str, Any]] = {
    "list": ("GET", "", None),
    "head": ("HEAD", "", None),
    "get": ("GET", "/1", None),
    "create": ("POST", "", {"name": "second"}),
    "create_many": ("POST", "/bulk", [{"name": "third"}]),
    "replace": ("PUT", "/1", {"name": "replaced"}),
    "update": ("PATCH", "/1", {"name": "updated"}),
    "update_many": ("PATCH", "", [{"id": 1, "name": "updated again"}]),
    "link": ("PUT", "/1/others/1", None),
    "unlink": ("DELETE", "/1/others/1", None),
    "export": ("GET", ".csv", None),
    "action": ("GET", "/1/seen", None),
    "extra": ("GET", "/extra?number=5", None),
    "delete": ("DELETE", "/1", None),
    "restore": ("POST", "/1/restore", None),
    "delete_many": ("DELETE", "?id=1", None),
}
"""A request for each route; those that follow each other work on the row as the ones before have left it."""


def make_app(database: Database, **options: Any) -> FastAPI:
    """An app with errors installed and no routes."""
    app = FastAPI(lifespan=compose(database.lifespan), **options)
    install(app)
    return app


async def guard(token: Annotated[str, Header()] = "") -> None:
    """Let nobody in without the token."""
    if token != "secret":
        raise HTTPException(401)


async def guard_by_request(request: Request) -> None:
    """The same, without a parameter, so that it takes no solver."""
    await guard(request.headers.get("token", ""))


GUARD: Any = Depends(guard)
GUARDS: Mapping[str, Any] = {"solved": GUARD, "called": Depends(guard_by_request)}
Build = Callable[..., tuple[FastAPI, str]]


def on_app(database: Database, guard: Any = GUARD) -> tuple[FastAPI, str]:
    """`FastAPI(dependencies=...)`."""
    app = make_app(database, dependencies=[guard])
    app.include_router(items())
    return app, "/items"


def on_include(database: Database, guard: Any = GUARD) -> tuple[FastAPI, str]:
    """`include_router(..., dependencies=...)`."""
    app = make_app(database)
    app.include_router(items(), prefix="/v1", dependencies=[guard])
    return app, "/v1/items"


def on_parent(database: Database, guard: Any = GUARD) -> tuple[FastAPI, str]:
    """The router that includes it has the dependency."""
    app, parent = make_app(database), APIRouter(prefix="/parent", dependencies=[guard])
    parent.include_router(items())
    app.include_router(parent)
    return app, "/parent/items"


def on_grandparent(database: Database, guard: Any = GUARD) -> tuple[FastAPI, str]:
    """Two inclusions above."""
    app, outer, inner = make_app(database), APIRouter(prefix="/outer"), APIRouter(prefix="/inner")
    inner.include_router(items())
    outer.include_router(inner, dependencies=[guard])
    app.include_router(outer)
    return app, "/outer/inner/items"


def on_router(database: Database, guard: Any = GUARD) -> tuple[FastAPI, str]:
    """`CRUDRouter(dependencies={"*": ...})`."""
    app = make_app(database)
    app.include_router(items(dependencies={"*": [guard]}))
    return app, "/items"


def on_operations(database: Database, guard: Any = GUARD) -> tuple[FastAPI, str]:
    """`CRUDRouter(dependencies={operation: ...})`."""
    app = make_app(database)
    app.include_router(items(dependencies={name: [guard] for name in EVERY}))
    return app, "/items"


def on_second_inclusion(database: Database, guard: Any = GUARD) -> tuple[FastAPI, str]:
    """The same router is included twice, the first time for everyone."""
    app, router = make_app(database), items()
    app.include_router(router)
    app.include_router(router, prefix="/guarded", dependencies=[guard])
    return app, "/guarded/items"


def on_first_inclusion(database: Database, guard: Any = GUARD) -> tuple[FastAPI, str]:
    """The same router is included twice, the second time for everyone."""
    app, router = make_app(database), items()
    app.include_router(router, prefix="/guarded", dependencies=[guard])
    app.include_router(router)
    return app, "/guarded/items"


def in_mounted_app(database: Database, guard: Any = GUARD) -> tuple[FastAPI, str]:
    """A mounted app has the dependency."""
    app, inner = make_app(database), make_app(database, dependencies=[guard])
    inner.include_router(items())
    app.mount("/mounted", inner)
    return app, "/mounted/items"


def in_mounted_router(database: Database, guard: Any = GUARD) -> tuple[FastAPI, str]:
    """A router under a bare mount includes it with the dependency, the app includes it without."""
    app, mounted, router = make_app(database), APIRouter(), items()
    app.include_router(router)
    mounted.include_router(router, dependencies=[guard])
    app.mount("/mounted", mounted)
    return app, "/mounted/items"


def in_another_app(database: Database, guard: Any = GUARD) -> tuple[FastAPI, str]:
    """Another app includes the same router for everyone."""
    app, other, router = make_app(database, dependencies=[guard]), make_app(database), items()
    other.include_router(router)
    app.include_router(router)
    return app, "/items"


INCLUSIONS: tuple[Build, ...] = (
    on_app,
    on_include,
    on_parent,
    on_grandparent,
    on_router,
    on_operations,
    on_second_inclusion,
    on_first_inclusion,
    in_mounted_app,
    in_mounted_router,
    in_another_app,
)
"""Everywhere that a dependency can stand above a route."""
