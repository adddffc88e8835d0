"""Logs: the context of a request, its access event, and one form for every line.

- `RequestContextMiddleware` gives each request an id and writes one access event when it has ended.
- `Observer` is whoever else that layer tells of each exchange, and `Observed` what it is told.
- `configure` sets up structlog and the standard library's loggers: JSON in production, colours on a terminal.
- `redact` and `escape_controls` are the processors that keep secrets and forged lines out, for set-ups of one's own.

Log with `structlog.get_logger()`; bind to the request with `structlog.contextvars.bind_contextvars`.
"""

from fastapi_kit._exchange import Observed, Observer
from fastapi_kit.logs._configure import configure
from fastapi_kit.logs._middleware import RequestContextMiddleware
from fastapi_kit.logs._redaction import escape_controls, redact

__all__ = ["Observed", "Observer", "RequestContextMiddleware", "configure", "escape_controls", "redact"]
