"""Finished lines, and the stream they go to."""

import sys
import threading
from collections.abc import Callable
from typing import TextIO

from fastapi_kit.logs._pipe import Pipe, descriptor_of, pipe_of, write_all


class LineStream:
    """Writes whole lines to a text stream, one at a time; standard output is looked up anew for each.

    A line that cannot be written is lost: no request may fail because its log line could not be stored, as in the
    standard library's handlers. A pipe or a socket that nobody reads is not waited for, see `Pipe`.

    Args:
        stream: Where they go; by default standard output, whatever that is at the time.
        notice: Makes the line that says how many lines a pipe that was not read has cost.
    """

    def __init__(self, stream: TextIO | None = None, notice: Callable[[int], str] = str) -> None:
        self._stream = stream
        self._notice = notice
        self._lock = threading.Lock()
        self._known: TextIO | None = None
        self._pipe: Pipe | None = None
        self._descriptor: int | None = None

    def write(self, line: str | bytes) -> None:
        """Write a line and flush it.

        Args:
            line: Without its end; bytes are JSON.
        """
        stream: TextIO | None = self._stream or sys.stdout
        if stream is None:  # a process without standard output
            return
        if stream is not self._known:
            self._look_at(stream)
        try:
            descriptor = self._descriptor
            if descriptor is None:
                with self._lock:
                    _write_text((line.decode() if isinstance(line, bytes) else line) + "\n", stream)
                return
            data = _encoded(line, stream) + b"\n"
            if self._pipe is not None:
                self._pipe.write(data)
                return
            with self._lock:
                stream.flush()  # what was printed before
                write_all(descriptor, data)
        except OSError:  # the pipe is broken; what is there next time may be another
            self._known = None
        except ValueError:  # the stream is closed
            return

    def _look_at(self, stream: TextIO) -> None:
        with self._lock:
            if stream is not self._known:
                if self._pipe is not None:
                    self._pipe.close()
                self._descriptor = descriptor_of(stream)
                self._pipe = None
                if self._descriptor is not None:
                    self._pipe = pipe_of(self._descriptor, lambda count: _encoded(self._notice(count), stream) + b"\n")
                self._known = stream


def _encoded(line: str | bytes, stream: TextIO) -> bytes:
    return line if isinstance(line, bytes) else line.encode(stream.encoding or "utf-8", "replace")


def _write_text(text: str, stream: TextIO) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding
        stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()
