"""What is timed: the same work, so many times."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


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
