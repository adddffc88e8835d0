"""How a websocket is told of an error: before the handshake as HTTP, after it by a close code."""

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

_POLICY_VIOLATION = 1008
_INTERNAL_ERROR = 1011
_SERVER_ERRORS = 500


async def refuse(websocket: WebSocket, response: Response) -> None:
    """Send `response` in place of the handshake, where the server can; else close (RFC 6455, section 7.4.1)."""
    unanswered = websocket.application_state is WebSocketState.CONNECTING
    if unanswered and "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(response)
    elif websocket.application_state is not WebSocketState.DISCONNECTED:
        await websocket.close(_INTERNAL_ERROR if response.status_code >= _SERVER_ERRORS else _POLICY_VIOLATION)
