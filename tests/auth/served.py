"""An app for several workers, whose answers tell who gave them; users and sessions are where the environment says."""

import os
from typing import Annotated

from fastapi import APIRouter, Depends

from fastapi_kit.app import create_app
from fastapi_kit.auth import Auth, MemoryTokenStore, PasswordHasher, SQLTokenStore, SQLUserStore, TokenStore
from fastapi_kit.auth.redis import RedisTokenStore
from fastapi_kit.db import Database
from fastapi_kit.redis import RedisClient
from fastapi_kit.security import API_HEADERS
from fastapi_kit.settings import Settings
from tests.auth.accounts import Account, tables
from tests.auth.services import CHEAP, KEY

database = Database(os.environ["USERS"])


def make_tokens(place: str) -> TokenStore:
    """The store of sessions at a place."""
    if place.startswith("redis"):
        return RedisTokenStore(RedisClient(place, timeout=5), prefix=os.environ["PREFIX"])
    return SQLTokenStore(database, tables) if place else MemoryTokenStore()


auth = Auth(
    KEY,
    users=SQLUserStore(database, Account),
    tokens=make_tokens(os.environ["SESSIONS"]),
    hasher=PasswordHasher(CHEAP, legacy=(), deadline=0.001),
)
router = APIRouter()


@router.get("/mine")
async def mine(user: Annotated[Account, Depends(auth.current_user())]) -> str:
    """Give the address."""
    return user.email


headers = {**API_HEADERS, "X-Worker": str(os.getpid())}
app = create_app(Settings(), database=database, auth=auth, routers=[router], headers=headers)
