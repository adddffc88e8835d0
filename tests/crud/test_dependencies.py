"""Calling dependencies in turn is what FastAPI's solver does."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial, wraps
from inspect import Parameter, Signature
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Body, Depends, Header, Request, Response, Security, WebSocket
from fastapi.dependencies.utils import get_dependant, solve_dependencies
from fastapi.requests import HTTPConnection
from fastapi.security import HTTPBearer, SecurityScopes
from hypothesis import given
from hypothesis import strategies as st

from fastapi_kit.auth import get_current_active_user
from fastapi_kit.crud._dependencies import call_in_turn, calls_of

pytestmark = pytest.mark.anyio

Called = tuple[str, dict[str, Any]]


class Dependency:
    """An async dependency that notes its arguments, and returns something new each time."""

    def __init__(self, name: str, notes: list[Called], parameters: Sequence[Parameter]) -> None:
        self.name = name
        self.notes = notes
        self.__signature__ = Signature(parameters)

    async def __call__(self, **arguments: Any) -> str:
        """Its name, and how often anything was called before."""
        self.notes.append((self.name, arguments))
        return f"{self.name}#{len(self.notes)}"


def parameter(name: str, annotation: Any) -> Parameter:
    """One that is given by its name."""
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation)


@st.composite
def forests(draw: st.DrawFn) -> tuple[list[Called], Callable[..., None]]:
    """A function whose parameters are dependencies, which depend on those before them in all ways; and their notes."""
    notes: list[Called] = []
    made: list[Dependency] = []

    def needs(most: int) -> list[Parameter]:
        chosen = draw(st.lists(st.sampled_from(made), max_size=most)) if made else []
        return [
            parameter(
                f"needed_{number}",
                Annotated[
                    Any,
                    Security(
                        dependency,
                        scopes=draw(st.lists(st.sampled_from("ab"), max_size=2)),
                        use_cache=draw(st.booleans()),
                    )
                    if draw(st.booleans())
                    else Depends(dependency, use_cache=draw(st.booleans())),
                ],
            )
            for number, dependency in enumerate(chosen)
        ]

    for number in range(draw(st.integers(1, 5))):
        connection = draw(st.sampled_from([None, Request, HTTPConnection]))
        own = [] if connection is None else [parameter("connection", connection)]
        made.append(Dependency(f"d{number}", notes, [*own, *needs(3)]))

    def endpoint(**_: Any) -> None: ...

    endpoint.__signature__ = Signature(needs(4))  # type: ignore[attr-defined] # what FastAPI looks at
    return notes, endpoint


async def solve(endpoint: Callable[..., Any], request: Request) -> None:
    """As FastAPI does."""
    async with AsyncExitStack() as stack:
        request.scope["fastapi_inner_astack"] = request.scope["fastapi_function_astack"] = stack
        await solve_dependencies(
            request=request,
            dependant=get_dependant(path="/", call=endpoint),
            async_exit_stack=stack,
            embed_body_fields=False,
        )


@given(forests())
async def test_the_calls_are_the_solvers(forest: tuple[list[Called], Callable[..., None]]) -> None:
    """The same functions are called in the same order with the same arguments."""
    notes, endpoint = forest
    request = Request({"type": "http", "path": "/", "query_string": b"", "headers": []})
    await solve(endpoint, request)
    expected = notes.copy()
    notes.clear()
    calls = calls_of(get_dependant(path="/", call=endpoint).dependencies)
    assert calls is not None
    await call_in_turn(calls, request)
    assert notes == expected


async def plain(request: Request) -> None:
    """Takes no more than the request."""


@wraps(plain)
async def decorated(*arguments: Any, **named: Any) -> None:
    """FastAPI looks at what it wraps."""
    await plain(*arguments, **named)


async def with_yield() -> AsyncIterator[None]:
    """Has an end."""
    yield


def for_a_thread() -> None:
    """Not async."""


def taking(annotation: Any) -> Callable[..., Any]:
    """An async dependency with such a parameter."""

    async def dependency(**_: Any) -> None: ...

    dependency.__signature__ = Signature([parameter("it", annotation)])  # type: ignore[attr-defined] # as above
    return dependency


NOT_PLAIN: dict[str, Callable[..., Any]] = {
    "decorated": decorated,
    "partial": partial(decorated),
    "yield": with_yield,
    "thread": for_a_thread,
    "class": Request,
    "query": taking(int),
    "header": taking(Annotated[str, Header()]),
    "body": taking(Annotated[int, Body()]),
    "response": taking(Response),
    "background": taking(BackgroundTasks),
    "scopes": taking(SecurityScopes),
    "websocket": taking(WebSocket),
    "below": taking(Annotated[None, Depends(for_a_thread)]),
    "far below": taking(Annotated[None, Depends(taking(Annotated[None, Depends(with_yield)]))]),
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_takes_more_is_left_to_fastapi(name: str) -> None:
    """Anything else in the tree, however deep."""
    dependency = NOT_PLAIN[name]

    def root(one: Annotated[None, Depends(plain)], two: Annotated[Any, Depends(dependency)]) -> None: ...

    assert calls_of(get_dependant(path="/", call=root).dependencies) is None


def test_who_makes_a_request_is_asked_by_calls() -> None:
    """The kit's dependencies and FastAPI's schemes need no solver."""

    def root(
        user: Annotated[Any, Depends(get_current_active_user)], token: Annotated[Any, Security(HTTPBearer())]
    ) -> None: ...

    calls = calls_of(get_dependant(path="/", call=root).dependencies)
    assert calls is not None
    assert len(calls) == 4
