"""A contestant doing one operation, as the clock sees it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Any

from benchmarks._driver import Answer, Call, InProcess

from ._contestant import Contestant
from ._operations import Lane, Operation
from ._rows import Cities
from ._statements import statements


class Entrant:
    """Makes one operation's calls to one running contestant; every entrant of an operation makes the same ones."""

    def __init__(self, contestant: Contestant, app: InProcess, operation: Operation, cities: Cities) -> None:
        self._app = app
        self._operation = operation
        self._expected = operation.status(contestant)
        self._lane = Lane(contestant, cities, Random(2026))  # noqa: S311  (chosen to repeat)

    @property
    def countable(self) -> bool:
        """Whether `statements` can be asked."""
        return self._lane.contestant.countable

    async def batch(self, calls: int) -> Callable[[], Awaitable[None]]:
        """Prepare calls; making them checks each status."""
        prepared = await self._calls(calls)

        async def run() -> None:
            for call in prepared:
                self._judge(call, await self._app.send(call))

        return run

    async def outcome(self) -> Any:
        """Make one call and say what came of it."""
        (call,) = await self._calls(1)
        answer = await self._app.send(call)
        self._judge(call, answer)
        return await self._operation.outcome(self._lane, call, answer)

    async def statements(self) -> int:
        """Make one call and count the statements that it sends to PostgreSQL."""
        run = await self.batch(1)
        async with statements() as sent:
            await run()
        return len(sent)

    async def _calls(self, count: int) -> list[Call]:
        calls = await self._operation.calls(self._lane, count)
        return [replace(call, headers=self._lane.contestant.headers) for call in calls]

    def _judge(self, call: Call, answer: Answer) -> None:
        if answer.status != self._expected:
            raise AssertionError(f"{self._lane.contestant.name}: {call} answered {answer}")
