"""Which passwords are accepted (NIST SP 800-63B): by length, and by what attackers try first, not by composition."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Literal

from fastapi_kit.auth._common_passwords import COMMON_PASSWORDS

Weakness = Literal["too_short", "too_long", "too_common", "too_personal"]

_SHORTEST_WORD = 4
"""Letters of a personal word; shorter ones are in too many good passwords."""


class WeakPasswordError(ValueError):
    """A password is not accepted; the message is for the user, and has nothing of the password in it.

    Args:
        weakness: Why, for a program.
        message: Why, for the user.
    """

    def __init__(self, weakness: Weakness, message: str) -> None:
        super().__init__(message)
        self.weakness: Weakness = weakness


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What a new password must be; old ones are not asked.

    Args:
        min_length: Characters at least; NIST asks for 8, and for 15 where there is no second factor.
        max_length: Characters at most, 64 or more.
        common: Passwords that are refused, in lower case; by default the most common ones of leaked lists. Anything
            with `in` will do.

    Raises:
        ValueError: The lengths are none that NIST accepts.
    """

    min_length: int = 8
    max_length: int = 128
    common: Container[str] = field(default=COMMON_PASSWORDS, repr=False)

    def __post_init__(self) -> None:
        if self.min_length < 8 or self.max_length < max(64, self.min_length):  # noqa: PLR2004 - the standard's own
            raise ValueError("Passwords of 8 characters are the shortest to accept, and those of 64 must be accepted.")

    def check(self, password: str, *, personal: Iterable[str] = ()) -> None:
        """See that a password is accepted.

        Args:
            password: What the user chose.
            personal: What others know of the user, such as the e-mail address and the name of the service; a password
                that is little more than one of these is refused.

        Raises:
            WeakPasswordError: It is not.
        """
        if len(password) < self.min_length:
            raise WeakPasswordError("too_short", f"Passwords have at least {self.min_length} characters.")
        if len(password) > self.max_length:
            raise WeakPasswordError("too_long", f"Passwords have at most {self.max_length} characters.")
        folded = password.casefold()
        if folded in self.common:
            raise WeakPasswordError("too_common", "This password is among those that are tried first.")
        if any(word in folded and len(folded) - len(word) < self.min_length // 2 for word in _words(personal)):
            raise WeakPasswordError("too_personal", "This password is made of what others know of you.")


def _words(personal: Iterable[str]) -> Iterable[str]:
    for text in personal:
        folded = text.casefold()
        yield from (word for word in (folded, *folded.split("@")) if len(word) >= _SHORTEST_WORD)
