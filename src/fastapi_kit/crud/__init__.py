"""CRUD routes for SQLAlchemy models.

- `CRUDRouter`: an `APIRouter` with list, get, create, replace, update and delete, and more where it is asked for:
  restore, bulk writes, exports, links, actions.
- `Query`: what its lists may be filtered, searched and sorted by; `EQUALITY`, `RANGE` and `TEXT` are sets of operators,
  `NamedFilter` is a filter of one's own. `One`, `Many`, `Links`: related rows.
- `Scope`, `of_principal`, `set_principal`: which rows there are for whom. `Stamp`, `Version`, `SoftDeletion`: columns
  that the server writes.
- `WriteContext`, `Changed`, `ItemContext`, `CollectionContext`, `OverrideContext`: what hooks, listeners, actions and
  overrides are given.
- `Repository`, `Listing`: the same engine without HTTP.
- `import_rows`: rows by the thousand into a model's table, in constant memory.
- `ResourceError`: what is wrong with a router's description, raised when it is made, or with the rows of an import.

How a request goes through: `_route` (does FastAPI need to solve dependencies?) → `_operations` (what the route does;
beside it `_bulk`, `_links`, `_export`, `_actions`) → `_parameters`, `_bodies`, `_http` (bytes to values) → `_access`
(whose statements) → `_reads`, `_writer`, `_bulk_writer` (which statements, in which transaction) → `_executor` (SQL to
rows, the only I/O) → `_answers` (rows to bytes). What is pure in it is compiled when the router is made: `_resource`
describes the model, `_query` the lists, `_statements` the SQL; `_engine` holds them. Besides requests: `_repository` →
`_upsert_writer`, and `_import` (rows to SQL, on a given connection); both use `_batches` and `_upsert`, which are pure.
"""

from fastapi_kit._principal import set_principal
from fastapi_kit.crud._actions import CollectionContext, ItemContext
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._filters import NamedFilter
from fastapi_kit.crud._hooks import Changed, WriteContext
from fastapi_kit.crud._import import import_rows
from fastapi_kit.crud._includes import Links, Many, One
from fastapi_kit.crud._overrides import OverrideContext
from fastapi_kit.crud._query import Query
from fastapi_kit.crud._repository import Listing, Repository
from fastapi_kit.crud._router import CRUDRouter
from fastapi_kit.crud._scope import Scope, of_principal
from fastapi_kit.crud._served import OperationName
from fastapi_kit.crud._traits import SoftDeletion, Stamp, Version
from fastapi_kit.crud._types import EQUALITY, RANGE, TEXT

__all__ = [
    "EQUALITY",
    "RANGE",
    "TEXT",
    "CRUDRouter",
    "Changed",
    "CollectionContext",
    "ItemContext",
    "Links",
    "Listing",
    "Many",
    "NamedFilter",
    "One",
    "OperationName",
    "OverrideContext",
    "Query",
    "Repository",
    "ResourceError",
    "Scope",
    "SoftDeletion",
    "Stamp",
    "Version",
    "WriteContext",
    "import_rows",
    "of_principal",
    "set_principal",
]
