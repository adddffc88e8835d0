"""The tables that sessions and API keys need beside the app's own."""

from sqlalchemy import JSON, Column, ForeignKey, MetaData, String, Table, Text
from sqlalchemy.dialects.mysql import VARCHAR

from fastapi_kit.db import UTCDateTime


def _exact(length: int) -> String:
    """Text that is equal to the letter; left to itself, MariaDB takes no account of case and accents."""
    return String(length).with_variant(VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


_ID = _exact(22)
_DIGEST = _exact(64)
_USER = _exact(64)


class AuthTables:
    """Sessions, refresh tokens, tickets, marks and API keys, as tables of the app's metadata.

    Migrations and `create_all` then know them. Users are referred to by the text of their key, whatever its type, so
    there is no foreign key: what a deleted user leaves opens nothing, and ends by itself.

    Args:
        metadata: The app's, such as `Base.metadata`.
        prefix: What the names of the tables begin with.
    """

    def __init__(self, metadata: MetaData, *, prefix: str = "auth_") -> None:
        self.sessions = Table(
            f"{prefix}sessions",
            metadata,
            Column("id", _ID, primary_key=True),
            Column("user_id", _USER, nullable=False, index=True),
            Column("scopes", JSON(), nullable=False),
            Column("authenticated_at", UTCDateTime(), nullable=False),
            Column("last_used_at", UTCDateTime(), nullable=False),
            Column("expires_at", UTCDateTime(), nullable=False, index=True),
            Column("address", String(64)),
            Column("user_agent", Text()),
            Column("family", _DIGEST, nullable=False),
        )
        of_session = ForeignKey(self.sessions.c.id, ondelete="CASCADE")  # of its type as well
        self.refresh_tokens = Table(
            f"{prefix}refresh_tokens",
            metadata,
            Column("digest", _DIGEST, primary_key=True),
            Column[str]("session_id", of_session, nullable=False, index=True),
            Column("used_at", UTCDateTime()),
        )
        self.tickets = Table(
            f"{prefix}tickets",
            metadata,
            Column("digest", _DIGEST, primary_key=True),
            Column("purpose", String(16), nullable=False),
            Column("user_id", _USER, nullable=False),
            Column("binding", String(320), nullable=False),
            Column("expires_at", UTCDateTime(), nullable=False, index=True),
        )
        self.marks = Table(
            f"{prefix}marks",
            metadata,
            Column("key", _exact(160), primary_key=True),
            Column("made_at", UTCDateTime(), nullable=False),
            Column("expires_at", UTCDateTime(), index=True),
        )
        self.api_keys = Table(
            f"{prefix}api_keys",
            metadata,
            Column("id", _ID, primary_key=True),
            Column("digest", _DIGEST, nullable=False),
            Column("user_id", _USER, nullable=False, index=True),
            Column("name", String(100), nullable=False),
            Column("scopes", JSON(), nullable=False),
            Column("created_at", UTCDateTime(), nullable=False),
            Column("expires_at", UTCDateTime()),
        )
