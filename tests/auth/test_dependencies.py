"""Who is let in, and what everybody else is answered."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from structlog.contextvars import get_contextvars

from fastapi_kit._principal import principal_of
from fastapi_kit.auth import (
    Auth,
    AuthOptions,
    Claims,
    Key,
    MemoryTokenStore,
    MemoryUserStore,
    NoAuthError,
    UnsharedStoreError,
    User,
    create_access_token,
    get_current_user,
)
from fastapi_kit.logs import RequestContextMiddleware
from fastapi_kit.testing import client
from tests.auth.services import KEY, PERMISSIONS, Service, bearer, log_in

pytestmark = pytest.mark.anyio


async def test_nobody_gets_a_bare_challenge() -> None:
    """Without credentials the answer names the scheme and no error (RFC 6750, section 3.1)."""
    async with Service().client() as api:
        for path in ("/mine", "/books", "/reference", "/anybody"):
            response = await api.get(path)
            assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer"), path
        assert (await api.get("/maybe")).json() is None


GARBAGE = [
    "Bearer",
    "Bearer ",
    "Bearer x",
    "Bearer a.b.c",
    "bearer " + "A" * 9_000,
    "Basic YTpi",
    "Digest x",
    "\x00",
    "Bearer \xff\xfe",
    "Bearer null",
    ",",
]


@pytest.mark.parametrize("path", ["/mine", "/maybe", "/books", "/reference", "/auth/me"])
async def test_garbage_is_always_a_401(path: str) -> None:
    """Whatever is in the header, also where a user is optional: who says who they are has to be right."""
    async with Service().client() as api:
        for text in GARBAGE:
            response = await api.get(path, headers=[(b"authorization", text.encode("latin-1"))])
            assert response.status_code == 401, text
            assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.binary(max_size=300), as_bearer=st.booleans(), header=st.sampled_from([b"authorization", b"x-api-key"]))
async def test_no_header_makes_an_error_of_ours(text: bytes, as_bearer: bool, header: bytes) -> None:
    """Law: every header that is none of our tokens is a 401."""
    service = Service()
    given_header = b"Bearer " + text if as_bearer else text
    scope = {"type": "http", "method": "GET", "headers": [(header, given_header)], "path": "/", "query_string": b""}
    with pytest.raises(Exception, match="401"):
        await service.auth.current_user()(Request(scope))


async def test_a_token_of_another_key_is_refused() -> None:
    """And so is one that is right but for its end."""
    service = Service()
    user = await service.add()
    other = Service(parts={"codec": Key.hmac("o" * 32), "users": service.auth.parts.users})
    async with service.client() as api:
        forged = create_access_token({"sub": user.id}, codec=other.auth.parts.codec)
        assert (await api.get("/mine", headers=bearer(forged))).status_code == 401
        good = create_access_token({"sub": user.id}, codec=service.auth.parts.codec)
        assert (await api.get("/mine", headers=bearer(good))).status_code == 200
        assert (await api.get("/mine", headers=bearer(good[:-1]))).status_code == 401


async def test_a_token_without_a_session_ends_with_all_sessions() -> None:
    """What `create_access_token` makes is revoked by its jti, or with everything else of its user."""
    service = Service()
    user = await service.add()
    codec, tokens = service.auth.parts.codec, service.auth.parts.tokens
    async with service.client() as api:
        one, two = (create_access_token({"sub": user.id}, codec=codec) for _ in range(2))
        now = service.clock.now()
        await tokens.revoke(codec.decode(one).jti, now=now, until=now + timedelta(hours=1))
        assert (await api.get("/mine", headers=bearer(one))).status_code == 401
        assert (await api.get("/mine", headers=bearer(two))).status_code == 200
        await tokens.close_all(user.id, now=now)
        assert (await api.get("/mine", headers=bearer(two))).status_code == 401


async def test_a_session_id_of_another_type_is_refused() -> None:
    """A token of ours that names no session by a text is none that we made."""
    service = Service()
    user = await service.add()
    claims = Claims.issue(user.id, now=service.clock.now(), lifetime=AuthOptions().access_lifetime, extra={"sid": 1})
    async with service.client() as api:
        response = await api.get("/mine", headers=bearer(service.auth.parts.codec.encode(claims)))
        assert response.status_code == 401


@pytest.mark.parametrize(("status", "path"), [(403, "/mine"), (400, "/mine"), (403, "/reference"), (400, "/reference")])
async def test_an_inactive_user_is_known_and_refused(status: Any, path: str) -> None:
    """With a 403, or with the reference's 400; `get_current_user` alone gives them all the same."""
    service = Service(parts={"options": AuthOptions(inactive_status=status)})
    user = await service.add()
    async with service.client() as api:
        tokens = await log_in(api)
        service.users.replace(replace(user, is_active=False))
        response = await api.get(path, headers=bearer(tokens))
        assert (response.status_code, response.json()["detail"]) == (status, "Inactive user")
        assert (await api.get("/anybody", headers=bearer(tokens))).status_code == 200


