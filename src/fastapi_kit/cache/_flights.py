"""Single flight in one process: of the requests that want the same answer, one makes it and the others wait."""

import asyncio
from typing import Literal

Landing = Literal["stored", "unstorable", "lost"]
"""How a flight ended: the answer is in the store; it is not, and never will be; or nobody has made one."""


class Flights:
    """The flights that are under way, by the key of their answer."""

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Future[Landing]] = {}

    def board(self, key: str) -> bool:
        """Begin a flight; `False` if there is one to wait for."""
        if key in self._flights:
            return False
        self._flights[key] = asyncio.get_running_loop().create_future()
        return True

    def land(self, key: str, landing: Landing) -> None:
        """Tell those who wait; does nothing where no flight is under way."""
        flight = self._flights.pop(key, None)
        if flight is not None and not flight.done():
            flight.set_result(landing)

    async def wait(self, key: str, seconds: float) -> Landing:
        """How the flight ends that is under way; `unstorable` if it takes longer than that."""
        flight = self._flights.get(key)
        if flight is None:
            return "lost"
        await asyncio.wait({flight}, timeout=seconds)
        return flight.result() if flight.done() else "unstorable"
