"""What a user may say of a resource besides its columns: value objects, without behaviour."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fastapi_kit.crud._errors import ResourceError

WriteName = Literal["create", "replace", "update"]
WRITES: tuple[WriteName, ...] = ("create", "replace", "update")

OfPrincipal = Callable[[Any], Any]
"""Makes a value from the principal, whatever the app's authentication takes for one."""


@dataclass(frozen=True)
class Stamp:
    """A column that the server writes.

    Args:
        value: Called with the principal for each row that is written.
        on: The operations that write it; `{"create", "replace", "update"}` for "changed by".
    """

    value: OfPrincipal
    on: Collection[WriteName] = frozenset({"create"})

    def __post_init__(self) -> None:
        if not self.on or not set(self.on) <= set(WRITES):
            raise ResourceError(f"Stamp: on={self.on!r} is no set of {', '.join(WRITES)}")


@dataclass(frozen=True)
class SoftDeletion:
    """A delete that keeps the row.

    Args:
        column: A nullable column of time: the instant of the deletion, null while the row is in use.
        visible_to: Whether a principal may list and get deleted rows by `?deleted=include` and `?deleted=only`. `None`:
            nobody, and there is no such parameter.
    """

    column: str = "deleted_at"
    visible_to: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class Version:
    """A column that counts the changes of a row, which clients know as its `ETag`.

    Args:
        column: A column of integers.
        required: Whether a write without `If-Match` is refused with a 428, so that no client overwrites what it has
            not seen.
    """

    column: str = "version"
    required: bool = True


@dataclass(frozen=True)
class Traits:
    """What is special about a resource; each part may be missing."""

    lookup: str | None = None
    parent: str | None = None
    version: Version | None = None
    soft_delete: SoftDeletion | None = None
    stamps: Mapping[str, Stamp] = field(default_factory=dict[str, Stamp])

    @classmethod
    def of(
        cls,
        *,
        lookup: str | None = None,
        parent: str | None = None,
        version: str | Version | None = None,
        soft_delete: str | SoftDeletion | None = None,
        stamp: Mapping[str, OfPrincipal | Stamp] | None = None,
    ) -> "Traits":
        """Take the short forms that a router is described by."""
        return cls(
            lookup=lookup,
            parent=parent,
            version=Version(version) if isinstance(version, str) else version,
            soft_delete=SoftDeletion(soft_delete) if isinstance(soft_delete, str) else soft_delete,
            stamps={name: value if isinstance(value, Stamp) else Stamp(value) for name, value in (stamp or {}).items()},
        )