async def test_a_scope_that_is_missing_is_named() -> None:
    """403 with the error and the scopes that are needed (RFC 6750, section 3.1)."""
    service = Service()
    await service.add()
    async with service.client() as api:
        tokens = await log_in(api)
        assert (await api.get("/books", headers=bearer(tokens))).status_code == 200
        refused = await api.post("/books", headers=bearer(tokens))
        assert refused.status_code == 403
        assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="books:write"'
        assert (await api.get("/editors", headers=bearer(tokens))).status_code == 403


async def test_a_role_that_is_taken_away_is_gone_at_once() -> None:
    """The token still has the scope; the user has not."""
    service = Service()
    user = await service.add("ann@example.com", "editor")
    async with service.client() as api:
        tokens = await log_in(api)
        assert (await api.post("/books", headers=bearer(tokens))).status_code == 200
        assert (await api.get("/editors", headers=bearer(tokens))).status_code == 200
        service.users.replace(replace(user, roles=("reader",)))
        assert (await api.post("/books", headers=bearer(tokens))).status_code == 403
        assert (await api.get("/editors", headers=bearer(tokens))).status_code == 403
        assert (await api.get("/books", headers=bearer(tokens))).status_code == 200


async def test_a_login_that_is_too_old_is_asked_for_again() -> None:
    """401 with RFC 9470's error; a renewed token is as old as its login."""
    service = Service(parts={"options": AuthOptions()})
    await service.add()
    async with service.client() as api:
        tokens = await log_in(api)
        assert (await api.get("/fresh", headers=bearer(tokens))).status_code == 200
        service.clock.advance(601)
        renewed = (await api.post("/auth/refresh", data={"refresh_token": tokens["refresh_token"]})).json()
        refused = await api.get("/fresh", headers=bearer(renewed))
        assert refused.status_code == 401
        expected = 'Bearer error="insufficient_user_authentication", max_age="600"'
        assert refused.headers["www-authenticate"] == expected


def test_an_unknown_scope_is_refused_at_start_up() -> None:
    """It would lock everybody out."""
    with pytest.raises(ValueError, match="books:wirte"):
        Service().auth.require("books:wirte")


async def test_the_user_is_the_principal_and_in_the_log() -> None:
    """Scopes of rows, limits and logs find the same user."""
    service = Service()
    user = await service.add()
    app = service.app()
    seen: list[Any] = []

    @app.get("/principal", dependencies=[Depends(service.auth.current_user())])
    async def principal(request: Request) -> None:
        seen.extend([principal_of(request.scope), get_contextvars().get("user_id")])

    app.add_middleware(RequestContextMiddleware)
    async with client(app) as api:
        tokens = await log_in(api)
        await api.get("/principal", headers=bearer(tokens))
    assert seen == [user, user.id]


