"""Tests that need a server: what becomes of them without it."""

import socket
from collections.abc import Generator

import pytest

from tests.services import require


@pytest.fixture
def free_port() -> Generator[int]:
    """A port on which nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_running_server_gives_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable says where the server is."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgresql+asyncpg://user@127.0.0.1:{server.getsockname()[1]}/other"
        monkeypatch.setenv("TEST_POSTGRES_URL", url)
        assert require("postgres") == url


@pytest.mark.parametrize(
    ("required", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)], ids=["optional", "required"]
)
def test_a_missing_server_skips_or_fails(
    monkeypatch: pytest.MonkeyPatch, free_port: int, required: str, outcome: type[BaseException]
) -> None:
    """Without the server a test is skipped with the reason, and fails where servers are required."""
    monkeypatch.setenv("TEST_MARIADB_URL", f"mysql+asyncmy://root@127.0.0.1:{free_port}/test")
    monkeypatch.setenv("REQUIRE_SERVICES", required)
    with pytest.raises(outcome, match=f"mariadb does not listen on 127.0.0.1:{free_port}"):
        require("mariadb")
