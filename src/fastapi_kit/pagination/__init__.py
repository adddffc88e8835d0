"""Pages of a list.

- `PaginationParams`, `PaginationDep`: `page`, `limit`, `sort_by` and `order` from the query string.
- `Page[Item]`: the body of a list: `items`, `total`, `total_relation`.
- `MAX_PAGE`: the largest page number that is served.
"""

from fastapi_kit.pagination._page import MAX_PAGE, Page, PaginationDep, PaginationParams, TotalRelation

__all__ = ["MAX_PAGE", "Page", "PaginationDep", "PaginationParams", "TotalRelation"]
