"""`run`: serving an app with uvicorn, with options that hold behind a load balancer."""

import socket
from dataclasses import dataclass

from fastapi import FastAPI

from fastapi_kit.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How the server treats connections. The defaults suit a service behind a load balancer.

    Attributes:
        keep_alive: Seconds for which an idle connection is kept open. It has to be more than the load balancer's, or
            that sends a request on a connection that is being closed, and answers 502. More than 600 behind Google's.
        graceful_timeout: Seconds that running requests have to end after the shutdown has begun; then they are
            cancelled.

    Raises:
        ValueError: If one of them is below 1.
    """

    keep_alive: int = 75
    graceful_timeout: int = 20

    def __post_init__(self) -> None:
        for name in ("keep_alive", "graceful_timeout"):
            seconds: int = getattr(self, name)
            if seconds < 1:
                raise ValueError(f"{name}={seconds!r}: a number of seconds, 1 or more")


def run(
    app: FastAPI | str,
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    listener: socket.socket | None = None,
    options: ServerOptions | None = None,
) -> None:
    """Serve `app` until a signal ends it. Needs the extra `server`.

    The settings give the port, the number of workers, and the level and form of the log. Several workers are processes
    that share the port; each imports the app and opens its own resources, such as a pool of connections. Headers in
    which proxies tell the client's address are left to the app (`TrustedProxiesMiddleware`).

    The server logs in the form of the kit (`configure`), writes no access log of its own and sends no `Server` header.

    SIGTERM and SIGINT end it gracefully; with several workers, send them to the parent.

    Args:
        app: The app, or where each process finds it, such as `"shop.main:app"`.
        settings: Where, and with how many workers.
        host: The address to listen on; `0.0.0.0` in a container.
        listener: A bound socket to use instead of `host` and the settings' port.
        options: Times for connections.

    Raises:
        ImportError: uvicorn is not installed.
        ValueError: The settings ask for several workers, and `app` is not an import string.
        SystemExit: With status 3, if the server did not start; the log says why. uvicorn raises SIGTERM again when it
            has ended by one with a single worker, so the process ends by that signal.
    """
    if not isinstance(app, str) and settings.workers > 1:
        raise ValueError(
            f"{settings.workers} workers are processes that each import the app: give its import string, "
            'such as "shop.main:app", instead of the app itself'
        )
    from fastapi_kit._uvicorn import serve  # noqa: PLC0415 - the app can be made where no server is installed

    options = options or ServerOptions()
    serve(
        app,
        (settings.log_level, "json" if settings.environment == "production" else "auto"),
        listener,
        host=host,
        port=settings.port,
        workers=settings.workers,
        timeout_keep_alive=options.keep_alive,
        timeout_graceful_shutdown=options.graceful_timeout,
        proxy_headers=False,  # `TrustedProxiesMiddleware` reads them, on every server
        server_header=False,
        lifespan="on",  # an app that fails there does not start, instead of being served without its resources
    )
