"""How many processes serve an app, and that they share what they have to.

Only the command line knows it in every case: the processes that a server starts have it as their own, whether they were
forked or spawned.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_SERVERS = frozenset({"fastapi", "granian", "gunicorn", "hypercorn", "uvicorn"})
_OPTION = re.compile(r"(?:^| )(?:--workers[= ]|-w ?)(?P<number>\d+)(?= |$)")
_VARIABLES = ("WEB_CONCURRENCY", "UVICORN_WORKERS")


class UnsharedStoreError(RuntimeError):
    """Several workers, each with a store of its own: a logout would be known to one of them."""


def check_workers(workers: int, *shared: bool) -> None:
    """See that several workers share their stores.

    Raises:
        UnsharedStoreError: They do not; the message names the cure.
    """
    if workers > 1 and not all(shared):
        raise UnsharedStoreError(
            f"{workers} workers would each keep users or sessions to themselves, and a logout would end nothing in the "
            "others: use a store on a database or on Redis, or a single worker"
        )


def told_workers(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """How many workers the server's command line asks for, or else its environment; 1 if that is no server's.

    Args:
        arguments: The command line; by default that of this process.
        environment: The environment; likewise.
    """
    program, *options = sys.argv if arguments is None else arguments
    if _SERVERS.isdisjoint(Path(program).parts):
        return 1
    if found := _OPTION.search(" ".join(options)):
        return int(found["number"])
    variables = os.environ if environment is None else environment
    told = [variables[name] for name in _VARIABLES if variables.get(name, "").isdecimal()]
    return int(told[0]) if told else 1
