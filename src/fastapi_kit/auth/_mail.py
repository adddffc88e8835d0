"""What is to be mailed to users; how it is sent is the app's."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

MailKind = Literal["verify", "reset", "already_registered"]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that an app has to send.

    Attributes:
        kind: `verify` with a token for `POST /auth/verify`, `reset` with one for `POST /auth/reset`, or
            `already_registered`, to the owner of an address that somebody has tried to register again.
        user: To whom.
        token: Goes into the link, after a `#`, where neither logs nor other sites see it; `None` if there is none.
    """

    kind: MailKind
    user: Any
    token: str | None = None

    def __repr__(self) -> str:
        return f"Mail(kind={self.kind!r})"


MailCallback = Callable[[Mail], Awaitable[None]]
"""Sends a mail. It is called after the answer was sent, so that its time tells nothing; what it raises is logged."""
