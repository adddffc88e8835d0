"""Small apps with a cache."""

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, Request

from fastapi_kit._principal import set_principal
from fastapi_kit.cache import Cache, CacheMiddleware
from fastapi_kit.errors import UnauthorizedError
from fastapi_kit.lifespan import compose


def app_with(cache: Cache, *routers: APIRouter) -> FastAPI:
    """An app with the cache's layer."""
    app = FastAPI(lifespan=compose(cache.lifespan))
    app.add_middleware(CacheMiddleware, cache=cache)
    for router in routers:
        app.include_router(router, prefix="/v1")
    return app


async def bearer(request: Request, authorization: Annotated[str, Header()] = "") -> str:
    """Whoever the token names; refuses a request without one, and that of `Bearer bad`."""
    name = authorization.removeprefix("Bearer ")
    if not name or name == "bad":
        raise UnauthorizedError
    set_principal(request, name)
    return name


User = Annotated[str, Depends(bearer)]
