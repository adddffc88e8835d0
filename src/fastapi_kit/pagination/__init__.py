"""Pages of a list.

- `PaginationParams`, `PaginationDep`: `page`, `limit`, `sort_by` and `order` from the query string.
- `Page[Item]`: the body of a list: `items`, `total`, `total_relation`.
- `MAX_PAGE`: the largest page number that is served.
- `SortKey`, `ordering`, `beyond`, `ranges`: the SQL of pages by key: the order, and the rows after or before a
  `Position`.
"""

from fastapi_kit.pagination._keyset import SortKey, beyond, ordering, ranges
from fastapi_kit.pagination._page import MAX_PAGE, Page, PaginationDep, PaginationParams, TotalRelation
from fastapi_kit.pagination._position import Position

__all__ = [
    "MAX_PAGE",
    "Page",
    "PaginationDep",
    "PaginationParams",
    "Position",
    "SortKey",
    "TotalRelation",
    "beyond",
    "ordering",
    "ranges",
]
