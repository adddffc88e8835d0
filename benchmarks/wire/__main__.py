"""`python -m benchmarks.wire CONTESTANT URL FD`: serve a contestant on the listening socket FD until told to stop."""

import socket
import sys

from uvicorn import Config, Server

from ._server import CONTESTANTS

if __name__ == "__main__":
    name, url, descriptor = sys.argv[1:]
    config = Config(
        CONTESTANTS[name](url).app,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=600,  # a connection waits for its turn while the other contestant is measured
    )
    Server(config).run(sockets=[socket.socket(fileno=int(descriptor))])
