"""What is timed: each operation makes calls in a contestant's grammar, and says what of their outcome must be equal."""

import json
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Protocol, Self

from benchmarks._driver import Answer, Call

from ._contestant import Contestant, ListQuery
from ._rows import CITY, Cities


@dataclass(frozen=True, slots=True)
class Lane:
    """What one contestant does an operation with; `random` starts the same in each lane, so all make the same calls."""

    contestant: Contestant
    cities: Cities
    random: Random


class Operation(Protocol):
    """One thing that a client does to cities."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    def against(self, peer: Contestant, /) -> "Operation":
        """The form in which the comparison with `peer` is fair."""
        ...

    def status(self, contestant: Contestant, /) -> int:
        """The status of a success."""
        ...

    async def calls(self, lane: Lane, count: int, /) -> list[Call]:
        """Prepare rows, and give `count` calls."""
        ...

    async def outcome(self, lane: Lane, call: Call, answer: Answer, /) -> Any:
        """What the call has answered or stored, in a form that is equal for contestants that do the same."""
        ...


class AsItIs:
    """An operation that has one form for all."""

    __slots__ = ()

    def against(self, _peer: Contestant) -> Self:
        """The same."""
        return self


@dataclass(frozen=True, slots=True)
class Get(AsItIs):
    """GET of a random city."""

    name: str = "get"

    def status(self, _contestant: Contestant) -> int:
        """200."""
        return 200

    async def calls(self, lane: Lane, count: int) -> list[Call]:
        """Cities from all over the table."""
        return [Call("GET", f"/cities/{lane.random.choice(lane.cities.ids)}") for _ in range(count)]

    async def outcome(self, _lane: Lane, _call: Call, answer: Answer) -> Any:
        """The body."""
        return json.loads(answer.body)


@dataclass(frozen=True, slots=True)
class Page:
    """GET of one of the first pages."""

    name: str
    query: ListQuery
    pages: int = 5

    def against(self, peer: Contestant) -> "Page":
        """With the total, if the peer cannot leave it out."""
        return replace(self, query=replace(self.query, total=peer.always_counts))

    def status(self, _contestant: Contestant) -> int:
        """200."""
        return 200

    async def calls(self, lane: Lane, count: int) -> list[Call]:
        """Random ones of the first pages."""
        await lane.cities.prepare(0)
        pages = (replace(self.query, page=lane.random.randint(1, self.pages)) for _ in range(count))
        return [Call("GET", lane.contestant.list_target(query)) for query in pages]

    async def outcome(self, lane: Lane, _call: Call, answer: Answer) -> Any:
        """The rows, as many as the page holds."""
        items = lane.contestant.items(json.loads(answer.body))
        assert len(items) == self.query.limit
        return items


@dataclass(frozen=True, slots=True)
class Create(AsItIs):
    """POST of a city."""

    name: str = "create"

    def status(self, contestant: Contestant) -> int:
        """201, as a rule."""
        return contestant.created

    async def calls(self, lane: Lane, count: int) -> list[Call]:
        """Cities that differ in their latitude."""
        await lane.cities.prepare(0)
        bodies = ({**CITY, "latitude": round(lane.random.uniform(-90, 90), 5)} for _ in range(count))
        return [Call("POST", "/cities", json.dumps(body).encode()) for body in bodies]

    async def outcome(self, lane: Lane, _call: Call, answer: Answer) -> Any:
        """The stored row, which the body has to show; their keys differ by nature."""
        stored = await lane.cities.newest()
        assert stored == json.loads(answer.body)
        return {**stored, "id": None}


@dataclass(frozen=True, slots=True)
class Patch(AsItIs):
    """PATCH of one column."""

    name: str = "patch"

    def status(self, _contestant: Contestant) -> int:
        """200."""
        return 200

    async def calls(self, lane: Lane, count: int) -> list[Call]:
        """A new latitude for each of as many cities."""
        keys = await lane.cities.prepare(count)
        bodies = (json.dumps({"latitude": round(lane.random.uniform(-90, 90), 5)}).encode() for _ in keys)
        return [Call("PATCH", f"/cities/{key}", body) for key, body in zip(keys, bodies, strict=True)]

    async def outcome(self, lane: Lane, call: Call, answer: Answer) -> Any:
        """The stored row, which the body has to show if it shows anything."""
        stored = await lane.cities.stored(int(call.target.rpartition("/")[2]))
        assert json.loads(answer.body) in (stored, None)
        return stored


@dataclass(frozen=True, slots=True)
class Delete(AsItIs):
    """DELETE of a city that nothing refers to."""

    name: str = "delete"

    def status(self, contestant: Contestant) -> int:
        """204, as a rule."""
        return contestant.deleted

    async def calls(self, lane: Lane, count: int) -> list[Call]:
        """Each of as many cities."""
        return [Call("DELETE", f"/cities/{key}") for key in await lane.cities.prepare(count)]

    async def outcome(self, lane: Lane, call: Call, _answer: Answer) -> Any:
        """Nothing is left."""
        return await lane.cities.stored(int(call.target.rpartition("/")[2]))
