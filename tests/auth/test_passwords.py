"""Hashing and comparing: which rows are good, that nothing raises, and what time and memory tell."""

import asyncio
import importlib
import time
from statistics import median
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastapi_kit.auth import Argon2, PasswordHasher, Verification, get_password_hash, verify_password

pytestmark = pytest.mark.anyio

schemes: Any = importlib.import_module("passlib.hash")
QUICK = Argon2(memory_kib=64, time_cost=1)
RIGHT = "correct hörse"
INVALID = Verification(valid=False)

OLD: dict[str, Any] = {
    "bcrypt": schemes.bcrypt.using(rounds=4),
    "bcrypt_sha256": schemes.bcrypt_sha256.using(rounds=4),
    "pbkdf2_sha256": schemes.pbkdf2_sha256.using(rounds=10),
    "pbkdf2_sha512": schemes.pbkdf2_sha512.using(rounds=10),
    "argon2 of another cost": schemes.argon2.using(memory_cost=128, rounds=1, parallelism=1),
    "argon2i": schemes.argon2.using(memory_cost=64, rounds=1, parallelism=1, type="I"),
}


def hasher(deadline: float = 0.001, **options: Any) -> PasswordHasher:
    """One that is quick, for tests of other things than cost."""
    return PasswordHasher(options.pop("argon2", QUICK), deadline=deadline, **options)


async def test_a_hash_is_of_one_password() -> None:
    """The password of a hash is valid, another is not, and no two hashes are the same."""
    own = hasher()
    first, second = await own.hash(RIGHT), await own.hash(RIGHT)
    assert first != second
    assert first.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert await own.verify(RIGHT, first) == Verification(valid=True, needs_rehash=False)
    assert await own.verify(RIGHT + "x", first) == INVALID


@pytest.mark.parametrize("scheme", OLD)
async def test_older_rows_are_good_and_need_a_rehash(scheme: str) -> None:
    """Rows of older schemes and costs are compared, and replaced when their password is at hand."""
    row = OLD[scheme].hash(RIGHT)
    assert await hasher().verify(RIGHT, row) == Verification(valid=True, needs_rehash=True)
    assert await hasher().verify("wrong", row) == INVALID


async def test_a_scheme_that_is_not_asked_for_is_not_accepted() -> None:
    """Who has no bcrypt rows may say so."""
    assert await hasher(legacy=()).verify(RIGHT, OLD["bcrypt"].hash(RIGHT)) == INVALID


@pytest.mark.parametrize("length", [71, 72, 73, 200])
async def test_a_long_password_is_compared_with_a_bcrypt_row_as_it_was_made(length: int) -> None:
    """Bcrypt takes 72 bytes, and before version 5.0 ignored the rest: such rows go on to work, until the rehash."""
    row = OLD["bcrypt"].hash("a" * min(length, 72))
    assert (await hasher().verify("a" * length, row)).valid
    assert not (await hasher().verify("a" * 70, row)).valid
    whole = await hasher().hash("a" * length)
    assert not (await hasher().verify("a" * (length + 1), whole)).valid


_SALT_AND_DIGEST = f"{'A' * 22}${'A' * 43}"
ROWS = [
    None,
    "",
    "x",
    "\0",
    "é",
    "\ud800",
    "{SSHA}AAAA",
    "$2b$",
    f"$2b$12${'.' * 53}x",
    f"$2b$31${'.' * 53}",
    "$argon2id$",
    "$argon2id$v=19$m=64,t=1,p=1$AA$AA",
    f"$argon2id$v=19$m=999999999,t=1,p=1${_SALT_AND_DIGEST}",
    f"$argon2id$v=19$m=64,t=9999999,p=1${_SALT_AND_DIGEST}",
    "$pbkdf2-sha256$999999999$AA$AA",
    *(pytest.param(scheme.hash("x"), id=name) for name, scheme in OLD.items()),
]


async def test_there_is_a_longest_password(caplog: pytest.LogCaptureFixture) -> None:
    """What is longer than 4096 bytes has no hash, and is a wrong password, which says nothing against the row."""
    own, longest = hasher(), "é" * 2048
    assert (await own.verify(longest, await own.hash(longest))).valid
    with pytest.raises(ValueError, match="4096"):
        await own.hash(longest + "x")
    assert await own.verify(longest + "x", await own.hash(longest)) == INVALID
    assert not caplog.text


SHARED = hasher()
PASSWORDS = ["", "\0", "a\0b", "a" * 73, "é" * 37, "\ud800", "\U0001f600", "a" * 100_000]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: repr(row)[:30])
@pytest.mark.parametrize("password", PASSWORDS, ids=lambda it: repr(it)[:12])
async def test_no_password_and_no_row_raises(password: str, row: str | None) -> None:
    """Whatever is entered and whatever is stored, the answer is no."""
    assert await SHARED.verify(password, row) == INVALID


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(), st.text() | st.builds("$argon2id${}${}".format, st.text(), st.text()))
def test_verify_password_never_raises(password: str, row: str) -> None:
    """The law: any two texts get an answer, and the hash of a password is good for it."""
    assert verify_password(password, row) is False


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.text(max_size=100), st.text(max_size=100))
def test_any_text_has_a_hash(password: str, other: str) -> None:
    """The law: a hash is good for its password, and for no other, whatever text they are."""
    row = get_password_hash(password)
    assert verify_password(password, row)
    assert verify_password(other, row) is (other == password)


