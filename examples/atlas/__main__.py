"""`python -m examples.atlas`: seed once, then serve; `--help` lists the options."""

import argparse
import asyncio
import os
import socket
import sys

from sqlalchemy.exc import DBAPIError

from fastapi_kit.app import run
from fastapi_kit.db import Database, DatabaseURLError, Pool
from fastapi_kit.settings import InvalidSettingsError

from .data import ALL_CITIES, CITIES_15000, Dataset
from .progress import progress_bar
from .seed import DEMO_EMAIL, UnsupportedDatabaseError, add_demo_user, seed
from .settings import AtlasSettings

WORTH_OPENING = {
    "/docs": "every endpoint, to try out",
    "/cities?country_code=FR&population__gte=100000&sort=-population&limit=5": "the largest French cities",
    "/countries?continent_code=OC&sort=-area_km2": "Oceania's countries",
    "/health": "is it alive?",
    "/ready": "can it serve?",
    "/metrics": "how is it doing? examples/monitoring has alerts and a dashboard",
}


class CannotStartError(Exception):
    """The reason, and what to do about it."""


def main(arguments: list[str] | None = None) -> int:
    """Seed the database unless it is, and serve until Ctrl-C.

    Returns:
        The exit status: 0 after serving, 1 if that was not possible, 130 if seeding was interrupted.

    Raises:
        SystemExit: With status 3, if the server did not start.
    """
    try:
        settings = AtlasSettings()
        options = _options(settings, arguments)
        with _listen(options.host, options.port) as listener:
            password = None
            if not options.no_seed:
                password = _seed(settings, ALL_CITIES if options.all_cities else CITIES_15000)
            _serve(listener, settings.model_copy(update={"workers": options.workers}), password)
            return 0
    except (CannotStartError, InvalidSettingsError, DatabaseURLError, UnsupportedDatabaseError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped before the world was complete: the next start loads it again.", file=sys.stderr)
        return 130


def _options(settings: AtlasSettings, arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="examples.atlas", description="The world as an API, on real data.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=settings.port, help="port to listen on, 0 for any (%(default)s)")
    parser.add_argument("--workers", type=int, default=settings.workers, help="processes that serve (%(default)s)")
    parser.add_argument("--no-seed", action="store_true", help="serve the database as it is")
    parser.add_argument("--all-cities", action="store_true", help="load 234,908 places instead of 34,006")
    return parser.parse_args(arguments)


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else, so that nobody waits for a seed only to hear that it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise CannotStartError(f"Cannot listen on {host}:{port} ({reason}); choose another with --port.") from error


def _seed(settings: AtlasSettings, dataset: Dataset) -> str | None:
    """Load the world; the password of the demo's user, if that was made now."""

    async def run() -> str | None:
        # Long enough to wait for another process that is seeding already.
        database = Database(settings.database_url.get_secret_value(), pool=Pool(timeout=60))
        try:
            with progress_bar() as progress:
                await seed(database, dataset, progress)
            return await add_demo_user(database)
        finally:
            await database.dispose()

    try:
        return asyncio.run(run())
    except DBAPIError as error:
        raise CannotStartError(f"{settings.database_url} cannot be used: {error.orig}") from error


def _serve(listener: socket.socket, settings: AtlasSettings, password: str | None) -> None:
    host, port = listener.getsockname()[:2]
    print(f"Atlas listens on http://{host}:{port} (Ctrl-C stops it). Worth opening:", flush=True)
    for path, purpose in WORTH_OPENING.items():
        print(f"  http://{host}:{port}{path}  {purpose}", flush=True)
    if password is not None:
        print(f"Log in with Authorize in /docs as {DEMO_EMAIL}, password {password} (shown this once).", flush=True)
    # A secret that was made for this process is that of all its workers.
    os.environ.setdefault("SECRET_KEY", settings.secret_key.get_secret_value())
    run("examples.atlas.main:app", settings, listener=listener)


if __name__ == "__main__":
    sys.exit(main())
