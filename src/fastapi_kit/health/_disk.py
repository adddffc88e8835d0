"""A ready-made check: is there room on the disk?"""

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar, cast

from fastapi_kit.health._checks import READY, Check, Measured

T = TypeVar("T")


def disk_space(
    path: str | Path,
    *,
    at_least: int,
    name: str = "disk",
    critical: bool = True,
    groups: Collection[str] = (READY,),
) -> Check:
    """Make a check that passes while there is room on the file system that holds `path`.

    It fails, too, where there is no such path. The file system is asked in a thread, and a network file system that
    does not answer costs no more than that one thread, which does not keep the process from ending.

    Args:
        path: A file or folder that is there.
        at_least: Bytes that have to be free for unprivileged users.
        name: The check's.
        critical: The check's.
        groups: The check's.

    Raises:
        ValueError: If `at_least` is not above 0, or the name or groups are not valid.
    """
    if not at_least > 0:
        message = f"at_least={at_least!r}: a number of bytes above 0, such as 500_000_000"
        raise ValueError(message)
    asked: asyncio.Future[int] | None = None

    async def run() -> Measured:
        nonlocal asked
        # A thread cannot be cancelled: while one is stuck in the file system, no second one follows it.
        if asked is None or asked.done():
            asked = _in_thread(lambda: shutil.disk_usage(path).free)
        free = await asyncio.shield(asked)
        return Measured(free, "bytes", passes=free >= at_least)

    return Check(name, run, critical=critical, groups=groups)


def _in_thread(function: Callable[[], T]) -> "asyncio.Future[T]":
    """Call `function` in a thread that dies with the process; those of an executor are waited for, however stuck."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("T", value))

    def work() -> None:
        value, failure = None, None
        try:
            value = function()
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, value, failure)

    threading.Thread(target=work, daemon=True, name="disk space").start()
    return future
