"""Users, as far as authentication looks into them, and where they are kept."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from starlette.types import Scope

LONGEST_EMAIL = 254
"""Characters of an address at most (RFC 5321, section 4.5.3.1.3, less the angle brackets)."""

EMAIL_PATTERN = r"^[^@\s\u0000-\u001f\u007f]+@[^@\s\u0000-\u001f\u007f]+$"
"""What every address looks like; whether there is a mailbox only a mail tells."""

_EMAIL = re.compile(EMAIL_PATTERN)


class UserRecord(Protocol):
    """What authentication reads of a user; the app's own model has these and whatever else it needs."""

    @property
    def id(self) -> Any:
        """The key; its text is the subject of tokens."""
        ...

    @property
    def email(self) -> str:
        """The login name, as `normal_email` writes it."""
        ...

    @property
    def hashed_password(self) -> str | None:
        """The password's hash; `None` for a user who logs in by other means."""
        ...

    @property
    def is_active(self) -> bool:
        """Whether the user may do anything at all; asked in each request."""
        ...

    @property
    def is_verified(self) -> bool:
        """Whether the address is known to be theirs."""
        ...

    @property
    def roles(self) -> Collection[str]:
        """The names of the roles."""
        ...

    @property
    def totp_secret(self) -> str | None:
        """The secret of the second factor, in base 32; `None` without one."""
        ...


U_co = TypeVar("U_co", covariant=True)


class EmailTakenError(Exception):
    """There is a user with this address already."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be stored.

    Args:
        email: The address, as `normal_email` writes it.
        hashed_password: The password's hash.
        roles: The names of the roles.
        is_verified: Whether the address is known to be theirs.
        values: Further columns of the app's own model, by name.
    """

    email: str
    hashed_password: str | None
    roles: tuple[str, ...] = ()
    is_verified: bool = False
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


class UserStore(Protocol[U_co]):
    """Where users are kept. Every change is decided in the store, so it holds between processes.

    Raises:
        ServiceUnavailableError: From any method: the store cannot be reached.
    """

    @property
    def shared(self) -> bool:
        """Whether all processes see the same users."""
        ...

    async def get(self, user_id: str, /, *, scope: Scope | None = None) -> U_co | None:
        """The user with this key; `None` for none, and for what is no key.

        Args:
            user_id: The key's text.
            scope: The request in which this is asked. A store on a database reads on the connection that the
                request's session holds, if it holds one, as a request never takes a second one.
        """
        ...

    async def find(self, email: str, /) -> U_co | None:
        """The user with this address, which is a normal one."""
        ...

    async def add(self, user: NewUser, /) -> U_co:
        """Store a user.

        Raises:
            EmailTakenError: The address is another user's; decided by the store, not by a look before.
        """
        ...

    async def set_password(self, user_id: str, hashed_password: str, /, *, replacing: str | None = None) -> bool:
        """Write a password's hash; with `replacing` only in the place of that one. Whether it was written."""
        ...

    async def set_verified(self, user_id: str, email: str, /) -> bool:
        """Note that the address is theirs, if it still is the user's address. Whether it was."""
        ...

    async def set_totp_secret(self, user_id: str, secret: str | None, /) -> bool:
        """Write or remove the secret of the second factor. Whether there is such a user."""
        ...


def normal_email(text: str) -> str | None:
    """The one way in which an address is written in the store, or `None` for what is no address.

    Case is dropped in the local part as well: RFC 5321 lets servers tell `Ann@` from `ann@`, none of note does, and two
    accounts of one mailbox help nobody but an attacker.
    """
    if len(text) > LONGEST_EMAIL:
        return None
    normal = unicodedata.normalize("NFKC", text.strip()).casefold()
    if len(normal) > LONGEST_EMAIL or not _EMAIL.match(normal) or not _is_encodable(normal):
        return None
    return normal


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True
