"""The layer that counts requests before they are routed, and tells of all limits in the answer."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_kit.errors import Answers
from fastapi_kit.ratelimit._limit import RateLimit
from fastapi_kit.ratelimit._passage import Passage
from fastapi_kit.ratelimit._policies import Policies
from fastapi_kit.ratelimit._problem import TooManyRequestsError
from fastapi_kit.ratelimit._refusal import Refusal
from fastapi_kit.ratelimit._stores import LimitStore


class RateLimitMiddleware:
    """Applies policies to requests and websockets, and gives `RateLimit` dependencies their store; `install` adds it.

    The routes are looked at when the app starts; at the first request where no lifespan is run.

    Args:
        app: What is inside; a FastAPI or Starlette app's layers.
        store: Where requests are counted.
        policies: As in `install`.
        answers: As in `install`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        store: LimitStore,
        policies: Mapping[str, RateLimit | None],
        answers: Answers | None = None,
    ) -> None:
        self.app = app
        self._store = store
        self._policies = dict(policies)
        self._refusal = Refusal(answers)
        self._bound: Policies | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what is inside, if the quota allows it.

        Raises:
            UnmatchedLimitError: At start-up, if a policy matches no route.
        """
        if scope["type"] not in {"http", "websocket"}:
            if scope["type"] == "lifespan":
                self._bound = Policies(self._policies, scope["app"].routes)
            await self.app(scope, receive, send)
            return
        if self._bound is None:
            self._bound = Policies(self._policies, scope["app"].routes)
        passage = Passage(self._store, send)
        passage.enter(scope)
        policy = self._bound.find(scope)
        if policy is not None and (limit := policy.limit) is not None:
            store = self._store
            try:
                note = limit.count_now(scope, policy.prefix, store) or await limit.count(scope, policy.key, store)
                if note is not None:
                    passage.notes.append(note)
                    _, decision = note
                    if not decision.allowed:
                        raise TooManyRequestsError(decision.retry_after())
            except HTTPException as error:
                await self._refusal.answer(error, scope, receive, passage.send)
                return
        await self.app(scope, receive, passage.send)
