"""Getting between a signal and the server that waits for it.

uvicorn takes signals with `signal.signal` before it starts the application, so a handler that is set at start-up comes
first and can decide when to call uvicorn's. A handler that a server has given to the event loop
(`loop.add_signal_handler`) cannot be called by anybody else, nor kept from being called; asyncio leaves a function that
does nothing in its place.
"""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

_LOOP_MODULES = ("asyncio.", "uvloop.")


@contextmanager
def intercepted(
    on_signal: Callable[[int, Callable[[], object] | None], None], *, keep: signal.Signals | None
) -> Generator[bool]:
    """Call `on_signal` for each SIGTERM and SIGINT, and give the server's handlers back at the end.

    Only in the main thread, and only for signals that somebody handles already. `on_signal` runs in the signal's
    handler, so it must do no more than wake the event loop.

    Args:
        on_signal: Gets the number of the signal and, if the signal is kept, what passes it on to the server.
        keep: The signal that is kept from the server until it is passed on; others reach it directly.

    Yields:
        Whether the signal to keep can be kept.
    """
    if threading.current_thread() is not threading.main_thread():
        yield False
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    ours: dict[signal.Signals, Callable[[int, FrameType | None], object]] = {}
    for number, handler in before.items():
        if callable(handler):
            ours[number] = partial(_handle, on_signal, handler, number == keep and _can_be_kept(handler))
            signal.signal(number, ours[number])
    try:
        yield keep is not None and callable(before[keep]) and _can_be_kept(before[keep])
    finally:
        for number, handler in ours.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, before[number])


def _handle(
    on_signal: Callable[[int, Callable[[], object] | None], None],
    handler: Callable[[int, FrameType | None], object],
    kept: bool,
    number: int,
    frame: FrameType | None,
) -> None:
    on_signal(number, partial(handler, number, None) if kept else None)
    if not kept:
        handler(number, frame)


def _can_be_kept(handler: Any) -> bool:
    function = getattr(handler, "__func__", handler)
    module = getattr(function, "__module__", None) or ""
    return not module.startswith(_LOOP_MODULES)
