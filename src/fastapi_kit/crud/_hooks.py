"""What an app adds to the operations of a resource: hooks in the transaction of a write, and listeners after it."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

logger = logging.getLogger("fastapi_kit.crud")

WriteOperation = Literal["create", "replace", "update", "delete", "restore"]
WRITE_OPERATIONS: tuple[WriteOperation, ...] = ("create", "replace", "update", "delete", "restore")

ChangeOperation = Literal[WriteOperation, "upsert"]
"""What a listener is told: of an upsert, the database does not say which rows it has made and which it has changed."""


@dataclass
class WriteContext:
    """One row that is being written; each row of a bulk write has its own.

    Attributes:
        operation: What is done to it.
        principal: On whose behalf.
        session: The transaction of the write: what a hook does in it takes effect with the write, or not at all.
        values: What will be written, by attribute; a hook that runs before may change it. Empty for a delete.
        key: The values that name the row, by attribute; empty before it is made.
        stored: The row as it was stored, by attribute, as far as clients see it; empty before that, and after a delete.
        request: The request, if there is one.
    """

    operation: WriteOperation
    principal: Any
    session: AsyncSession
    values: dict[str, Any]
    key: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stored: Mapping[str, Any] = field(default_factory=dict[str, Any])
    request: Request | None = None


Hook = Callable[[WriteContext], Awaitable[None]]


@dataclass(frozen=True)
class Changed:
    """What a committed write has changed.

    Attributes:
        resource: The resource's name, such as `city`.
        operation: What was done; `"upsert"` for rows that were made or changed.
        keys: What names the rows in paths: the values of the primary key or the lookup, tuples where those are several.
    """

    resource: str
    operation: ChangeOperation
    keys: Sequence[Any]


Listener = Callable[[Changed], Awaitable[None]]


class Hooks:
    """The hooks and listeners of one resource; filled while the app is put together."""

    def __init__(self) -> None:
        self._before: dict[WriteOperation, list[Hook]] = {}
        self._after: dict[WriteOperation, list[Hook]] = {}
        self.listeners: list[Listener] = []

    def add_before(self, operation: WriteOperation, hook: Hook) -> None:
        """Run `hook` before each `operation`."""
        self._before.setdefault(operation, []).append(hook)

    def add_after(self, operation: WriteOperation, hook: Hook) -> None:
        """Run `hook` after each `operation`."""
        self._after.setdefault(operation, []).append(hook)

    def of(self, operation: WriteOperation) -> bool:
        """Whether `operation` has any."""
        return operation in self._before or operation in self._after

    async def before(self, context: WriteContext) -> None:
        """Run those before a write, in the order in which they were added."""
        for hook in self._before.get(context.operation, ()):
            await hook(context)

    async def after(self, context: WriteContext) -> None:
        """Run those after a write, in the order in which they were added."""
        for hook in self._after.get(context.operation, ()):
            await hook(context)

    async def announce(self, changed: Changed) -> None:
        """Tell every listener; one that fails is logged, as the write has happened."""
        for listener in self.listeners:
            try:
                await listener(changed)
            except Exception:
                logger.exception("a listener of %s failed after its %s", changed.resource, changed.operation)
