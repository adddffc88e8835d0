"""Compose several resources into one lifespan.

A resource is anything that an app holds from start-up to shutdown: a database pool, a Redis client, a worker.
`compose` makes one lifespan of them:

    app = FastAPI(lifespan=compose(database.lifespan, mailer))

How it behaves when something fails:

- A resource that fails to start stops the start-up: those already open are closed in reverse order, then its error is
  raised, and the server exits. Resources after it are never opened.
- A resource that fails to close does not keep the others from closing. Its error is raised after the last one is
  closed; errors before it are its `__context__`.
- A resource sees the failure it is closed for, but cannot hide it: an app never serves with half of its resources.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Protocol

from fastapi import FastAPI

__all__ = ["Resource", "compose"]

State = Mapping[str, Any]


class Resource(Protocol):
    """What `compose` takes: a callable that gives an async context manager for the life of the app.

    It is called once at start-up with the app. What it yields, a mapping or `None`, becomes part of the lifespan state,
    which handlers read as `request.state`. A function under `contextlib.asynccontextmanager` is one, and so is any
    lifespan.
    """

    def __call__(self, app: FastAPI, /) -> AbstractAsyncContextManager[State | None]:
        """Open the resource on entry and close it on exit."""
        ...


def compose(*resources: Resource) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """Make one lifespan that holds all `resources`, opened in the given order and closed in reverse.

    The result is a lifespan for `FastAPI(lifespan=...)` or `APIRouter(lifespan=...)`, and itself a resource. It keeps
    nothing between runs, so the same lifespan may be started again after it has ended, and by several apps.

    Args:
        *resources: What to open. A later one may rely on the earlier ones being open, not on their state.

    Raises:
        TypeError: At start-up, when a resource yields something other than a mapping or `None`.
        ValueError: At start-up, when two resources yield the same state key.

    Example:
        >>> import asyncio
        >>> from contextlib import asynccontextmanager
        >>> @asynccontextmanager
        ... async def greeter(app):
        ...     yield {"greeting": "hello"}
        >>> async def start():
        ...     async with compose(greeter)(FastAPI()) as state:
        ...         return state
        >>> asyncio.run(start())
        {'greeting': 'hello'}
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[State]:
        async with AsyncExitStack() as stack:
            yield await _open_all(resources, app, stack)

    return lifespan


async def _open_all(resources: tuple[Resource, ...], app: FastAPI, stack: AsyncExitStack) -> State:
    state: dict[str, Any] = {}
    giver: dict[str, str] = {}
    for resource in resources:
        manager = resource(app)
        given = await manager.__aenter__()
        stack.push_async_exit(partial(_close, manager))
        name = _name(resource)
        for key, value in _items(given, name):
            if key in giver:
                message = f"The resources {giver[key]} and {name} both yield the state key {key!r}; rename it in one."
                raise ValueError(message)
            giver[key] = name
            state[key] = value
    return state


async def _close(
    manager: AbstractAsyncContextManager[State | None],
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    # The manager's verdict is dropped on purpose: a truthy one would hide the failure of another resource.
    await manager.__aexit__(kind, error, traceback)


def _items(given: State | None, name: str) -> list[tuple[str, Any]]:
    if given is None:
        return []
    if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] -- untyped callers forget it
        message = f'The resource {name} yields a {type(given).__name__}; yield a mapping such as {{"name": value}}.'
        raise TypeError(message)
    return list(given.items())


def _name(resource: Resource) -> str:
    found: str = getattr(resource, "__qualname__", type(resource).__qualname__)
    return found
