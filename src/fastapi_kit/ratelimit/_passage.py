"""What a request carries through the app of its limits: where they count, and what the answer is to tell."""

from collections.abc import Awaitable

from starlette.types import Message, Scope, Send

from fastapi_kit.ratelimit._headers import Note, joined
from fastapi_kit.ratelimit._stores import LimitStore

_PASSAGE = "fastapi_kit.limits"
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class Passage:
    """A request on its way through the middleware.

    Args:
        store: Where limits are counted.
        send: Sends what the passage has been given.
    """

    __slots__ = ("_send", "notes", "store")

    def __init__(self, store: LimitStore, send: Send) -> None:
        self.store = store
        self.notes: list[Note] = []
        self._send = send

    def enter(self, scope: Scope) -> None:
        """Let dependencies find it."""
        scope[_PASSAGE] = self

    def send(self, message: Message) -> Awaitable[None]:
        """Send on, and tell of the limits where the answer starts."""
        if self.notes and message["type"] in _STARTS:
            message = {**message, "headers": [*message.get("headers", ()), *joined(self.notes)]}
        return self._send(message)


def passage_of(scope: Scope) -> Passage | None:
    """The passage of a request, if its app has limits installed."""
    found: Passage | None = scope.get(_PASSAGE)
    return found
