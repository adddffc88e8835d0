"""Who may see which cities, for the contestants that ask: a bearer token, looked up by its hash, as opaque tokens are.

The dependency is the same for all, so that what it costs is in both numbers.
"""

from dataclasses import dataclass
from hashlib import sha256

from fastapi import HTTPException, Request

from fastapi_kit.crud import set_principal

COUNTRY = "FR"
"""The country whose cities the benchmark's user may see."""
TOKEN = "benchmark-" + "0123456789abcdef" * 2
AUTHORIZATION = ((b"authorization", f"Bearer {TOKEN}".encode()),)


@dataclass(frozen=True, slots=True)
class User:
    """Someone who may see and change the cities of one country."""

    name: str
    country_code: str


USERS = {sha256(TOKEN.encode()).digest(): User("bench", COUNTRY)}
"""By the hash of the token."""


async def current_user(request: Request) -> User:
    """Authenticate, and tell the kit, which the hand-written app has no use for."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    user = USERS.get(sha256(token.encode()).digest()) if scheme.lower() == "bearer" else None
    if user is None:
        raise HTTPException(401, "Not authenticated", {"WWW-Authenticate": "Bearer"})
    set_principal(request, user)
    return user
