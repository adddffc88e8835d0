"""What every store of sessions does, whatever it is made on."""

import asyncio
import socket
from datetime import datetime, timedelta

import pytest

from fastapi_kit.auth import (
    MemoryTokenStore,
    RefreshToken,
    Rotation,
    Ticket,
    TokenReference,
    TokenStore,
    UnsharedStoreError,
)
from fastapi_kit.auth._sessions import SESSIONLESS
from fastapi_kit.auth.redis import RedisTokenStore
from fastapi_kit.errors import ServiceUnavailableError
from fastapi_kit.redis import RedisClient
from tests.auth.accounts import NOW, make_session, make_token
from tests.auth.stores import kept

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def reference(token_id: str, user_id: str, issued_at: datetime, session_id: str | None = None) -> TokenReference:
    """What a store is told of a token."""
    return TokenReference(token_id, user_id, issued_at.timestamp(), session_id)


async def test_a_session_is_kept_as_it_was_opened(token_store: TokenStore) -> None:
    """What a user sees in the list is what was noted at login."""
    session = make_session()
    await token_store.open(session, make_token().digest)
    assert await token_store.sessions("ann", now=NOW) == [session]
    assert await token_store.sessions("bob", now=NOW) == []


async def use(
    store: TokenStore, token: RefreshToken, *, at: datetime = NOW, grace: timedelta = timedelta()
) -> tuple[Rotation, RefreshToken]:
    """What a use of a token comes to, and the successor, if there is one."""
    successor = token.successor()
    return await store.rotate(token.digest, successor.digest.token, now=at, grace=grace), successor


async def outcome(store: TokenStore, token: RefreshToken, *, at: datetime = NOW, grace: timedelta = timedelta()) -> str:
    """That of a use."""
    rotation, _ = await use(store, token, at=at, grace=grace)
    return rotation.outcome


async def test_a_token_is_good_once_and_brings_its_successor(token_store: TokenStore) -> None:
    """Rotation: the first use of each token in the chain succeeds."""
    first = make_token()
    await token_store.open(make_session(), first.digest)
    rotation, second = await use(token_store, first, at=NOW + HOUR)
    assert (rotation.outcome, rotation.session) == ("rotated", make_session().used_at(NOW + HOUR))
    assert await outcome(token_store, second, at=NOW + HOUR) == "rotated"


@pytest.mark.parametrize("grace", [timedelta(), 10 * SECOND], ids=["no grace", "grace"])
async def test_a_used_token_ends_the_session(token_store: TokenStore, grace: timedelta) -> None:
    """Reuse detection: thief and owner cannot be told apart, so neither goes on, however often was renewed since."""
    stolen = last = make_token()
    await token_store.open(make_session(), stolen.digest)
    for number in range(5):
        rotation, last = await use(token_store, last, at=NOW + number * HOUR, grace=grace)
        assert rotation.outcome == "rotated"
    reuse, _ = await use(token_store, stolen, at=NOW + 5 * HOUR, grace=grace)
    assert (reuse.outcome, reuse.session and reuse.session.user_id) == ("reused", "ann")
    assert await token_store.sessions("ann", now=NOW) == []
    assert await outcome(token_store, last, at=NOW + 5 * HOUR) == "unknown"
    assert not await token_store.admits(reference("jti", "ann", NOW, stolen.session_id), now=NOW)


async def test_a_token_that_was_never_issued_ends_nothing(token_store: TokenStore) -> None:
    """The session's id is no secret: who knows it can neither use nor end the session."""
    await token_store.open(make_session(), make_token().digest)
    assert await outcome(token_store, make_token()) == "unknown"
    assert len(await token_store.sessions("ann", now=NOW)) == 1


async def test_within_the_grace_a_used_token_is_answered_again(token_store: TokenStore) -> None:
    """A double click, or an answer that was lost, does not log the user out; after the grace it does."""
    first = make_token()
    grace = 10 * SECOND
    await token_store.open(make_session(), first.digest)
    await use(token_store, first, grace=grace)
    again, third = await use(token_store, first, at=NOW + SECOND, grace=grace)
    assert again.outcome == "repeated"
    assert await outcome(token_store, third, at=NOW + SECOND, grace=grace) == "rotated"
    assert await outcome(token_store, first, at=NOW + grace, grace=grace) == "reused"


async def test_two_that_renew_at_once_both_go_on(token_store: TokenStore) -> None:
    """Two tabs with a token each: the use of one uses up the other, which may be repeated within the grace."""
    first = make_token()
    grace = 10 * SECOND
    await token_store.open(make_session(), first.digest)
    for at in (NOW, NOW + HOUR):
        _, one = await use(token_store, first, at=at, grace=grace)
        _, other = await use(token_store, first, at=at + SECOND, grace=grace)
        first = one
    assert await outcome(token_store, one, at=NOW + 2 * HOUR, grace=grace) == "rotated"
    assert await outcome(token_store, other, at=NOW + 2 * HOUR + SECOND, grace=grace) == "repeated"
    assert await outcome(token_store, other, at=NOW + 3 * HOUR, grace=grace) == "reused"


