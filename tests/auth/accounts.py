"""Users and sessions for tests: a model of an app's own, and what the stores are given."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.auth import AuthTables, LoginSession, RefreshToken, UserColumns
from fastapi_kit.db import UUIDKey

NOW = datetime.now(UTC).replace(microsecond=0)
"""Of whole seconds, as no store has to keep microseconds."""


class Base(DeclarativeBase):
    """A base of these tests' own."""

    metadata = MetaData()


class Account(UUIDKey, UserColumns, Base):
    """A user with a column of the app's own."""

    __tablename__ = "accounts"
    nickname: Mapped[str | None] = mapped_column(String(50), default=None)


tables = AuthTables(Base.metadata)


def make_session(
    session_id: str = "s" * 22, *, user_id: str = "ann", lasts: timedelta = timedelta(days=1)
) -> LoginSession:
    """A session that begins now."""
    return LoginSession(
        id=session_id,
        user_id=user_id,
        scopes=("read", "write"),
        authenticated_at=NOW,
        last_used_at=NOW,
        expires_at=NOW + lasts,
        address="192.0.2.1",
        user_agent="test",
    )


def make_token(session_id: str = "s" * 22) -> RefreshToken:
    """A refresh token of a session."""
    return RefreshToken.new(session_id)
