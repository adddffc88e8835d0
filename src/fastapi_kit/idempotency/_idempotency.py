"""`Idempotency`: what makes an endpoint be carried out once for each key.

Theory of operation. Where the endpoint would be called, its dependencies have run: whoever may not call it has been
refused, and the principal is known. There the key is taken, or the answer of before is given. What is to be kept is the
answer as it is sent, so a response model has to be applied first; and a store in the app's database has to have it
before the commit. FastAPI renders an answer in the route's handler, which ends before the session is committed. So the
handler of `route_class` is where the answer is kept; with any other store it is kept when the response is sent, as by
then the commit has not failed.
"""

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Scope

from fastapi_kit._asgi import SESSION, header
from fastapi_kit._principal import UnknownUserError
from fastapi_kit.errors import BadRequestError, ConflictError, UnprocessableContentError
from fastapi_kit.idempotency._attempt import ATTEMPT, Attempt, Bounds, replayed
from fastapi_kit.idempotency._heartbeat import Heartbeat
from fastapi_kit.idempotency._memory import MEBIBYTE, MemoryIdempotency
from fastapi_kit.idempotency._record import TOO_LARGE, Record
from fastapi_kit.idempotency._request import HEADER, MalformedKeyError, fingerprint, key_in, owner_of, record_key
from fastapi_kit.idempotency._route import SAFE, idempotent_route
from fastapi_kit.idempotency._sql import SQLIdempotency
from fastapi_kit.idempotency._store import Begun, IdempotencyError, IdempotencyStore, InProgress

P = ParamSpec("P")
R = TypeVar("R")

_DAY = 86_400.0


class Idempotency:
    """Makes unsafe requests with an `Idempotency-Key` be carried out once.

        idempotency = Idempotency()
        router = APIRouter(route_class=idempotency.route_class)

    A request without a key is carried out as ever. With one, a retry by the same principal, with the same method, path
    and content gets the status, headers and body of the first answer, and `Idempotent-Replayed: true`. What an endpoint
    raises is not kept, as nothing was written: the retry is carried out. What it returns is, but for a 5xx.

    Answers besides the endpoint's own: 400 for a malformed or missing key, 409 with `Retry-After` while the first
    request is being carried out, 422 for other content, 503 while the store cannot be reached.

    Args:
        store: Where answers are kept; by default in this process. `SQLIdempotency` keeps them in the transaction of the
            write, `fastapi_kit.idempotency.redis.RedisIdempotency` on Redis.
        required: Whether requests must have a key.
        keep: Seconds for which an answer is kept.
        lease: Seconds for which a key is held without news of the process that carries the request out.
        max_body: Bytes of the largest body that is kept; of a larger one, or a stream, it is kept that it was sent.
        owner: Whose a request is, where that is neither said by `set_principal` nor by credentials in its headers.

    Raises:
        ValueError: A number is not above 0.
    """

    def __init__(  # noqa: PLR0913 - one attempt's bounds, each by its name
        self,
        store: IdempotencyStore | SQLIdempotency | None = None,
        *,
        required: bool = False,
        keep: float = _DAY,
        lease: float = 10.0,
        max_body: int = MEBIBYTE,
        owner: Callable[[Request], str] | None = None,
    ) -> None:
        if not (keep > 0 and lease > 0 and max_body > 0):
            raise ValueError(f"keep={keep!r}, lease={lease!r}, max_body={max_body!r}: all are above 0")
        self._store = MemoryIdempotency() if store is None else store
        self._required = required
        self._owner = owner
        self._bounds = Bounds(lease, keep, max_body)
        self._heartbeat = Heartbeat(lease / 3)
        self.route_class: type[APIRoute] = idempotent_route(self)
        """For `APIRouter(route_class=...)`: its POST, PUT, PATCH and DELETE routes take keys."""

    def protected(self, endpoint: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        """Let an endpoint take keys that returns a `Response`, such as an override of a `CRUDRouter`.

        Its first argument is the request, or has it as `request`.
        """

        @wraps(endpoint)
        async def once(*arguments: P.args, **named: P.kwargs) -> R:
            request: Any = getattr(arguments[0], "request", arguments[0])
            answer: Any = await self.run(request, partial(endpoint, *arguments, **named))
            attempt: Attempt | None = request.scope.pop(ATTEMPT, None)
            if attempt is None:
                return answer  # type: ignore[no-any-return]
            if not isinstance(answer, Response):
                await attempt.abandon()
                raise IdempotencyError(
                    f"{endpoint.__qualname__} returns no Response: put it on a router with route_class=..."
                )
            return await self.finish(request, attempt, answer)  # type: ignore[return-value]

        return once

    async def run(self, request: Request, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Call, or answer in its place; what is called leaves its `Attempt` in the scope."""
        scope = request.scope
        sent = header(scope["headers"], HEADER)
        if scope["method"] in SAFE or (sent is None and not self._required):
            return await call()
        store = self._store_for(scope)
        key, content = self._read(request, sent, await request.body())
        beginning = await store.begin(key, content, self._bounds.lease)
        if not isinstance(beginning, Begun):
            return _again(beginning, content)
        attempt = scope[ATTEMPT] = Attempt(store, beginning, self._bounds, self._heartbeat)
        try:
            return await call()
        except BaseException:
            del scope[ATTEMPT]
            await attempt.abandon()
            raise

    async def finish(self, request: Request, attempt: Attempt, response: Response) -> Response:
        """Keep the answer with the session's commit, or after it."""
        session: AsyncSession | None = request.scope.get(SESSION)
        if isinstance(self._store, SQLIdempotency):
            if session is not None:
                await session.flush()
            await attempt.write(response)
            return response
        if session is not None:
            attempt.let_go_on_rollback(session)
        return attempt.written_later(response)

    @property
    def in_transaction(self) -> bool:
        """Whether endpoints need a session."""
        return isinstance(self._store, SQLIdempotency)

    def _store_for(self, scope: Scope) -> IdempotencyStore:
        if not isinstance(self._store, SQLIdempotency):
            return self._store
        session: AsyncSession | None = scope.get(SESSION)
        if session is None:
            raise IdempotencyError(
                "SQLIdempotency keeps the answer in the request's session, and there is none: "
                "give the route Depends(get_session, scope='function')"
            )
        return self._store.on(session)

    def _read(self, request: Request, sent: bytes | None, body: bytes) -> tuple[str, str]:
        """The key of the record, and the fingerprint of the content."""
        if sent is None:
            raise BadRequestError("This request needs an Idempotency-Key header.")
        scope = request.scope
        headers = dict(scope["headers"])
        try:
            owner = owner_of(scope, headers) if self._owner is None else [self._owner(request).encode()]
            key = record_key(key_in(sent), scope, owner)
        except MalformedKeyError:
            raise BadRequestError("The Idempotency-Key is not of 1 to 255 visible ASCII characters.") from None
        except UnknownUserError:
            raise IdempotencyError(
                "the principal has no identity: set_principal() takes a text, a number, or what has an `id`"
            ) from None
        return key, fingerprint(scope["query_string"], headers.get(b"content-type", b""), body)


def _again(record: Record | InProgress, content: str) -> Response:
    if isinstance(record, InProgress):
        raise ConflictError("A request with this Idempotency-Key is being carried out.", headers={"Retry-After": "1"})
    if record.fingerprint != content:
        raise UnprocessableContentError("This Idempotency-Key was used for a request with other content.")
    if record.status == TOO_LARGE:
        raise ConflictError("This request was carried out before; its answer was not kept.")
    return replayed(record)
