"""`python -m benchmarks NAME [--quick] [--json]`: results to standard output, progress to standard error."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from ._report import Row, as_json, as_table

Benchmark = Callable[..., Coroutine[Any, Any, list[Row]]]

# Each benchmark imports its own peers, and only when it is run.
# ruff: noqa: PLC0415


def operations(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """`CRUDRouter` against a hand-written router and fastcrud."""
    from .crud import FULL, QUICK, Suite
    from .crud._fastcrud import fastcrud
    from .crud._handwritten import handwritten
    from .crud._ours import ours

    return Suite((ours, handwritten, fastcrud), QUICK if quick else FULL).run(say)


def guarded(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """The same against a hand-written router, where a user has rows of their own."""
    from .crud import FULL, QUICK, Suite
    from .crud._handwritten_guarded import handwritten_guarded
    from .crud._ours import ours_guarded
    from .crud._users import COUNTRY

    contestants = (ours_guarded, handwritten_guarded)
    return Suite(contestants, QUICK if quick else FULL, ".guarded", country=COUNTRY).run(say)


def peers(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """`CRUDRouter` against further ways to make such an API; not a part of `crud`."""
    from .crud import FULL, QUICK, Suite
    from .crud._advanced_alchemy import advanced_alchemy
    from .crud._crudrouter import crudrouter
    from .crud._drf import drf
    from .crud._ours import ours

    contestants = (ours, crudrouter, advanced_alchemy, drf)
    return Suite(contestants, QUICK if quick else FULL, ".peers").run(say)


def places(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """Depth, totals, related rows and unused filters, among a million rows."""
    from .places import FULL, QUICK, Suite

    return (Suite(QUICK, rows=100_000) if quick else Suite(FULL)).run(say)


def exports(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """A million rows as NDJSON and CSV: time and memory."""
    from .exports import FULL, QUICK, Suite

    return Suite(QUICK if quick else FULL).run(say)


def wire(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """Requests per second and tails of latency, each app under a uvicorn worker of its own."""
    from .wire import FULL, QUICK, Suite

    return Suite(QUICK if quick else FULL).run(say)


def routing(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """The last of 100 indexed routers against an app with one."""
    from .routing import FULL, QUICK, Suite

    return Suite(QUICK if quick else FULL).run(say)


def errors(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """Errors in the kit's shape against FastAPI's own."""
    from .errors import FULL, QUICK, Suite

    return Suite(QUICK if quick else FULL).run(say)


def stack(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """All layers around an endpoint against none, and against those of tutorials."""
    from .stack import FULL, QUICK, Suite

    return Suite(QUICK if quick else FULL).run(say)


def cache(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """Hits of the response cache against fastapi-cache2 and cashews, and first requests with an idempotency key."""
    from .cache import FULL, QUICK, Suite

    return Suite(QUICK if quick else FULL).run(say)


def limits(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """What rate limits add to a request, beside slowapi."""
    from .limits import FULL, QUICK, Suite

    return Suite(QUICK if quick else FULL).run(say)


def auth(*, quick: bool) -> Coroutine[Any, Any, list[Row]]:
    """Tokens beside python-jose and PyJWT, and what others notice of logins."""
    from .auth import FULL, QUICK, Suite

    return Suite(QUICK if quick else FULL).run(say)


CRUD: Mapping[str, Benchmark] = {
    "operations": operations,
    "guarded": guarded,
    "places": places,
    "exports": exports,
    "wire": wire,
}
"""The parts of `crud`, which can be run alone."""


async def crud(*, quick: bool) -> list[Row]:
    """All about `CRUDRouter`."""
    return [row for part in CRUD.values() for row in await part(quick=quick)]


BENCHMARKS: Mapping[str, Benchmark] = {
    "crud": crud,
    **CRUD,
    "peers": peers,
    "routing": routing,
    "errors": errors,
    "stack": stack,
    "cache": cache,
    "limits": limits,
    "auth": auth,
}


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
    parser.add_argument("--quick", action="store_true", help="about a minute; goals may be missed by 15 %%")
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    options = parser.parse_args(arguments)
    rows = _run_fast(BENCHMARKS[options.name](quick=options.quick))
    print(as_json(rows) if options.json else as_table(rows))
    return 1 if not options.quick and any(row.holds is False for row in rows) else 0


def _run_fast(work: Coroutine[Any, Any, list[Row]]) -> list[Row]:
    """Run on uvloop, as uvicorn does where there is one."""
    try:
        import uvloop
    except ModuleNotFoundError:
        say("uvloop is not installed: measuring on asyncio's own loop")
        return asyncio.run(work)
    return uvloop.run(work)


if __name__ == "__main__":
    sys.exit(main())
