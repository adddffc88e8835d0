"""Who may what: readers keep visits, editors change places as well, admins do both; and how they log in."""

from datetime import timedelta

from fastapi_kit.auth import (
    Auth,
    AuthOptions,
    Codec,
    Key,
    PasswordHasher,
    Permissions,
    SQLAPIKeyStore,
    SQLTokenStore,
    SQLUserStore,
)
from fastapi_kit.db import Database

from .models import User, auth_tables
from .settings import AtlasSettings

PERMISSIONS = Permissions(
    scopes={
        "visits": "Keep visits of your own",
        "places:write": "Change continents, countries and cities",
    },
    roles={
        "reader": {"visits"},
        "editor": {"visits", "places:write"},
        "admin": {"visits", "places:write"},
    },
)


def make_auth(settings: AtlasSettings, database: Database) -> Auth[User]:
    """How users come in, with accounts and sessions in the atlas' own database."""
    return Auth(
        Codec(Key.hmac(settings.secret_key.get_secret_value(), settings.algorithm)),
        users=SQLUserStore(database, User),
        tokens=SQLTokenStore(database, auth_tables),
        api_keys=SQLAPIKeyStore(database, auth_tables),
        hasher=PasswordHasher(legacy=()),  # no rows of older schemes, whose cost would be measured at start-up
        permissions=PERMISSIONS,
        options=AuthOptions(
            name="Atlas",
            default_roles=("reader",),
            access_lifetime=timedelta(minutes=settings.access_token_expire_minutes),
        ),
    )
