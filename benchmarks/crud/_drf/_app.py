"""Django, told by code what a project says in its settings.

It has no middleware, sessions, permissions or browsable API, since the other contestants have none, either. A view
runs in a thread that Django makes for the request, and ends with it. So on PostgreSQL connections are in a pool, as
Django's documentation advises for ASGI; on SQLite each request opens the file.
"""

# Django is not installed where types are checked, and where it is, it has none.
# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import asyncio
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import connections
from sqlalchemy import make_url
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.crud._contestant import PRAGMAS, Contestant, ListQuery


def drf(url: str) -> Contestant:
    """That viewset; its lists always count all rows.

    Django has one set of settings in a process, so the contestant made before this one may no longer be running.
    """
    databases = {"default": _database(url)}
    if not settings.configured:
        _configure(databases)
    connections.settings = connections.configure_settings(databases)
    return Contestant(
        "djangorestframework",
        _served(get_asgi_application()),
        _list_target,
        items=lambda body: body["results"],
        always_counts=True,
        countable=False,
    )


def _configure(databases: dict[str, Any]) -> None:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES=databases,
        INSTALLED_APPS=["rest_framework", "django_filters", __package__],
        LOGGING_CONFIG=None,
        ROOT_URLCONF=f"{__package__}.urls",
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [],
            "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "UNAUTHENTICATED_USER": None,
        },
    )
    django.setup()


def _database(url: str) -> dict[str, Any]:
    location = make_url(url)
    if location.get_backend_name() == "sqlite":
        commands = "; ".join(f"PRAGMA {pragma}" for pragma in PRAGMAS)
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": location.database,
            "OPTIONS": {"init_command": commands},
        }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": location.database,
        "USER": location.username,
        "PASSWORD": location.password,
        "HOST": location.host,
        "PORT": location.port,
        "OPTIONS": {"pool": True},
    }


def _served(application: ASGIApp) -> ASGIApp:
    """What Django takes from its server: a lifespan that it does not know, and a client that stays connected."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            await application(scope, _staying(receive), send)

    return app


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    connection = connections["default"]
    if connection.vendor == "postgresql":
        connection.close_pool()
    del connections["default"]  # this thread's; it would outlive the settings it was made from
    await send({"type": "lifespan.shutdown.complete"})


def _staying(receive: Receive) -> Receive:
    """Give the body, then keep silent: Django gives a request up when it hears that the client has gone."""
    given = False

    async def receive_body() -> Message:
        nonlocal given
        if given:
            await asyncio.Event().wait()
        given = True
        return await receive()

    return receive_body


def _list_target(query: ListQuery) -> str:
    wanted = "&country_code=FR&population__gte=50000&ordering=-population,id" if query.filtered else ""
    return f"/cities?offset={query.offset}&limit={query.limit}{wanted}"
