"""Tracebacks of a bounded size.

Formatting a traceback takes some twenty times as long as the answer that it is about, and its length is in the hands of
whoever makes the program recurse or raises with a large text. So the innermost frames are kept, the exceptions nearest
to the last one, and the two ends of the text.
"""

from traceback import TracebackException
from types import TracebackType

MOST_FRAMES = 40
"""Of each exception, counted from where it was raised."""

MOST_CHAINED = 5
"""Exceptions, the last one and those that it followed from."""

LONGEST = 16_384
"""Characters."""

_TAIL = LONGEST * 3 // 4

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def format_traceback(exc_info: ExcInfo) -> str:
    """The traceback as Python prints it, or what is worth the most of it."""
    kind, exc, traceback = exc_info
    summary = TracebackException(kind, exc, traceback, limit=-MOST_FRAMES)
    note = "" if traceback is None or not _is_longer(traceback) else f"(the innermost {MOST_FRAMES} frames)\n"
    left_out = _cut_chain(summary)
    if left_out:
        note += "(without the exceptions that the first of these followed from)\n"
    return cut(note + "".join(summary.format()).rstrip("\n"))


def cut(text: str) -> str:
    """The text, or its two ends: it begins with where and ends with what."""
    if len(text) <= LONGEST:
        return text
    head = LONGEST - _TAIL
    return f"{text[:head]}\n… {len(text) - LONGEST} characters left out …\n{text[-_TAIL:]}"


def _is_longer(traceback: TracebackType) -> bool:
    found: TracebackType | None = traceback
    for _ in range(MOST_FRAMES):
        if found is None:
            return False
        found = found.tb_next
    return found is not None


def _cut_chain(summary: TracebackException) -> bool:
    """Drop the exceptions before the most recent ones; tells whether there were any."""
    last: TracebackException | None = summary
    for _ in range(MOST_CHAINED - 1):
        if last is not None:
            last = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
    if last is None or (last.__cause__ is None and last.__context__ is None):
        return False
    last.__cause__ = last.__context__ = None
    return True
