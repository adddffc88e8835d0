"""The check of room on the disk."""

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from fastapi_kit.health import CheckRunner, disk_space

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("at_least", "outcome"), [(1, "pass"), (10**18, "fail")], ids=["enough", "not enough"])
async def test_room_decides(tmp_path: Path, at_least: int, outcome: str) -> None:
    """The check tells what is free, and passes if that is enough."""
    [result] = await CheckRunner([disk_space(tmp_path, at_least=at_least)]).run()
    assert (result.name, result.outcome) == ("disk", outcome)
    assert result.measured is not None
    assert result.measured.unit == "bytes"
    assert 0 < result.measured.value <= shutil.disk_usage(tmp_path).total


async def test_a_path_that_is_gone_fails(tmp_path: Path) -> None:
    """A volume that is not mounted is no room."""
    [result] = await CheckRunner([disk_space(tmp_path / "gone", at_least=1)]).run()
    assert (result.outcome, result.error) == ("fail", "FileNotFoundError")


async def test_a_hung_file_system_holds_one_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A system call cannot be cancelled, so no second one is made while it hangs; afterwards the check works again."""
    mended, calls, usage = threading.Event(), 0, shutil.disk_usage

    def hang(path: Path) -> object:
        nonlocal calls
        calls += 1
        mended.wait()
        return usage(path)

    monkeypatch.setattr(shutil, "disk_usage", hang)
    made = disk_space(tmp_path, at_least=1)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(made.run(), 0.01)
    assert calls == 1
    mended.set()
    assert await made.run()


def test_refuses_no_room() -> None:
    """A check that always passes is refused."""
    with pytest.raises(ValueError, match="above 0"):
        disk_space("/", at_least=0)
