"""What a check is, and what it found."""

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

READY = "ready"
"""The group that `/ready` asks."""

Outcome = Literal["pass", "fail", "timeout"]

_GROUP = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_RESERVED = "details"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a check may return to tell more than yes or no.

    Attributes:
        value: What was measured.
        unit: Of the value, such as `bytes`.
        passes: Whether the check passes with it.
    """

    value: float
    unit: str
    passes: bool = True


@dataclass(frozen=True, slots=True)
class Check:
    """A question to something that the service depends on.

    Attributes:
        name: What is checked, as clients may see it; unique among the checks of a runner.
        run: An async function without parameters, such as `database.ping` or a Redis client's `ping`. The check fails
            if it raises or returns `False`, or a `Measured` that does not pass.
        timeout: Seconds after which it counts as failed.
        critical: Whether the service cannot do its work without it.
        ttl: Seconds for which a result is given again without asking, so that no number of probes asks more often.
        groups: Which questions it belongs to: `ready` is asked by `/ready`, any other one by `/health/<group>`.

    Raises:
        ValueError: If the name is empty, the timeout is not above 0, the ttl is below 0, there is no group, or a group
            is not lower-case words joined by hyphens.
    """

    name: str
    run: Callable[[], Awaitable[object]]
    timeout: float = 2.0
    critical: bool = True
    ttl: float = 1.0
    groups: Collection[str] = (READY,)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("A check needs a name.")
        if not self.timeout > 0:
            message = f"The timeout of the check {self.name!r} is {self.timeout} seconds; it has to be above 0."
            raise ValueError(message)
        if not self.ttl >= 0:
            message = f"The ttl of the check {self.name!r} is {self.ttl} seconds; it has to be 0 or more."
            raise ValueError(message)
        if isinstance(self.groups, str) or not self.groups:
            message = f"The groups of the check {self.name!r} are {self.groups!r}; give one or more, as in {{'ready'}}."
            raise ValueError(message)
        for group in self.groups:
            if not _GROUP.fullmatch(group) or group == _RESERVED:
                message = (
                    f"{group!r} cannot be a group of the check {self.name!r}: it is part of a path, so make it of "
                    f"lower-case words joined by hyphens, other than {_RESERVED!r}."
                )
                raise ValueError(message)


def check(
    name: str,
    *,
    timeout: float = 2.0,
    critical: bool = True,
    ttl: float = 1.0,
    groups: Collection[str] = (READY,),
) -> Callable[[Callable[[], Awaitable[object]]], Check]:
    """Make a `Check` of an async function: the decorated name is the check.

    Takes and raises what `Check` does.

    Example:
        >>> @check("mail", critical=False)
        ... async def mail() -> None:
        ...     "Raises if the mail server does not answer."
        >>> mail.name, mail.critical
        ('mail', False)
    """

    def decorate(run: Callable[[], Awaitable[object]]) -> Check:
        return Check(name, run, timeout, critical, ttl, groups)

    return decorate


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check ended.

    Attributes:
        name: The check's.
        outcome: `pass`, `fail` or `timeout`.
        critical: The check's.
        seconds: How long it took.
        at: When it ended.
        error: The class of what it raised; never the message, which may hold addresses and passwords.
        measured: What it returned, if that is a measurement.
    """

    name: str
    outcome: Outcome
    critical: bool
    seconds: float
    at: datetime
    error: str | None = None
    measured: Measured | None = None
