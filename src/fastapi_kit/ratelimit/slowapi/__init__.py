"""Existing code for slowapi, on this room's stores: change the import lines, and nothing else.

    from fastapi_kit.ratelimit.slowapi import Limiter, _rate_limit_exceeded_handler

`Limiter` takes what slowapi's takes and decorates as it does. Stores are awaited, so nothing blocks the loop. What is
raised is slowapi's `RateLimitExceeded`, so handlers of it keep working.
"""

from fastapi_kit.ratelimit._keys import client_address
from fastapi_kit.ratelimit.slowapi._limiter import Limiter
from fastapi_kit.ratelimit.slowapi._middleware import SlowAPIMiddleware, rate_limit_exceeded_handler
from fastapi_kit.ratelimit.slowapi._slowapi import RateLimitExceeded, get_remote_address

__all__ = [
    "Limiter",
    "RateLimitExceeded",
    "SlowAPIASGIMiddleware",
    "SlowAPIMiddleware",
    "_rate_limit_exceeded_handler",
    "get_ipaddr",
    "get_remote_address",
]

SlowAPIASGIMiddleware = SlowAPIMiddleware
_rate_limit_exceeded_handler = rate_limit_exceeded_handler

get_ipaddr = client_address
"""The client's address. slowapi's function of this name believes a header that clients send."""