async def test_a_request_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several dependencies in one request cost one look at the token and one at the user."""
    service = Service()
    await service.add()
    app, auth = service.app(), service.auth
    calls: list[str] = []
    get = auth.parts.users.get

    async def counted(user_id: str, /, **options: Any) -> Any:
        calls.append(user_id)
        return await get(user_id, **options)

    monkeypatch.setattr(service.users, "get", counted)

    @app.get("/both", dependencies=[Depends(auth.require("books:read")), Depends(auth.require(roles={"reader"}))])
    async def both(user: Annotated[Any, Depends(auth.current_user())]) -> None:
        """Three dependencies."""

    async with client(app) as api:
        tokens = await log_in(api)
        calls.clear()
        assert (await api.get("/both", headers=bearer(tokens))).status_code == 200
    assert len(calls) == 1


async def test_a_websocket_knows_its_user() -> None:
    """The same dependency works there."""
    service = Service()
    await service.add()
    app = service.app()

    @app.websocket("/ws")
    async def echo(websocket: WebSocket, user: Annotated[Any, Depends(service.auth.current_user())]) -> None:
        await websocket.accept()
        await websocket.send_text(user.email)
        await websocket.close()

    async with client(app) as api:
        tokens = await log_in(api)
    with TestClient(app) as sync, sync.websocket_connect("/ws", headers=bearer(tokens)) as websocket:
        assert websocket.receive_text() == "ann@example.com"


async def test_tests_may_override_the_user() -> None:
    """Whoever stands in for the user is asked for roles all the same."""
    service = Service()
    app = service.app()
    app.dependency_overrides[service.auth.current_user()] = lambda: User("1", "tess@example.com", roles=("reader",))
    async with client(app) as api:
        assert (await api.get("/mine")).json() == "tess@example.com"
        assert (await api.get("/books")).status_code == 200
        assert (await api.post("/books")).status_code == 403


def test_the_document_shows_what_is_needed() -> None:
    """The OAuth2 form, its address and scopes; which operations need which; the other ways in."""
    document = Service().app().openapi()
    schemes = document["components"]["securitySchemes"]
    flow = schemes["OAuth2"]["flows"]["password"]
    assert (flow["tokenUrl"], flow["scopes"]) == ("auth/token", dict(PERMISSIONS.scopes))
    assert schemes["APIKey"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    paths = document["paths"]
    assert paths["/mine"]["get"]["security"] == [{"OAuth2": []}, {"APIKey": []}]
    assert {"OAuth2": ["books:write"]} in paths["/books"]["post"]["security"]
    assert paths["/reference"]["get"]["security"] == [{"Bearer": []}]
    assert "security" not in paths["/auth/token"]["post"]


def test_the_bearer_style_is_a_choice() -> None:
    """`/docs` then asks for a token."""
    document = Service(parts={"scheme": "bearer", "api_keys": None}).app().openapi()
    assert document["paths"]["/mine"]["get"]["security"] == [{"Bearer": []}]
    assert document["components"]["securitySchemes"]["Bearer"]["scheme"] == "bearer"


async def test_without_its_lifespan_the_reference_says_how() -> None:
    """The message names the cure."""
    app = FastAPI()

    @app.get("/")
    async def root(user: Annotated[Any, Depends(get_current_user)]) -> None:
        """Unreachable."""

    with pytest.raises(NoAuthError, match=r"auth\.lifespan"):
        async with client(app, raise_app_exceptions=True) as api:
            await api.get("/")


def test_several_workers_need_shared_stores() -> None:
    """Asked by `create_app`, which knows how many there are."""
    auth: Auth[User] = Auth(KEY, users=MemoryUserStore(), tokens=MemoryTokenStore())
    auth.check_workers(1)
    with pytest.raises(UnsharedStoreError, match="2 workers"):
        auth.check_workers(2)
