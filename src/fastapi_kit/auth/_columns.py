"""The columns that authentication needs in the app's own user model."""

from sqlalchemy import JSON, Boolean, String, false, true
from sqlalchemy.orm import Mapped, mapped_column

from fastapi_kit.auth._users import LONGEST_EMAIL
from fastapi_kit.db import HIDDEN, READ_ONLY

_LONGEST_HASH = 1_024


class UserColumns:
    """Mixin: the columns of a user; the model adds its key and whatever else it needs.

        class User(UUIDKey, UserColumns, Base):
            __tablename__ = "users"

    The names are those of fastapi-users, so its tables can be kept. Schemas derived from the model neither show nor
    take what is secret, and let nobody write what gives rights.
    """

    email: Mapped[str] = mapped_column(String(LONGEST_EMAIL), unique=True, info=READ_ONLY)
    hashed_password: Mapped[str | None] = mapped_column(String(_LONGEST_HASH), default=None, info=HIDDEN)
    is_active: Mapped[bool] = mapped_column(Boolean(), default=True, server_default=true(), info=READ_ONLY)
    is_verified: Mapped[bool] = mapped_column(Boolean(), default=False, server_default=false(), info=READ_ONLY)
    roles: Mapped[list[str]] = mapped_column(JSON(), default=list, server_default="[]", info=READ_ONLY)
    totp_secret: Mapped[str | None] = mapped_column(String(64), default=None, info=HIDDEN)
