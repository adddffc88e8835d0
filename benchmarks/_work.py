"""What is timed: the same work, so many times."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from benchmarks._driver import Call, InProcess


@dataclass(frozen=True, slots=True)
class Repeated:
    """A contender that awaits `work` for each call."""

    work: Callable[[], Awaitable[object]]

    async def batch(self, calls: int) -> Callable[[], Awaitable[None]]:
        """Nothing has to be prepared."""

        async def run() -> None:
            for _ in range(calls):
                await self.work()

        return run


async def sending(server: InProcess, call: Call) -> Repeated:
    """A contender that sends `call`, which is answered with a 200."""
    answer = await server.send(call)
    if answer.status != 200:
        raise AssertionError(f"{call} answered {answer}")
    return Repeated(partial(server.send, call))
