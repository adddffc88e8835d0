"""Pages by number: what a client asks for, and the body that answers."""

from typing import Annotated, Generic, Literal, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

MAX_PAGE = 1_000_000
"""The largest page number; with the largest limit, OFFSET stays within 32 bits."""

TotalRelation = Literal["eq", "gte"]


class PaginationParams(BaseModel):
    """Query parameters of a list: which page, how long, in which order.

    An endpoint takes them as `params: PaginationDep`. Parameters that it does not know are a 422.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: int = Field(default=1, ge=1, le=MAX_PAGE, description="Page number, from 1")
    limit: int = Field(default=20, ge=1, le=100, description="Items per page")
    sort_by: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$", description="Field to sort by")
    order: Literal["asc", "desc"] = Field(default="desc", description="Sort order")

    @property
    def offset(self) -> int:
        """How many items come before this page."""
        return (self.page - 1) * self.limit


PaginationDep = Annotated[PaginationParams, Query()]
"""`PaginationParams` from the query string."""


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    total: int | None = Field(
        default=None, ge=0, description="How many items there are on all pages; null if they were not counted"
    )
    total_relation: TotalRelation = Field(
        default="eq",
        description="`eq`: there are exactly `total` items. `gte`: counting ended there, and there are more.",
    )


class CursorPage(Page[T]):
    """One page of a list that goes on by cursor."""

    next_cursor: str | None = Field(
        default=None, description="Gives the items after these, as the parameter `cursor`; null if there are none"
    )
    previous_cursor: str | None = Field(
        default=None, description="Gives the items before these, as the parameter `cursor`; null if there are none"
    )
