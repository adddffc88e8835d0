"""CRUD routes for SQLAlchemy models.

- `CRUDRouter`: an `APIRouter` with list, get, create, replace, update and delete.
- `Query`: what its lists may be filtered and sorted by; `EQUALITY`, `RANGE` and `TEXT` are sets of operators.
- `ResourceError`: what is wrong with a router's description, raised when it is made.

How a request goes through: `_route` (does FastAPI need to solve dependencies?) → `_operations` (what the route does) →
`_parameters`, `_bodies` (bytes to values) → `_statements` (values to SQL) → `_executor` (SQL to rows, the only I/O) →
`_answers` (rows to bytes). All but the executor is pure, and compiled from the frozen `_resource` when the router is
made.
"""

from fastapi_kit._principal import set_principal
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._filters import NamedFilter
from fastapi_kit.crud._hooks import Changed, WriteContext
from fastapi_kit.crud._includes import Links, Many, One
from fastapi_kit.crud._query import Query
from fastapi_kit.crud._router import CRUDRouter, OperationName
from fastapi_kit.crud._scope import Scope, of_principal
from fastapi_kit.crud._traits import SoftDeletion, Stamp, Version
from fastapi_kit.crud._types import EQUALITY, RANGE, TEXT

__all__ = [
    "EQUALITY",
    "RANGE",
    "TEXT",
    "CRUDRouter",
    "Changed",
    "Links",
    "Many",
    "NamedFilter",
    "One",
    "OperationName",
    "Query",
    "ResourceError",
    "Scope",
    "SoftDeletion",
    "Stamp",
    "Version",
    "WriteContext",
    "of_principal",
    "set_principal",
]
