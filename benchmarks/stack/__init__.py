"""What everything around an endpoint costs: id, access log, metrics, headers, CORS, GZip and the error boundary.

- `_apps`: one endpoint, in an app without anything, with the kit's layers, and with those that tutorials put together.
- `_peers`: other people's middleware.
- `_suite`: checks that all answer the same, then measures.
"""

from ._suite import FULL, QUICK, Suite

__all__ = ["FULL", "QUICK", "Suite"]
