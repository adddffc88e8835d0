"""Pages of a list.

- `PaginationParams`, `PaginationDep`: `page`, `limit`, `sort_by` and `order` from the query string.
- `Page[Item]`: the body of a list: `items`, `total`, `total_relation`.
- `CursorPage[Item]`: the same with `next_cursor` and `previous_cursor`.
- `MAX_PAGE`: the largest page number that is served.
- `SortKey`, `ordering`, `beyond`, `ranges`: the SQL of pages by key: the order, and the rows after or before a
  `Position`.
- `CursorCodec`, `CursorPart`, `binding_of`: a `Position` as a token for clients, and back. `InvalidCursorError`: what
  a client sent is no such token. `NoCursorError`: a row has none. `LONGEST_CURSOR`: characters at most.
"""

from fastapi_kit.pagination._cursor import (
    LONGEST_CURSOR,
    CursorCodec,
    CursorPart,
    InvalidCursorError,
    NoCursorError,
    binding_of,
)
from fastapi_kit.pagination._keyset import SortKey, beyond, ordering, ranges
from fastapi_kit.pagination._page import MAX_PAGE, CursorPage, Page, PaginationDep, PaginationParams, TotalRelation
from fastapi_kit.pagination._position import Position

__all__ = [
    "LONGEST_CURSOR",
    "MAX_PAGE",
    "CursorCodec",
    "CursorPage",
    "CursorPart",
    "InvalidCursorError",
    "NoCursorError",
    "Page",
    "PaginationDep",
    "PaginationParams",
    "Position",
    "SortKey",
    "TotalRelation",
    "beyond",
    "binding_of",
    "ordering",
    "ranges",
]
