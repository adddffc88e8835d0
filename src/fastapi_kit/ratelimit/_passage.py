"""What a request carries through the app of its limits: where they count, and what the answer is to tell."""

from dataclasses import dataclass, field

from starlette.types import Message, Scope, Send

from fastapi_kit.ratelimit._headers import Note, joined
from fastapi_kit.ratelimit._stores import LimitStore

_PASSAGE = "fastapi_kit.limits"
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


@dataclass(slots=True)
class Passage:
    """A request on its way through the middleware."""

    store: LimitStore
    send_on: Send
    notes: list[Note] = field(default_factory=list[Note])

    def enter(self, scope: Scope) -> None:
        """Let dependencies find it."""
        scope[_PASSAGE] = self

    async def send(self, message: Message) -> None:
        """Send on, and tell of the limits where the answer starts."""
        if self.notes and message["type"] in _STARTS:
            policies, left = joined(self.notes)
            fields = [(b"ratelimit-policy", policies.encode()), (b"ratelimit", left.encode())]
            message = {**message, "headers": [*message.get("headers", ()), *fields]}
        await self.send_on(message)


def passage_of(scope: Scope) -> Passage | None:
    """The passage of a request, if its app has limits installed."""
    found: Passage | None = scope.get(_PASSAGE)
    return found
