"""Several processes, one exposition: prometheus-client's files, and those of processes that are gone.

A scrape reaches one of a service's workers. So with `PROMETHEUS_MULTIPROC_DIR` set, prometheus-client keeps all values
in files in that directory, and whichever worker is asked adds them up. What a worker that is gone has counted still
counts. What it had in progress does not, once somebody says that it is gone; servers do not, so a scrape looks.
"""

import os
from pathlib import Path

from fastapi_kit.metrics._prometheus import forget_process, keeps_values_in_files

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def directory_of_values() -> Path | None:
    """Where the values of all processes are; `None` if this process keeps its own in memory.

    prometheus-client has decided that when it was imported, by a variable that it reads itself, so neither is asked of
    whoever calls.

    Raises:
        ValueError: The directory does not exist.
    """
    if not keeps_values_in_files():
        return None
    directory = Path(os.environ[_VARIABLE])
    if not directory.is_dir():
        raise ValueError(f"{_VARIABLE} is {str(directory)!r}, no directory: make it, empty, before the service starts.")
    return directory


def forget_the_dead(directory: Path) -> None:
    """Let processes that are gone have nothing in progress any more."""
    processes = {int(file.stem.rpartition("_")[2]) for file in directory.glob("gauge_live*_*.db")}
    for process in processes:
        if not _is_alive(process):
            forget_process(process, str(directory))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
