"""New ids of requests: random, and many from one question to the operating system, as each is a system call."""

import os

_BYTES = 16
_AT_ONCE = 256


class RequestIds:
    """Gives ids of 32 hexadecimal digits, each once, also across forks and threads."""

    def __init__(self) -> None:
        self._ready: list[str] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._ready.clear)  # the parent will give these

    def new(self) -> str:
        """An id that no request has."""
        try:
            return self._ready.pop()
        except IndexError:
            digits = os.urandom(_BYTES * _AT_ONCE).hex()
            size = 2 * _BYTES
            self._ready += [digits[start : start + size] for start in range(size, len(digits), size)]
            return digits[:size]
