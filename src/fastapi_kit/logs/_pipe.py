"""Writing to a pipe without ever waiting for who reads it.

Theory of operation. A log is written in the event loop, and usually into a pipe: to a container's runtime, to a shipper
of logs. When that falls behind, the pipe is full after 64 kB, and the next write waits: with it the loop, and with that
every request. So a line is written without waiting, which costs what any write costs. Only when the pipe is full the
line is kept, and a thread writes what is kept, in order; until it is done, further lines queue up behind. What is kept
is bounded. Beyond that lines are dropped and counted, and the count is a line of the log, in the place of the lines.

Whether writes wait is a property that all processes share that have the same pipe open, so it cannot be changed here:
the supervisor, or a shell, would get errors that it does not expect. Linux opens a pipe anew through `/proc`, with a
property of its own. Where that does not work, the thread writes every line. A socket (journald's) is told line by line.
"""

import atexit
import os
import select
import socket
import stat
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import TextIO

MOST_KEPT = 4 * 1_048_576
"""Bytes that wait for a pipe at most; about ten thousand lines."""
_PATIENCE_AT_EXIT = 1.0
"""Seconds that a process which ends waits for its reader."""

Send = Callable[[bytes], int]
"""Writes what can be written at once, and says how many bytes that were."""


def descriptor_of(stream: TextIO) -> int | None:
    """What the operating system knows a stream by; `None` for one in memory, or one that is closed."""
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def pipe_of(descriptor: int, notice: Callable[[int], bytes], most_kept: int = MOST_KEPT) -> "Pipe | None":
    """What writes to the pipe or socket with this descriptor; `None` if it is neither."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode):
        return Pipe(descriptor, *_opened_anew(descriptor), notice, most_kept)
    if stat.S_ISSOCK(mode):
        return Pipe(descriptor, *_told_each_time(descriptor), notice, most_kept)
    return None


def _opened_anew(descriptor: int) -> tuple[Send, Callable[[], None]]:
    try:
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, AttributeError):  # another system, or a pipe of another user
        return lambda _: 0, lambda: None
    return lambda data: os.write(own, data), lambda: os.close(own)


def _told_each_time(descriptor: int) -> tuple[Send, Callable[[], None]]:
    own = socket.socket(fileno=os.dup(descriptor))
    return lambda data: own.send(data, socket.MSG_DONTWAIT), own.close


class Pipe:
    """Writes lines in order, and keeps them while the pipe is full. May be used from any thread.

    Args:
        descriptor: Where the thread writes, waiting if it must.
        send: Writes without waiting.
        close: Lets go of what `send` uses.
        notice: Makes the line, with its end, that says how many have been dropped.
        most_kept: Bytes that are kept at most.
    """

    def __init__(
        self,
        descriptor: int,
        send: Send,
        close: Callable[[], None],
        notice: Callable[[int], bytes],
        most_kept: int = MOST_KEPT,
    ) -> None:
        self._descriptor = descriptor
        self._send: Callable[[bytes], int] = send
        self._close = weakref.finalize(self, close)
        self._close.atexit = False  # the system does that
        self._notice = notice
        self._most_kept = most_kept
        self._begin()
        here: weakref.ref[Pipe] = weakref.ref(self)
        atexit.register(_at_exit, here)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: _in_child(here))

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def write(self, line: bytes) -> None:
        """Write a line with its end, now or later; never waits.

        Raises:
            OSError: Nobody can read it any more.
        """
        with self._changed:
            sent = 0
            if not self._kept:
                try:
                    sent = self._send(line)
                except BlockingIOError:
                    sent = 0
                if sent == len(line):
                    return
            self._keep(line[sent:], begun=sent > 0)

    def flush(self, patience: float) -> bool:
        """Wait until everything is written, for so many seconds at most; say whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._kept, patience)

    def close(self) -> None:
        """Write without the thread no more; what is kept is still written."""
        with self._changed:
            self._send = _nothing
            self._close()

    def _keep(self, line: bytes, *, begun: bool) -> None:
        """Queue a line up, or drop it; not one that has begun, nor the first, after which a notice can come."""
        notice = self._notice(self._dropped) if self._dropped else b""
        if self._kept and not begun and self._kept_bytes + len(notice) + len(line) > self._most_kept:
            self._dropped += 1
            return
        for part in (notice, line) if notice else (line,):
            self._kept.append(part)
            self._kept_bytes += len(part)
        self._dropped = 0
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_kept, name="fastapi_kit.logs", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _write_kept(self) -> None:
        """The thread: write what is kept, and wait for more."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._kept)
                line = self._kept[0]
            try:
                write_all(self._descriptor, line)
            except OSError:  # nobody will read the rest either
                self._forget(len(self._kept))
            else:
                self._forget(1)

    def _forget(self, lines: int) -> None:
        """Strike the first lines off, and queue the notice up if nothing else is to come."""
        with self._changed:
            for _ in range(lines):
                self._kept_bytes -= len(self._kept.popleft())
            if not self._kept and self._dropped:
                notice = self._notice(self._dropped)
                self._dropped = 0
                self._kept.append(notice)
                self._kept_bytes += len(notice)
            self._changed.notify_all()


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, and wait if it must be."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # somebody else has made it so
            select.select([], [descriptor], [])


def _at_exit(here: "weakref.ref[Pipe]") -> None:
    pipe = here()
    if pipe is not None:
        pipe.flush(_PATIENCE_AT_EXIT)


def _nothing(_line: bytes) -> int:
    return 0


def _in_child(here: "weakref.ref[Pipe]") -> None:
    """A forked process has neither the thread nor the lines: those are the parent's to write."""
    pipe = here()
    if pipe is not None:
        pipe._begin()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - no other may
