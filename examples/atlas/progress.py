"""How seeding shows that it goes on: a bar on a terminal, nothing elsewhere."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from .seed import Progress, silent


@contextmanager
def progress_bar() -> Generator[Progress]:
    """Give a callback for `seed`: a bar per table if standard error is a terminal, silence if it is not."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console  # noqa: PLC0415  (paid for only by who sees it)
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def show(table: str, done: int, total: int) -> None:
            if table not in tasks:
                tasks[table] = bars.add_task(table, total=total)
            bars.update(tasks[table], completed=done)

        yield show
