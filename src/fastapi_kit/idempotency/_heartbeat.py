"""Renewing the keys of all requests that are being carried out, by one timer.

One for each would cost more than all else that is done for a key.
"""

import asyncio
from typing import Protocol


class Renewed(Protocol):
    """What has to be renewed."""

    async def renew(self) -> None:
        """Say that it is being carried out still; raises nothing."""
        ...


class Heartbeat:
    """Renews what has joined, until it leaves.

    Args:
        interval: Seconds between two beats.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._members: set[Renewed] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def join(self, member: Renewed) -> None:
        """Renew this at every beat from now on."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # no timer runs, or one of a loop that has ended
            self._members.clear()
            self._loop = loop
            loop.call_later(self._interval, self._beat, loop)
        self._members.add(member)

    def leave(self, member: Renewed) -> None:
        """Renew this no more."""
        self._members.discard(member)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not loop:
            return
        if not self._members:
            self._loop = None
            return
        for member in self._members:
            task = loop.create_task(member.renew(), name="renewal of an idempotency key")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        loop.call_later(self._interval, self._beat, loop)
