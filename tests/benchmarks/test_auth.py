"""The benchmark of authentication, for a moment."""

import pytest

from benchmarks._measure import Pace
from benchmarks._mode import Mode
from benchmarks.auth import Suite

pytestmark = pytest.mark.anyio

SHORT = Mode(Pace(rounds=1, calls=1, seconds=1))


async def test_each_kind_of_key_and_the_logins_are_measured() -> None:
    """Ours is set against the library that computes for it, and logins against an idle server."""
    rows = await Suite(SHORT, rounds=1).run(lambda _: None)
    verify = [(row.name, row.peer) for row in rows if row.name.startswith("auth.verify")]
    assert verify == [
        (f"auth.verify.{kind}{backend}.{clock}", peer)
        for kind in ("hs256", "rs256", "es256")
        for backend, peer in (("", "jose.jwt.decode"), (".pyjwt", "jwt.decode"))
        for clock in ("cpu", "wall")
    ]
    logins = {row.name: row for row in rows if row.name.startswith("auth.logins")}
    assert "auth.logins.p99" in logins
    assert all(row.ours_us > 0 and row.peer_us > 0 and row.goal is not None for row in logins.values())
