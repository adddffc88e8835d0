"""The parts every production FastAPI app needs, each usable alone.

Import what you use from its own room; importing this package imports none of them:

- `fastapi_kit.app`: `create_app`, a thin sum of the parts below; `index_routes` for apps of many routers.
- `fastapi_kit.compression`: gzip, at no cost to small answers.
- `fastapi_kit.concurrency`: `AfterResponse`, work after a response that the shutdown waits for.
- `fastapi_kit.cache`: answers as rendered bytes, per user, forgotten by tags; in memory or on Redis.
- `fastapi_kit.auth`: `Auth`, logins and who may what; sessions, tokens, keys, passwords.
- `fastapi_kit.crud`: `CRUDRouter`, list/get/create/replace/update/delete for a SQLAlchemy model.
- `fastapi_kit.db`: `Database`, the session dependency (the commit boundary), `Base` and mixins.
- `fastapi_kit.errors`: `Problem` (RFC 9457), `BusinessLogicError`, one shape for every error.
- `fastapi_kit.health`: `/health` and `/ready` with parallel, timed checks.
- `fastapi_kit.idempotency`: unsafe requests that are sent again are carried out once.
- `fastapi_kit.lifespan`: compose several resources into one lifespan.
- `fastapi_kit.locks`: leases that are renewed, fenced, and end the block when they are lost.
- `fastapi_kit.logs`: request context, access events, structlog set-up.
- `fastapi_kit.metrics`: what requests and pools do, for Prometheus.
- `fastapi_kit.pagination`: page parameters and the `Page` body.
- `fastapi_kit.ratelimit`: limits on how often a client may ask, in process or on Redis.
- `fastapi_kit.redis`: one Redis client for all, that waits for nothing longer than its timeout.
- `fastapi_kit.schemas`: response bases, partial models, safe text types.
- `fastapi_kit.security`: headers on every answer, CORS policies, trusted hosts and proxies.
- `fastapi_kit.settings`: 12-factor settings with a production guard.
- `fastapi_kit.testing`: async client, per-test rollback, frozen clock.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
