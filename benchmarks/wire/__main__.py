"""`python -m benchmarks.wire CONTESTANT URL FD`: serve a contestant on the listening socket FD until told to stop."""

import socket
import sys

from uvicorn import Config, Server

from ._server import CONTESTANTS

if __name__ == "__main__":
    name, url, descriptor = sys.argv[1:]
    app = CONTESTANTS[name](url).app
    # A connection waits for its turn while the other contestant is measured: longer than a server would keep it open.
    options = {"access_log": False, "log_level": "warning", "timeout_keep_alive": 600}
    config = Config(app, loop="uvloop", http="httptools", **options)
    Server(config).run(sockets=[socket.socket(fileno=int(descriptor))])
