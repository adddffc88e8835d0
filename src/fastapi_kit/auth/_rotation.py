"""Refresh tokens: what they are, and what becomes of a session's when one of them comes.

Theory of operation. Each refresh token is good for one use, which brings its successor (RFC 9700, section 4.14.2). When
a used one comes again, two parties hold it, nobody can tell which is the thief, and the session ends.

A token is `<session id>.<family>.<secret>`. The family, 128 random bits, is in all tokens of a session and in no other.
So of the used ones nothing has to be kept: a token of the right family that is not among those which are good was good
once. However long a session lasts, what is kept of it are the tokens that are out, and those that were used so recently
that they may be repeated.

Only SHA-256 of family and token is kept: of so many random bits a plain hash cannot be reversed, and whoever reads the
store cannot use what is in it. A token that was never issued ends nothing, although the session's id is no secret.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

_SECRET_BYTES = 32
_FAMILY_BYTES = 16
_TOKEN = re.compile(r"(?P<session>[A-Za-z0-9_-]{22})\.(?P<family>[A-Za-z0-9_-]{22})\.[A-Za-z0-9_-]{43}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def new_secret() -> str:
    """256 random bits, in 43 characters."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def is_secret(text: str) -> bool:
    """Whether a text looks like what `new_secret` makes."""
    return _SECRET.fullmatch(text) is not None


def digest(secret: str) -> str:
    """SHA-256 in hexadecimal digits; of random bits, for which no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


class RefreshDigest(NamedTuple):
    """What a store is told of a refresh token, and may keep."""

    session_id: str
    family: str
    """Of what all tokens of the session have in common."""
    token: str
    """Of the whole."""


class RefreshToken(NamedTuple):
    """A refresh token, as the client has it."""

    session_id: str
    family: str
    text: str

    @property
    def digest(self) -> RefreshDigest:
        """What a store keeps of it."""
        return RefreshDigest(self.session_id, digest(self.family), digest(self.text))

    @classmethod
    def new(cls, session_id: str) -> "RefreshToken":
        """The first of a session, which nobody can guess."""
        return cls._of(session_id, secrets.token_urlsafe(_FAMILY_BYTES))

    def successor(self) -> "RefreshToken":
        """Another one of its session."""
        return self._of(self.session_id, self.family)

    @classmethod
    def _of(cls, session_id: str, family: str) -> "RefreshToken":
        return cls(session_id, family, f"{session_id}.{family}.{new_secret()}")

    @classmethod
    def parse(cls, text: str) -> "RefreshToken | None":
        """The token that a text is; `None` for what no token looks like."""
        found = _TOKEN.fullmatch(text)
        return cls(found["session"], found["family"], text) if found else None

    def __repr__(self) -> str:
        return f"RefreshToken(session_id={self.session_id!r})"


RotationOutcome = Literal["rotated", "repeated", "reused", "unknown"]
"""What becomes of a refresh token: `rotated` is good; `repeated` was good a moment ago, within the grace; `reused` ends
the session; `unknown` was never issued, or its session is over."""


class Use(NamedTuple):
    """What the use of a token comes to, and what is kept of the tokens besides its successor."""

    outcome: RotationOutcome
    kept: dict[str, datetime | None]


def use(
    tokens: Mapping[str, datetime | None], family: str, presented: RefreshDigest, *, now: datetime, grace: timedelta
) -> Use:
    """Decide about a token that comes.

    With one token all that are out are used: others there are only where its predecessor came twice, and they have the
    same grace.

    Args:
        tokens: Those of the session that are kept, by their digests, with the instants of their use.
        family: The digest of the session's family.
        presented: The token.
        now: The present.
        grace: How long a use may be repeated.
    """
    known = presented.token in tokens
    used_at = tokens.get(presented.token)
    if not known or (used_at is not None and now - used_at >= grace):
        return Use("reused" if known or presented.family == family else "unknown", {})
    marked = tokens if used_at is not None else {token: at or now for token, at in tokens.items()}
    kept = {token: at for token, at in marked.items() if at is None or now - at < grace}
    return Use("rotated" if used_at is None else "repeated", kept)
