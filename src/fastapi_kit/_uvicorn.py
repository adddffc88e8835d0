"""uvicorn, configured: the one module that imports it."""

import contextlib
import socket
import sys
from typing import Any, Literal

from fastapi import FastAPI

from fastapi_kit.logs import configure

try:
    from uvicorn import Config, Server
    from uvicorn.supervisors import Multiprocess
except ModuleNotFoundError as error:
    raise ImportError("fastapi_kit.app.run needs uvicorn: pip install 'fastapi-kit[server]'") from error

Log = tuple[str, Literal["json", "auto"]]
"""Level and form of the log."""

DID_NOT_START = 3
"""The exit status of a uvicorn whose application did not start."""


def serve(app: FastAPI | str, log: Log, listener: socket.socket | None, **options: Any) -> None:
    """Serve `app` with these options of uvicorn until a signal ends it; see `fastapi_kit.app.run`."""
    config = _Config(app, log, access_log=False, log_config=None, **options)
    sockets = None if listener is None else [listener]
    with contextlib.suppress(KeyboardInterrupt):
        if config.workers > 1:
            _serve_with_workers(config, sockets or [config.bind_socket()])
        else:
            _serve_alone(config, sockets)


def _serve_alone(config: Config, sockets: list[socket.socket] | None) -> None:
    config.load_app()  # before the event loop runs: an app may use one of its own while it is imported
    server = Server(config)
    server.run(sockets)
    if not server.started:
        sys.exit(DID_NOT_START)


def _serve_with_workers(config: Config, sockets: list[socket.socket]) -> None:
    supervisor = Multiprocess(config, sockets)
    supervisor.run()
    if any(process.exitcode == DID_NOT_START for process in supervisor.processes):
        sys.exit(DID_NOT_START)


class _Config(Config):
    """Sets up the kit's logs in each process: uvicorn calls for it here and, before the app is imported, in workers."""

    def __init__(self, app: FastAPI | str, log: Log, **options: Any) -> None:
        self._log = log
        super().__init__(app, **options)

    def configure_logging(self) -> None:
        super().configure_logging()
        level, log_format = self._log
        configure(level, log_format)
