"""`python -m benchmarks NAME [--quick] [--json]`: results to standard output, progress to standard error."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from ._report import Row, as_json, as_table

Benchmark = Callable[..., Coroutine[Any, Any, list[Row]]]


def crud(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """`CRUDRouter` against a hand-written router and fastcrud."""
    # Each benchmark imports its own peers, and only when it is run.
    from .crud import FULL, QUICK, Suite  # noqa: PLC0415
    from .crud._fastcrud import fastcrud  # noqa: PLC0415
    from .crud._handwritten import handwritten  # noqa: PLC0415
    from .crud._ours import ours  # noqa: PLC0415

    return Suite((ours, handwritten, fastcrud), QUICK if quick else FULL).run(say)


def routing(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """The last of 100 indexed routers against an app with one."""
    from .routing import FULL, QUICK, Suite  # noqa: PLC0415

    return Suite(QUICK if quick else FULL).run(say)


BENCHMARKS: Mapping[str, Benchmark] = {"crud": crud, "routing": routing}


def say(line: str) -> None:
    """Show progress."""
    print(line, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run one benchmark.

    Returns:
        1 if a full run misses a goal; a quick run only reports.
    """
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure the kit beside its peers.")
    parser.add_argument("name", choices=BENCHMARKS)
    parser.add_argument("--quick", action="store_true", help="under a minute; goals may be missed by 15 %%")
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    options = parser.parse_args(arguments)
    rows = _run_fast(BENCHMARKS[options.name](quick=options.quick))
    print(as_json(rows) if options.json else as_table(rows))
    return 1 if not options.quick and any(row.holds is False for row in rows) else 0


def _run_fast(work: Coroutine[Any, Any, list[Row]]) -> list[Row]:
    """Run on uvloop, as uvicorn does where there is one."""
    try:
        import uvloop  # noqa: PLC0415
    except ModuleNotFoundError:
        say("uvloop is not installed: measuring on asyncio's own loop")
        return asyncio.run(work)
    return uvloop.run(work)


if __name__ == "__main__":
    sys.exit(main())
