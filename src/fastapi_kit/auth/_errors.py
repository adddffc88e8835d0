"""What the decoder raises."""

from typing import Literal

Reason = Literal[
    "malformed",
    "header",
    "algorithm",
    "key",
    "signature",
    "type",
    "claims",
    "expired",
    "not_yet_valid",
    "issuer",
    "audience",
]


class InvalidTokenError(Exception):
    """A token is not valid; the one exception that decoding raises, whatever the token.

    The message is for logs and developers and has nothing of the token in it. A client needs no more than the status
    401 and `invalid_token` (RFC 6750, section 3.1).

    Args:
        reason: What is wrong, for a program: `malformed` (not three canonical parts, or too long), `header` (not
            allowed in one), `algorithm` (not that of a key), `key` (of that name there is none), `signature`, `type`
            (another kind of token), `claims` (missing or of another type), `expired`, `not_yet_valid` (`nbf` or `iat`
            are in the future), `issuer`, `audience`.
        message: The same for a person.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason
