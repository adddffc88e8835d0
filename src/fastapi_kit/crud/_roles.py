"""Which columns have a part to play besides holding a value: they name rows, count changes, mark deletions."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from fastapi_kit.crud._attributes import Attribute, Mapped, check_names_rows
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._keys import unique_keys
from fastapi_kit.crud._traits import Traits


@dataclass(frozen=True)
class Roles:
    """The columns that a resource's traits are about.

    Attributes:
        mapped: The model, with its lookup marked.
        named_by: What names a row below its parent.
        version: The column that counts changes.
        deleted: The column that marks rows out of use.
        parent: The column whose value stands in the path above.
        stamped: The columns that hold what the server says.
    """

    mapped: Mapped
    named_by: tuple[Attribute, ...]
    version: Attribute | None
    deleted: Attribute | None
    parent: Attribute | None
    stamped: tuple[Attribute, ...]

    @property
    def by_server(self) -> frozenset[str]:
        """The attributes that the server writes, whatever a client sends."""
        return frozenset(it.name for it in (self.version, self.deleted, self.parent, *self.stamped) if it is not None)


def assign(mapped: Mapped, traits: Traits, operations: Collection[str]) -> Roles:
    """Find the columns of `traits`.

    Raises:
        ResourceError: A column cannot do what it is meant for; the message names the cure.
    """
    lookup = _column(mapped, traits.lookup, _check_lookup)
    if lookup is not None and lookup not in mapped.keys:
        mapped = mapped.looked_up_by(lookup)
    parent = _column(mapped, traits.parent, check_names_rows)
    names = [lookup.name] if lookup is not None else [key.name for key in mapped.keys]
    roles = Roles(
        mapped,
        tuple(mapped.attributes[name] for name in names if name != traits.parent),
        version=_column(mapped, traits.version.column if traits.version else None, _check_version),
        deleted=_column(mapped, traits.soft_delete.column if traits.soft_delete else None, _check_deleted),
        parent=parent,
        stamped=tuple(filter(None, (_column(mapped, name) for name in traits.stamps))),
    )
    _check_together(roles, traits)
    if "delete_many" in operations and len(roles.named_by) > 1:
        raise ResourceError(
            f"'delete_many' takes keys of one value, and {mapped.model.__name__} is named by "
            f"{', '.join(it.name for it in roles.named_by)}: leave it out of routes="
        )
    return roles


def _column(
    mapped: Mapped, name: str | None, check: Callable[[Attribute, str], None] | None = None
) -> Attribute | None:
    if name is None:
        return None
    model, attribute = mapped.model.__name__, mapped.attributes.get(name)
    if attribute is None or attribute.stored_column is None:
        columns = sorted(it.name for it in mapped.attributes.values() if it.stored_column is not None)
        raise ResourceError(f"{name!r} is no column of {model}, which has {', '.join(columns)}")
    if check is not None:
        check(attribute, model)
    return attribute


def _check_version(attribute: Attribute, model: str) -> None:
    if not isinstance(attribute.column.type, sa.Integer) or attribute.nullable:
        raise ResourceError(
            f"{model}.{attribute.name}: a version is a column of integers that is never null; "
            "the mixin Versioned has one"
        )


def _check_deleted(attribute: Attribute, model: str) -> None:
    if attribute.kind.form != "date-time" or not attribute.nullable:
        raise ResourceError(
            f"{model}.{attribute.name}: soft deletion needs a nullable column of instants (UTCDateTime); "
            "the mixin SoftDelete has one"
        )


def _check_lookup(attribute: Attribute, model: str) -> None:
    check_names_rows(attribute, model)
    if attribute.nullable or not _is_unique(attribute):
        raise ResourceError(
            f"{model}.{attribute.name}: rows are looked up by a column that is unique among all of them and never null"
        )


def _is_unique(attribute: Attribute) -> bool:
    column = attribute.stored_column
    assert column is not None  # noqa: S101 - a role is a column's
    return any(list(key) == [column] for key in unique_keys(column.table))


def _check_together(roles: Roles, traits: Traits) -> None:
    model = roles.mapped.model.__name__
    given: Mapping[str, Attribute | None] = {
        "version=": roles.version,
        "soft_delete=": roles.deleted,
        "parent=": roles.parent,
    }
    taken = [it.name for it in (*given.values(), *roles.stamped) if it is not None]
    for name, times in Counter(taken).items():
        if times > 1:
            parts = [part for part, attribute in given.items() if attribute is not None and attribute.name == name]
            parts += ["stamp="] if name in traits.stamps else []
            raise ResourceError(f"{model}.{name} stands in {' and '.join(parts)}: a column has one part to play")
    keys = {*(it.name for it in roles.mapped.keys), *(it.name for it in roles.named_by)}
    for part in ("version=", "soft_delete="):
        attribute = given[part]
        if attribute is not None and attribute.name in keys:
            raise ResourceError(f"{model}.{attribute.name}: a column that names rows cannot be {part} as well")
    for name, stamp in traits.stamps.items():
        if name in {it.name for it in roles.mapped.keys} and set(stamp.on) != {"create"}:
            raise ResourceError(f"{model}.{name}: a row keeps its key; stamp it on={{'create'}} alone")
    if not roles.named_by:
        raise ResourceError(
            f"{model}.{traits.parent}: parent= leaves nothing to name a row by; give lookup= another column"
        )