async def test_a_row_that_cannot_be_read_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody must learn that a user cannot log in, and nobody the hash."""
    await hasher().verify("x", "$unknown$secret")
    assert "cannot log in" in caplog.text
    assert "secret" not in caplog.text


async def test_who_may_not_log_in_fails_with_the_right_password() -> None:
    """An inactive user is answered as for a wrong password, at the deadline."""
    own = hasher(deadline=0.2)
    row = await own.hash(RIGHT)
    started = time.monotonic()
    assert await own.verify(RIGHT, row, eligible=False) == INVALID
    assert time.monotonic() - started >= 0.2


async def test_success_does_not_wait() -> None:
    """The deadline is of failures only."""
    own = hasher(deadline=5)
    row = await own.hash(RIGHT)
    async with asyncio.timeout(2):
        assert (await own.verify(RIGHT, row)).valid


async def test_failures_are_answered_at_one_deadline() -> None:
    """An unknown user, a wrong password and rows of each scheme take the same time: medians differ by under 5 ms."""
    own = hasher(deadline=0.1)
    rows = {"unknown": None, "known": await own.hash(RIGHT)} | {name: it.hash(RIGHT) for name, it in OLD.items()}
    times: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(7):
        for name, row in rows.items():
            started = time.monotonic()
            await own.verify("wrong", row)
            times[name].append(time.monotonic() - started)
    medians = [median(it) for it in times.values()]
    assert min(medians) >= 0.1
    assert max(medians) - min(medians) < 0.005


async def test_a_missed_deadline_is_answered_at_its_next_multiple(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes longer than the deadline does not show how much longer."""
    own = hasher(deadline=0.1)

    def slow(password: str, stored: str | None) -> Verification:
        time.sleep(0.13)
        return INVALID

    monkeypatch.setattr(own, "_compare", slow)
    started = time.monotonic()
    await own.verify("wrong", None)
    assert 0.2 <= time.monotonic() - started < 0.28


async def test_the_deadline_is_measured_and_at_least_the_slowest() -> None:
    """Unless it is given, it is as long as the slowest scheme takes here, and measured once."""
    own = PasswordHasher(QUICK, legacy=("bcrypt",), bcrypt_rounds=10)
    deadline = await own.calibrate()
    started = time.monotonic()
    schemes.bcrypt.using(rounds=10).hash("x")
    assert deadline >= (time.monotonic() - started) * 0.7
    assert await own.calibrate() == deadline
    assert await PasswordHasher(QUICK, legacy=()).calibrate() < deadline


async def test_unknown_users_cost_as_much_work_as_known_ones() -> None:
    """The deadline hides time from clients, and equal work hides it from whoever watches the machine."""
    own = hasher(argon2=Argon2(memory_kib=4096, time_cost=3))
    row = await own.hash(RIGHT)
    cpu: dict[str | None, list[float]] = {None: [], row: []}
    for _ in range(9):
        for stored, times in cpu.items():
            started = time.process_time()
            await own.verify("wrong", stored)
            times.append(time.process_time() - started)
    assert 0.5 < median(cpu[None]) / median(cpu[row]) < 2


async def test_memory_is_bounded() -> None:
    """Comparisons wait for each other rather than take more memory than is allowed."""
    own = hasher(argon2=Argon2(memory_kib=1024), memory_mib=1, workers=4)
    inside, most = 0, 0
    match = own._hashes.match  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    def watched(password: str, stored: str) -> Any:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.005)
        inside -= 1
        return match(password, stored)

    own._hashes.match = watched  # type: ignore[method-assign]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    await asyncio.gather(*(own.verify("x", None) for _ in range(8)))
    assert most == 1


def test_a_hash_must_fit_into_the_memory() -> None:
    """A cost that could never be paid is refused at construction."""
    with pytest.raises(ValueError, match="memory_mib=16"):
        PasswordHasher(Argon2(memory_kib=65_536), memory_mib=16)


async def test_one_that_is_cancelled_leaves_the_others_alone() -> None:
    """A request that goes away while it waits takes nothing with it."""
    own = hasher(workers=1)
    tasks = [asyncio.create_task(own.verify("x", None)) for _ in range(6)]
    await asyncio.sleep(0)
    for task in tasks[:5]:
        task.cancel()
    assert await tasks[5] == INVALID
    assert await own.verify(RIGHT, await own.hash(RIGHT)) == Verification(valid=True)
