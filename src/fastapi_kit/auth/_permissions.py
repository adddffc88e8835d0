"""What roles and scopes allow."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from fastapi_kit.auth._users import UserRecord


@dataclass(frozen=True, slots=True)
class Permissions:
    """Which scopes there are, and who may have them.

    A token is given scopes at login, at most those of the user's roles. In each request it counts for as much of them
    as the roles still give, so that a role that is taken away is gone at once.

    Args:
        scopes: What each scope allows, for people to read, by its name.
        roles: The scopes of each role.

    Raises:
        ValueError: A role has a scope that is not declared, or a scope has characters that RFC 6749 forbids.
    """

    scopes: Mapping[str, str] = field(default_factory=dict[str, str])
    roles: Mapping[str, Collection[str]] = field(default_factory=dict[str, Collection[str]])

    def __post_init__(self) -> None:
        for role, scopes in self.roles.items():
            if isinstance(scopes, str) or not set(scopes) <= self.scopes.keys():
                unknown = sorted(set([scopes] if isinstance(scopes, str) else scopes) - self.scopes.keys())
                raise ValueError(f"The role {role!r} has scopes that are not declared in `scopes`: {unknown}")
        for scope in self.scopes:
            if not scope or not all("!" <= character <= "~" and character not in '"\\' for character in scope):
                raise ValueError(
                    f"{scope!r} cannot be a scope: printable ASCII without spaces, quotes and backslashes."
                )

    def of(self, user: UserRecord) -> frozenset[str]:
        """The scopes of a user's roles; unknown roles have none."""
        return frozenset(scope for role in user.roles for scope in self.roles.get(role, ()))

    def granted(self, user: UserRecord, wanted: Iterable[str]) -> tuple[str, ...]:
        """The scopes of a new token: those that are wanted as far as the user has them, all of them if none is."""
        owned, asked = self.of(user), set(wanted)
        return tuple(sorted(owned & asked if asked else owned))
