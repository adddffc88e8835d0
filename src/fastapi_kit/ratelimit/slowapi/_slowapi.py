"""What stays slowapi's: its error, with its own kind of limit in it, and its functions that name a client."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi_kit.ratelimit._keys import client_address
from fastapi_kit.ratelimit._meter import Decision
from fastapi_kit.ratelimit.slowapi._declared import DeclaredLimit

try:
    from limits import parse
    from slowapi.errors import RateLimitExceeded
    from slowapi.util import get_ipaddr, get_remote_address
    from slowapi.wrappers import Limit
except ImportError as error:  # pragma: no cover - the extra is installed where tests run
    raise ImportError("fastapi_kit.ratelimit.slowapi needs slowapi: pip install 'fastapi-kit[ratelimit]'") from error

__all__ = ["RateLimitExceeded", "exceeded", "get_remote_address", "trusted"]


def exceeded(limit: DeclaredLimit, decision: Decision, fields: Mapping[str, str]) -> RateLimitExceeded:
    """The error that a limit raises, with headers for those who have no handler of it."""
    over = [
        rule
        for rule, level in zip(decision.rules, decision.levels, strict=True)
        if level + decision.cost * rule.weight > rule.capacity
    ]
    said = Limit(
        parse(str(over[0])),
        limit.by,
        limit.scope,
        limit.per_method,
        None if limit.methods is None else sorted(limit.methods),
        limit.error_message,
        limit.exempt_when,
        limit.cost,
        limit.override_defaults,
    )
    error = RateLimitExceeded(said)
    error.headers = dict(fields)
    return error


def trusted(key_func: Callable[..., Any]) -> Callable[..., Any]:
    """The function that names clients; in place of the one that believes a header that they send, one that does not."""
    return client_address if key_func is get_ipaddr else key_func
