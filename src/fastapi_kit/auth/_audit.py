"""What happens to accounts, told to the log and to whoever wants to know."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog

AuditKind = Literal[
    "login",
    "login_failed",
    "throttled",
    "refreshed",
    "refresh_reused",
    "logout",
    "logout_all",
    "registered",
    "verified",
    "reset_requested",
    "password_reset",
    "password_changed",
    "totp_enabled",
    "totp_disabled",
    "api_key_created",
    "api_key_revoked",
]

_WARNINGS = frozenset({"login_failed", "throttled", "refresh_reused"})
_LOGGER = "fastapi_kit.auth"

logger = logging.getLogger(_LOGGER)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that happened to an account, or was tried.

    Attributes:
        kind: What.
        at: When.
        user_id: Whose account, where there is one.
        email: The address that was typed, where a login or a reset was tried; not in the log.
        session_id: In which session.
        address: From where.
    """

    kind: AuditKind
    at: datetime
    user_id: str | None = None
    email: str | None = None
    session_id: str | None = None
    address: str | None = None


AuditCallback = Callable[[AuditEvent], Awaitable[None]]


class Audit:
    """Tells the log, and a callback: one that raises is logged, and fails no request."""

    def __init__(self, callback: AuditCallback | None = None) -> None:
        self._callback = callback

    async def tell(self, event: AuditEvent) -> None:
        """Tell of an event that has happened."""
        log: Any = structlog.get_logger(_LOGGER)
        write = log.warning if event.kind in _WARNINGS else log.info
        write(event.kind, user_id=event.user_id, session_id=event.session_id, address=event.address)
        if self._callback is not None:
            try:
                await self._callback(event)
            except Exception:
                logger.exception("The audit callback has failed at %s.", event.kind)
