"""Database sessions for FastAPI: async engines, one transaction per request, and a base for models.

- `Database`: one pool of connections; give its `lifespan` to the app. `Pool` says how large it is, `PoolUsage` how
  full, `Connections` how they are had.
- `SessionDep`: the request's session, committed before the response starts. `get_session` (also `get_db`) is the
  dependency behind it, and what tests override.
- `after_commit`: work that waits for a session's commit, and is forgotten with a rollback.
- `Base`, `UUIDKey`, `Timestamps`, `SoftDelete`, `Versioned`, `UTCDateTime`, `uuid7`: what models are made of.
- `HIDDEN`, `READ_ONLY`: marks for columns that clients may not see, or not write.
- `violation_of`, `as_problem`: what an error of the database means, the same on every database. `TRANSLATIONS` tells
  `install` of them, and `TransactionConflictError` is what a transaction ends with that the database gave up.
"""

from fastapi_kit.db._after_commit import after_commit
from fastapi_kit.db._database import Database
from fastapi_kit.db._engine import Connections, Pool, PoolUsage
from fastapi_kit.db._guard import SessionScopeError
from fastapi_kit.db._models import HIDDEN, READ_ONLY, Base, SoftDelete, Timestamps, UTCDateTime, UUIDKey, Versioned
from fastapi_kit.db._problems import DATABASE_ERRORS, TRANSLATIONS, TransactionConflictError, as_problem, conflict
from fastapi_kit.db._session import (
    NoDatabaseError,
    SecondSessionError,
    SessionDep,
    database_of,
    get_session,
)
from fastapi_kit.db._session import get_session as get_db
from fastapi_kit.db._url import DatabaseURLError, async_url
from fastapi_kit.db._uuid7 import uuid7
from fastapi_kit.db._violations import Violation, violation_of

__all__ = [
    "DATABASE_ERRORS",
    "HIDDEN",
    "READ_ONLY",
    "TRANSLATIONS",
    "Base",
    "Connections",
    "Database",
    "DatabaseURLError",
    "NoDatabaseError",
    "Pool",
    "PoolUsage",
    "SecondSessionError",
    "SessionDep",
    "SessionScopeError",
    "SoftDelete",
    "Timestamps",
    "TransactionConflictError",
    "UTCDateTime",
    "UUIDKey",
    "Versioned",
    "Violation",
    "after_commit",
    "as_problem",
    "async_url",
    "conflict",
    "database_of",
    "get_db",
    "get_session",
    "uuid7",
    "violation_of",
]