async def test_of_many_uses_at_once_one_succeeds(token_store: TokenStore) -> None:
    """Fifty tasks present one token: one gets its successor, and the session is over for all."""
    token = make_token()
    await token_store.open(make_session(), token.digest)
    outcomes = await asyncio.gather(*(outcome(token_store, token) for _ in range(50)))
    assert outcomes.count("rotated") == 1
    assert set(outcomes) == {"rotated", "reused", "unknown"}


async def test_of_many_uses_at_once_within_the_grace_one_is_the_first(token_store: TokenStore) -> None:
    """The others repeat it, and the session goes on."""
    token = make_token()
    await token_store.open(make_session(), token.digest)
    outcomes = await asyncio.gather(*(outcome(token_store, token, grace=SECOND) for _ in range(20)))
    assert sorted(outcomes) == ["repeated"] * 19 + ["rotated"]
    assert len(await token_store.sessions("ann", now=NOW)) == 1


@pytest.mark.parametrize("grace", [timedelta(), 10 * SECOND], ids=["no grace", "grace"])
async def test_a_long_session_keeps_few_tokens(token_store: TokenStore, grace: timedelta) -> None:
    """What is kept does not grow with what was renewed, each time twice where that may be."""
    token = make_token()
    await token_store.open(make_session(), token.digest)
    for number in range(20):
        at = NOW + number * HOUR
        _, successor = await use(token_store, token, at=at, grace=grace)
        if grace:
            assert await outcome(token_store, token, at=at + SECOND, grace=grace) == "repeated"
        token = successor
    assert await kept(token_store, token) == (4 if grace else 1)


async def test_a_session_ends_by_itself(token_store: TokenStore) -> None:
    """At its end it neither renews nor admits."""
    token = make_token()
    await token_store.open(make_session(lasts=HOUR), token.digest)
    end = NOW + HOUR
    token_of_session = reference("jti", "ann", NOW, token.session_id)
    assert await token_store.admits(token_of_session, now=end - SECOND)
    assert not await token_store.admits(token_of_session, now=end)
    assert await outcome(token_store, token, at=end) == "unknown"
    assert await token_store.sessions("ann", now=end) == []


async def test_a_closed_session_admits_nothing(token_store: TokenStore) -> None:
    """Logout ends access tokens as well, at once."""
    token = make_token()
    await token_store.open(make_session(), token.digest)
    token_of_session = reference("jti", "ann", NOW, token.session_id)
    assert await token_store.admits(token_of_session, now=NOW)
    assert await token_store.close(token.session_id, user_id="ann")
    assert not await token_store.admits(token_of_session, now=NOW)
    assert await outcome(token_store, token) == "unknown"
    assert not await token_store.close(token.session_id, user_id="ann")


async def test_nobody_closes_the_session_of_another(token_store: TokenStore) -> None:
    """The list of sessions gives ids, and an id gives no right."""
    await token_store.open(make_session(), make_token().digest)
    assert not await token_store.close("s" * 22, user_id="bob")
    assert len(await token_store.sessions("ann", now=NOW)) == 1


async def test_all_sessions_of_a_user_end_but_the_one_that_is_kept(token_store: TokenStore) -> None:
    """A changed password leaves the session that changed it."""
    for letter in "abc":
        await token_store.open(make_session(letter * 22), make_token(letter * 22).digest)
    await token_store.open(make_session("d" * 22, user_id="bob"), make_token("d" * 22).digest)
    assert await token_store.close_all("ann", now=NOW, keep="b" * 22) == 2
    assert [session.id for session in await token_store.sessions("ann", now=NOW)] == ["b" * 22]
    assert await token_store.admits(reference("jti", "ann", NOW - HOUR, "b" * 22), now=NOW)
    assert await token_store.close_all("ann", now=NOW) == 1
    assert len(await token_store.sessions("bob", now=NOW)) == 1


async def test_keys_of_users_differ_by_case(token_store: TokenStore) -> None:
    """Nobody sees or ends the sessions of a namesake."""
    await token_store.open(make_session(), make_token().digest)
    for namesake in ("Ann", "ánn"):
        assert await token_store.sessions(namesake, now=NOW) == []
        assert await token_store.close_all(namesake, now=NOW) == 0
        assert not await token_store.close("s" * 22, user_id=namesake)
    assert await token_store.admits(reference("a", "ann", NOW), now=NOW)
    assert len(await token_store.sessions("ann", now=NOW)) == 1


