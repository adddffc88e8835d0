"""What is compared: a list of ours with a plainer one, or with the ORM's way to the same rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI

from ._orm import orm
from ._ours import filtering, including, plain

APPS: Mapping[str, Callable[[str], FastAPI]] = {
    "plain": plain,
    "filtering": filtering,
    "including": including,
    "orm": orm,
}


@dataclass(frozen=True, slots=True)
class Side:
    """A list: the app that is asked, and the target."""

    app: str
    target: str


@dataclass(frozen=True, slots=True)
class Variant:
    """One comparison.

    Args:
        name: What the report calls it.
        ours: Our list.
        peer: What the report calls the other side.
        theirs: The list on the other side.
        cpu: The ratio of CPU times to reach, if there is one.
        wall: That of wall times, with the database's work in it.
        same_as: What `ours` has to show, if that is not what the other side shows.
        equal: The members of the body that have to be equal; of a row those that both sides have.
        calls: Calls in each batch, if the usual number of them took too long.
        goals_on: The databases on which the goals hold.
        of_many: Whether the goals hold only where there are as many rows as in a full run.
        weight: How many times more rounds and time it takes to tell so small a difference from noise.
    """

    name: str
    ours: Side
    peer: str
    theirs: Side
    cpu: float | None = None
    wall: float | None = None
    same_as: Side | None = None
    equal: tuple[str, ...] = ("items",)
    calls: int | None = None
    goals_on: tuple[str, ...] = ("sqlite", "postgres")
    of_many: bool = False
    weight: int = 1


LIST = "/places?limit=20&count=none"
HUNDRED = "/places?limit=100&count=none"
BY_SCORE = "&sort=-score"


def depth(order: str, sort: str, page: int, cursor: str) -> Variant:
    """A deep page by its cursor, which shows what it shows by its number, against the first page."""
    return Variant(
        f"depth.{order}",
        Side("plain", f"{LIST}{sort}&cursor={cursor}"),
        "first page",
        Side("plain", f"{LIST}{sort}"),
        cpu=1.5,
        wall=1.5,
        same_as=Side("plain", f"{LIST}{sort}&page={page}"),
    )


def counts() -> tuple[Variant, ...]:
    """Totals: each kind beside a plainer or a dearer one, and two of them beside the ORM's.

    Goals for counting hold where the database counts in a process of its own, as its work is not ours to make quicker.
    """
    none, capped, exact = (Side("plain", f"/places?limit=20&count={mode}") for mode in ("none", "capped", "exact"))
    orm_none, orm_exact = Side("orm", "/places?limit=20"), Side("orm", "/places/counted?limit=20")
    apart, both = ("postgres",), ("items", "total")
    return (
        Variant("count.none", none, "orm, not counted", orm_none, cpu=0.45),
        Variant("count.capped", capped, "not counted", none, cpu=2.0, goals_on=apart),
        Variant("count.capped", capped, "exact", exact, wall=0.10, goals_on=apart, of_many=True, calls=2),
        Variant(
            "count.exact", exact, "orm, exact", orm_exact, cpu=0.60, wall=1.10, goals_on=apart, equal=both, calls=2
        ),
    )


def includes() -> tuple[Variant, ...]:
    """Related rows, beside the same page without them, and with the ORM's eager loading."""
    without = Side("including", HUNDRED)
    one, many = (Side("including", f"{HUNDRED}&include={name}") for name in ("region", "notes"))
    joined, selected = Side("orm", "/places/in-regions?limit=100"), Side("orm", "/places/with-notes?limit=100")
    return (
        Variant("include.one", one, "without", without, cpu=1.3, wall=1.3),
        Variant("include.one", one, "orm, joinedload", joined, cpu=0.45),
        Variant("include.many", many, "without", without, cpu=4.0),
        Variant("include.many", many, "orm, selectinload", selected, cpu=0.50),
    )


UNUSED_FILTERS = Variant(
    "filters.unused", Side("filtering", LIST), "no filters", Side("plain", LIST), cpu=1.02, weight=6
)
