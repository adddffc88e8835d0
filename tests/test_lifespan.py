"""One lifespan out of several resources: order, state and failures."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from fastapi_kit.lifespan import Resource, compose

pytestmark = pytest.mark.anyio


class StartFailedError(Exception):
    """A resource that cannot open."""


class StopFailedError(Exception):
    """A resource that cannot close."""


def resource(
    name: str,
    events: list[str],
    *,
    state: Mapping[str, Any] | None = None,
    fails_to: str = "",
    hides: bool = False,
) -> Resource:
    """A resource that writes down what happens to it."""

    @asynccontextmanager
    async def manager(app: FastAPI) -> AsyncGenerator[Mapping[str, Any] | None]:
        if fails_to == "open":
            raise StartFailedError(name)
        events.append(f"open {name}")
        try:
            yield state
        except StartFailedError:
            if not hides:
                raise
        finally:
            events.append(f"close {name}")
            if fails_to == "close":
                raise StopFailedError(name)

    return manager


async def test_opens_in_order_and_closes_in_reverse() -> None:
    """Resources open in the given order and close in the opposite one."""
    events: list[str] = []
    async with compose(resource("a", events), resource("b", events))(FastAPI()):
        events.append("serve")
    assert events == ["open a", "open b", "serve", "close b", "close a"]


async def test_merges_state() -> None:
    """The mappings of all resources are one state; a resource without state adds nothing."""
    parts = resource("a", [], state={"x": 1}), resource("b", []), resource("c", [], state={"y": 2})
    async with compose(*parts)(FastAPI()) as state:
        assert state == {"x": 1, "y": 2}


async def test_a_composition_is_a_resource() -> None:
    """Compositions nest."""
    inner = compose(resource("a", [], state={"x": 1}))
    async with compose(inner, resource("b", [], state={"y": 2}))(FastAPI()) as state:
        assert state == {"x": 1, "y": 2}


async def test_the_same_lifespan_starts_again() -> None:
    """Nothing is kept between two runs."""
    lifespan = compose(resource("a", [], state={"x": 1}))
    for _ in range(2):
        async with lifespan(FastAPI()) as state:
            assert state == {"x": 1}


async def test_refuses_a_key_given_twice() -> None:
    """Two resources with one state key are named, and both are closed."""
    events: list[str] = []

    class Cache:
        def __call__(self, app: FastAPI, /) -> AbstractAsyncContextManager[Mapping[str, Any] | None]:
            return resource("b", events, state={"pool": 2})(app)

    with pytest.raises(ValueError, match=r"resource\.<locals>\.manager and .*Cache both yield the state key 'pool'"):
        async with compose(resource("a", events, state={"pool": 1}), Cache())(FastAPI()):
            events.append("serve")
    assert events == ["open a", "open b", "close b", "close a"]


async def test_refuses_state_that_is_no_mapping() -> None:
    """Yielding the resource itself is answered with what to yield."""
    engine: Any = object()
    with pytest.raises(TypeError, match=r"manager yields a object; yield a mapping"):
        async with compose(resource("a", [], state=engine))(FastAPI()):
            pass


async def test_a_resource_cannot_hide_a_failed_start() -> None:
    """The app does not start although an earlier resource swallows the error."""
    with pytest.raises(StartFailedError, match="b"):
        async with compose(resource("a", [], hides=True), resource("b", [], fails_to="open"))(FastAPI()):
            pass


async def test_a_failed_close_does_not_stop_the_others() -> None:
    """Every resource is closed, then the failure is raised."""
    events: list[str] = []
    parts = resource("a", events), resource("b", events, fails_to="close"), resource("c", events)
    with pytest.raises(StopFailedError, match="b"):
        async with compose(*parts)(FastAPI()):
            events.append("serve")
    assert events == ["open a", "open b", "open c", "serve", "close c", "close b", "close a"]


@given(size=st.integers(0, 6), failing=st.integers(0, 6))
async def test_exactly_the_opened_are_closed_in_reverse(size: int, failing: int) -> None:
    """Law: whichever resource fails to open, exactly those before it are closed, last first."""
    events: list[str] = []
    parts = [resource(str(n), events, fails_to="open" if n == failing else "") for n in range(size)]
    outcome = pytest.raises(StartFailedError, match=str(failing)) if failing < size else nullcontext()
    with outcome:
        async with compose(*parts)(FastAPI()):
            events.append("serve")
    opened = [str(n) for n in range(min(size, failing))]
    served = ["serve"] if failing >= size else []
    assert events == [f"open {n}" for n in opened] + served + [f"close {n}" for n in reversed(opened)]


def test_app_and_router_lifespans_reach_the_request() -> None:
    """The state of an app's and of an included router's composition is on `request.state`."""
    events: list[str] = []
    router = APIRouter(lifespan=compose(resource("router", events, state={"b": 2})))

    @router.get("/state")
    def read(request: Request) -> dict[str, int]:
        return {"a": request.state.a, "b": request.state.b}

    app = FastAPI(lifespan=compose(resource("app", events, state={"a": 1})))
    app.include_router(router)
    with TestClient(app) as client:
        assert client.get("/state").json() == {"a": 1, "b": 2}
    assert events == ["open app", "open router", "close router", "close app"]
