"""`install`: limits for an app, where they count, and how they are declared."""

from collections.abc import Mapping

from fastapi import FastAPI

from fastapi_kit.errors import Answers
from fastapi_kit.ratelimit._limit import RateLimit
from fastapi_kit.ratelimit._middleware import RateLimitMiddleware
from fastapi_kit.ratelimit._openapi import declare_limits
from fastapi_kit.ratelimit._stores import LimitStore, MemoryStore


def install(
    app: FastAPI,
    policies: Mapping[str, RateLimit | None] | None = None,
    *,
    store: LimitStore | None = None,
    answers: Answers | None = None,
) -> None:
    """Give an app its limits: policies for its routes, and a store for the `RateLimit` dependencies in it.

    Policies are by route: `POST /login` or `/login` for one path template as the OpenAPI document has it, included
    routers and mounts alike; `/admin/*` for all under a prefix, `*` for everything, unknown paths too. Of those that
    match, the most exact one holds, and `None` means no limit. A policy counts all routes that it holds for together.

    Policies are counted before the request is routed, so what a dependency finds out, such as the principal, is not
    known to them. Every limit is declared in the OpenAPI document as a 429.

    Args:
        app: The application. What is added to it later is outside of the limits.
        policies: The limits of routes.
        store: Where requests are counted; in this process by default. A `fastapi_kit.ratelimit.redis.RedisStore` counts
            for all processes together.
        answers: How refusals by policies are answered; as `fastapi_kit.errors.install` does by default.

    Raises:
        UnmatchedLimitError: At start-up, if a policy matches no route.
    """
    policies = dict(policies or {})
    store = MemoryStore() if store is None else store
    app.add_middleware(RateLimitMiddleware, store=store, policies=policies, answers=answers)
    declare_limits(app, policies)