async def test_tokens_without_a_session_end_with_all_sessions(token_store: TokenStore) -> None:
    """What was issued up to now ends, what comes later holds; other users' are untouched."""
    before, after = reference("a", "ann", NOW), reference("b", "ann", NOW + SECOND)
    assert await token_store.admits(before, now=NOW)
    await token_store.close_all("ann", now=NOW - HOUR)
    assert await token_store.admits(before, now=NOW)
    await token_store.close_all("ann", now=NOW)
    assert not await token_store.admits(before, now=NOW)
    assert await token_store.admits(after, now=NOW + SECOND)
    assert await token_store.admits(reference("c", "bob", NOW), now=NOW)


async def test_an_old_token_without_a_session_holds_no_more(token_store: TokenStore) -> None:
    """So that the end of all of a user's tokens may be forgotten without reviving one."""
    old = reference("a", "ann", NOW)
    await token_store.close_all("ann", now=NOW)
    assert await token_store.admits(reference("b", "bob", NOW), now=NOW + SESSIONLESS - SECOND)
    for user_id in ("ann", "bob"):
        assert not await token_store.admits(reference("c", user_id, NOW), now=NOW + SESSIONLESS)
    await token_store.purge(now=NOW + SESSIONLESS)
    assert not await token_store.admits(old, now=NOW + SESSIONLESS)


async def test_one_access_token_can_be_revoked(token_store: TokenStore) -> None:
    """By its jti, whether or not it belongs to a session, and as often as one likes."""
    await token_store.open(make_session(), make_token().digest)
    for _ in range(2):
        await token_store.revoke("bad", now=NOW, until=NOW + HOUR)
    assert not await token_store.admits(reference("bad", "ann", NOW), now=NOW)
    assert not await token_store.admits(reference("bad", "ann", NOW, "s" * 22), now=NOW)
    assert await token_store.admits(reference("good", "ann", NOW, "s" * 22), now=NOW)


async def test_a_ticket_is_redeemed_once(token_store: TokenStore) -> None:
    """Of many that try at once, one gets it."""
    ticket = Ticket("reset", "ann", "binding", NOW + HOUR)
    await token_store.issue("d" * 64, ticket, now=NOW)
    found = await asyncio.gather(*(token_store.redeem("reset", "d" * 64, now=NOW) for _ in range(20)))
    assert [it for it in found if it is not None] == [ticket]


async def test_a_ticket_is_good_for_its_purpose_and_time(token_store: TokenStore) -> None:
    """A verification does not reset a password, and what is over is not redeemed."""
    ticket = Ticket("verify", "ann", "ann@example.com", NOW + HOUR)
    await token_store.issue("d" * 64, ticket, now=NOW)
    assert await token_store.redeem("reset", "d" * 64, now=NOW) is None
    assert await token_store.redeem("verify", "e" * 64, now=NOW) is None
    assert await token_store.redeem("verify", "d" * 64, now=NOW + HOUR) is None


async def test_a_claim_is_granted_once(token_store: TokenStore) -> None:
    """Of many claims of one key the first is granted."""
    granted = await asyncio.gather(*(token_store.claim("ann:1", now=NOW, until=NOW + HOUR) for _ in range(20)))
    assert granted.count(True) == 1
    assert await token_store.claim("ann:2", now=NOW, until=NOW + HOUR)


async def test_what_is_over_is_purged(token_store: TokenStore) -> None:
    """Purging takes what is over and nothing else."""
    await token_store.open(make_session("a" * 22, lasts=HOUR), make_token("a" * 22).digest)
    await token_store.open(make_session("b" * 22), make_token("b" * 22).digest)
    await token_store.issue("d" * 64, Ticket("reset", "ann", "", NOW + HOUR), now=NOW)
    await token_store.revoke("jti", now=NOW, until=NOW + HOUR)
    await token_store.close_all("bob", now=NOW)
    assert await token_store.purge(now=NOW + HOUR) == (0 if isinstance(token_store, RedisTokenStore) else 3)
    assert [session.id for session in await token_store.sessions("ann", now=NOW + HOUR)] == ["b" * 22]
    assert not await token_store.admits(reference("jti", "bob", NOW), now=NOW + HOUR)
    assert await token_store.purge(now=NOW + SESSIONLESS) == (0 if isinstance(token_store, RedisTokenStore) else 2)
    assert await token_store.purge(now=NOW + SESSIONLESS) == 0


@pytest.mark.redis
async def test_a_redis_that_does_not_answer_lets_nobody_in() -> None:
    """It fails closed, within its time-out: a 503."""
    with socket.create_server(("127.0.0.1", 0)) as listener:  # takes connections, says nothing
        redis = RedisClient(f"redis://127.0.0.1:{listener.getsockname()[1]}", timeout=0.1)
        store = RedisTokenStore(redis)
        with pytest.raises(ServiceUnavailableError):
            await store.admits(reference("jti", "ann", NOW, "s" * 22), now=NOW)
        await redis.aclose()


async def test_memory_is_not_for_several_workers() -> None:
    """Each would have its own sessions: refused where it is made."""
    with pytest.raises(UnsharedStoreError, match="4 workers"):
        MemoryTokenStore(workers=4)
