"""What every store of users does."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit._asgi import SESSION
from fastapi_kit.auth import (
    EmailTakenError,
    NewUser,
    SQLUserStore,
    UserColumns,
    UserStore,
    normal_email,
)
from fastapi_kit.db import Database
from tests.auth.accounts import Account, Base

pytestmark = pytest.mark.anyio

ANN = NewUser("ann@example.com", "hash", roles=("editor",), values={"nickname": "A."})


async def test_a_user_is_found_by_key_and_by_address(user_store: UserStore[Any]) -> None:
    """Both give what was stored, and nobody else."""
    made = await user_store.add(ANN)
    for found in (await user_store.get(str(made.id)), await user_store.find(ANN.email)):
        assert found is not None
        assert (found.id, found.email, found.hashed_password) == (made.id, ANN.email, "hash")
        assert (list(found.roles), found.is_active, found.is_verified) == (["editor"], True, False)
    assert await user_store.find("bob@example.com") is None
    assert await user_store.get(str(uuid4())) is None


@pytest.mark.parametrize("other", ["JOSE@example.com", "josé@example.com", "jose@exämple.com", "jose@example.com "])
async def test_an_address_is_found_to_the_letter(user_store: UserStore[Any], other: str) -> None:
    """Other spellings that a database takes for the same are nobody's, so they get no attempts of their own."""
    await user_store.add(NewUser("jose@example.com", "hash"))
    assert await user_store.find("jose@example.com") is not None
    assert await user_store.find(other) is None


@pytest.mark.parametrize("key", ["", "x", "\x00", "\ud800", "9" * 5000], ids=["empty", "x", "nul", "surrogate", "long"])
async def test_what_is_no_key_is_nobodys(user_store: UserStore[Any], key: str) -> None:
    """A subject that no store has made finds nobody, and raises nothing."""
    assert await user_store.get(key) is None
    assert not await user_store.set_password(key, "x")


async def test_an_address_belongs_to_one_user(user_store: UserStore[Any]) -> None:
    """Of many that register one address at once, one gets it; the store decides."""
    made = await asyncio.gather(*(user_store.add(ANN) for _ in range(10)), return_exceptions=True)
    assert sum(1 for it in made if isinstance(it, EmailTakenError)) == 9


async def test_a_password_is_replaced_where_it_is_the_expected_one(user_store: UserStore[Any]) -> None:
    """A rehash at login does not undo a change that came between."""
    key = str((await user_store.add(ANN)).id)
    assert not await user_store.set_password(key, "rehashed", replacing="another")
    assert await user_store.set_password(key, "rehashed", replacing="hash")
    assert await user_store.set_password(key, "changed")
    found = await user_store.get(key)
    assert found is not None
    assert found.hashed_password == "changed"


async def test_an_address_is_verified_if_it_still_is_the_users(user_store: UserStore[Any]) -> None:
    """A mail to an earlier address verifies nothing."""
    key = str((await user_store.add(ANN)).id)
    assert not await user_store.set_verified(key, "old@example.com")
    assert await user_store.set_verified(key, ANN.email)
    found = await user_store.get(key)
    assert found is not None
    assert found.is_verified


async def test_the_second_factor_comes_and_goes(user_store: UserStore[Any]) -> None:
    """Its secret is stored and removed."""
    key = str((await user_store.add(ANN)).id)
    for secret in ("SECRET", None):
        assert await user_store.set_totp_secret(key, secret)
        found = await user_store.get(key)
        assert found is not None
        assert found.totp_secret == secret


async def test_a_request_takes_no_second_connection(database: Database) -> None:
    """While the request's session holds a connection, users are read on that, and see what it has written."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    store = SQLUserStore(database, Account)
    async with database.session() as session:
        made = Account(email=ANN.email, roles=[])
        session.add(made)
        await session.flush()
        used = database.pool_usage().in_use
        found = await store.get(str(made.id), scope={SESSION: session})
        assert found is not None
        assert found is not made
        assert database.pool_usage().in_use == used
        assert session.in_transaction()
        await session.commit()
    assert await store.find(ANN.email) is not None


def make_integer_model() -> type[Any]:
    """A model whose key is an integer."""

    class Base(DeclarativeBase):
        metadata = sa.MetaData()

    class Member(UserColumns, Base):
        __tablename__ = "members"
        id: Mapped[int] = mapped_column(primary_key=True)

    return Member


async def test_keys_may_be_integers(database: Database) -> None:
    """A key of another type is read as such; a number beyond the column finds nobody."""
    model = make_integer_model()
    async with database.engine.begin() as connection:
        await connection.run_sync(model.metadata.create_all)
    store: SQLUserStore[Any] = SQLUserStore(database, model)
    made = await store.add(NewUser("ann@example.com", None))
    found = await store.get(str(made.id))
    assert found is not None
    assert found.email == "ann@example.com"
    for key in ("-1", "1.0", "9" * 19, "9" * 30, "٣"):
        assert await store.get(key) is None


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (" Ann@Example.COM ", "ann@example.com"),
        ("ann", None),
        ("ann@", None),
        ("a@b@c", None),
        ("an n@example.com", None),
        ("ann@example.com\x00", None),
        ("\ud800@example.com", None),
        ("a" * 250 + "@b.cd", None),
    ],
)
def test_an_address_is_written_in_one_way(text: str, normal: str | None) -> None:
    """What is typed in different ways is one address, and what is none never reaches a store."""
    assert normal_email(text) == normal
