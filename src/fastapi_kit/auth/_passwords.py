"""Passwords without surprises: off the event loop, within a bound of memory, and telling nothing by their timing.

Hashing is slow and large on purpose. It runs in threads of its own, few enough to leave the event loop a core, and a
comparison waits until the memory that its row asks for is free. Shared threads would do neither: twenty logins at once
in anyio's forty threads take as many times the memory.

How long an answer takes must not tell whether there is such a user, or how old their row is. So a comparison without a
row works as hard as one with a row, and a failure is answered at a fixed deadline, counted from the start, that the
slowest scheme meets. On a busy machine that misses it, the failure is answered at the next multiple.
"""

import asyncio
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from fastapi_kit.auth._passlib import LEGACY, Argon2, Hashes, Match, Scheme, sample

T = TypeVar("T")

logger = logging.getLogger("fastapi_kit.auth")

_MOST_WORKERS = 4
_HEADROOM = 1.25
"""Of the deadline over what was measured, as no two runs are alike."""
_STEP = 0.05
"""Seconds that a measured deadline is rounded up to, so that it is the same after most starts."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What `PasswordHasher.verify` found.

    Args:
        valid: Whether the password is right.
        needs_rehash: Whether it is, and the row is of an older scheme or cost: store `await hasher.hash(password)`.
    """

    valid: bool
    needs_rehash: bool = False


INVALID = Verification(valid=False)


class PasswordHasher:
    """Makes hashes of passwords with argon2id, and compares passwords with hashes of that and older schemes.

    Safe to share between tasks, event loops and threads. It has threads of its own, which end with the process.

    Args:
        argon2: The cost of new hashes.
        legacy: Older schemes whose rows are still accepted, and need a rehash. Leave out what no row has: the deadline
            is the slowest's.
        workers: Hashes at the same time; by default half of the cores, at most 4.
        memory_mib: Memory of all hashes at the same time, in MiB. A row that asks for more alone is not accepted.
        deadline: Seconds after which failures are answered; by default measured, see `calibrate`.
        bcrypt_rounds: The most rounds of the bcrypt rows there are, for that measurement.

    Raises:
        ImportError: libpass is not installed.
        ValueError: One hash takes more than `memory_mib`.
    """

    def __init__(  # noqa: PLR0913 - each bounds something else
        self,
        argon2: Argon2 | None = None,
        *,
        legacy: tuple[Scheme, ...] = LEGACY,
        workers: int | None = None,
        memory_mib: int = 128,
        deadline: float | None = None,
        bcrypt_rounds: int = 12,
    ) -> None:
        self._hashes = Hashes(argon2 or Argon2(), legacy)
        self._most_kib = memory_mib * 1024
        if self._hashes.argon2.memory_kib > self._most_kib:
            raise ValueError(f"A hash takes {self._hashes.argon2.memory_kib} KiB, more than memory_mib={memory_mib}.")
        self._memory = _Budget(self._most_kib)
        workers = workers or max(1, min(_MOST_WORKERS, (os.cpu_count() or 1) // 2))
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="fastapi_kit.auth.passwords")
        self._deadline = deadline
        self._bcrypt_rounds = bcrypt_rounds
        self._measuring = threading.Lock()

    async def calibrate(self) -> float:
        """Measure the deadline of failures, unless it is known; called at start-up, the first login need not.

        Takes about twice as long as one hash of each scheme, once.

        Returns:
            Seconds.
        """
        return await self._run(self._measured_deadline) if self._deadline is None else self._deadline

    async def hash(self, password: str) -> str:
        """The hash to store for a password.

        Any text has one; whether a password is good enough is asked of a `PasswordPolicy`.

        Raises:
            ValueError: It is longer than 4096 bytes, which `verify` takes for nobody's password.
        """
        return await self._run(lambda: self._with_memory(self._hashes.nobodys, lambda: self._hashes.hash(password)))

    async def verify(self, password: str, stored_hash: str | None, *, eligible: bool = True) -> Verification:
        """Compare a password with the row of a user, or with nobody's.

        Success is answered at once, failure at the deadline, whatever the reason. It never raises, whatever the texts:
        a row that cannot be read is a failure, and a warning in the log (`fastapi_kit.auth`).

        Args:
            password: What was entered, which may be anything.
            stored_hash: What was stored; `None` if there is no such user.
            eligible: Whether the user may log in at all; if not, it fails like a wrong password.
        """
        started = time.monotonic()
        found = await self._run(lambda: self._compare(password, stored_hash))
        if found.valid and eligible:
            return found
        deadline = await self.calibrate()
        elapsed = time.monotonic() - started
        await asyncio.sleep(max(1, math.ceil(elapsed / deadline)) * deadline - elapsed)
        return INVALID

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _compare(self, password: str, stored: str | None) -> Verification:
        if stored is not None and self._hashes.memory_kib(stored) <= self._most_kib:
            match = self._with_memory(stored, lambda: self._hashes.match(password, stored))
            if match is Match.YES:
                return Verification(valid=True, needs_rehash=self._hashes.is_outdated(stored))
            if match is Match.NO:
                return INVALID
        if stored is not None:
            logger.warning(
                "A stored password hash cannot be read, or costs more than is allowed; its user cannot log in."
            )
        self._with_memory(self._hashes.nobodys, lambda: self._hashes.match(password, self._hashes.nobodys))
        return INVALID

    def _with_memory(self, stored: str, work: Callable[[], T]) -> T:
        with self._memory.reserve(self._hashes.memory_kib(stored)):
            return work()

    def _measured_deadline(self) -> float:
        with self._measuring:
            if self._deadline is None:
                slowest = max(self._seconds(scheme) for scheme in self._hashes.schemes)
                self._deadline = math.ceil(slowest * _HEADROOM / _STEP) * _STEP
            return self._deadline

    def _seconds(self, scheme: Scheme) -> float:
        stored = self._hashes.nobodys if scheme == "argon2" else sample(scheme, self._bcrypt_rounds)
        started = time.monotonic()
        self._with_memory(stored, lambda: self._hashes.match("measured", stored))
        return time.monotonic() - started


class _Budget:
    """Lets threads in as long as there is room for what they bring along."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, amount: int) -> Generator[None]:
        """Wait for room, and hold it in the block."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= amount)
            self._free -= amount
        try:
            yield
        finally:
            with self._changed:
                self._free += amount
                self._changed.notify_all()
