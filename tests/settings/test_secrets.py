"""Settings in files."""

import logging
from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

from fastapi_kit.settings import InvalidSettingsError, Settings

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A directory as Kubernetes mounts a secret: the files are links into another one."""
    data = tmp_path / "run" / "..data"
    data.mkdir(parents=True)
    (data / "SECRET_KEY").write_text(SECRET + "\n")
    (data / "port").write_text("9000")
    for file in data.iterdir():
        (data.parent / file.name).symlink_to(file)
    return data.parent


def test_files_hold_what_nothing_else_does(mounted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is named after its variable, in any case, and read without its line break; the environment is first."""
    monkeypatch.setenv("SECRETS_DIR", str(mounted))
    monkeypatch.setenv("PORT", "9001")
    settings = Settings()
    assert settings.secret_key.get_secret_value() == SECRET
    assert settings.port == 9001
    assert settings.secrets_dir == mounted


@pytest.mark.parametrize("named_by", ["argument", "dotenv", "prefix"])
def test_directory_is_named_like_any_setting(named_by: str, mounted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an argument, in `.env`, with the prefix of the class."""

    class Prefixed(Settings):
        model_config = SettingsConfigDict(env_prefix="SHOP_")

    if named_by == "argument":
        assert Settings(secrets_dir=mounted).port == 9000
    elif named_by == "dotenv":
        Path(".env").write_text(f"SECRETS_DIR={mounted}\n")
        assert Settings().port == 9000
    else:
        (mounted / "SHOP_PORT").write_text("9002")
        monkeypatch.setenv("SHOP_SECRETS_DIR", str(mounted))
        assert Prefixed().port == 9002


def test_directory_that_is_not_there_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever named it meant one that is there."""
    monkeypatch.setenv("SECRETS_DIR", "/nowhere")
    with pytest.raises(InvalidSettingsError) as caught:
        Settings()
    (problem,) = caught.value.problems
    assert (problem.code, problem.variable) == ("secrets-dir-missing", "SECRETS_DIR")


def test_misspelt_file_is_reported(
    mounted: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As a variable would be."""
    (mounted / "REDIS_ULR").write_text("redis://:hunter2@cache")
    monkeypatch.setenv("SECRETS_DIR", str(mounted))
    with caplog.at_level(logging.WARNING):
        Settings()
    assert "The variable REDIS_ULR is not used: did you mean REDIS_URL?" in caplog.text
    assert "hunter2" not in caplog.text


def test_secret_in_a_file_that_is_not_valid_is_not_shown(mounted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the message nor in what it follows from."""
    (mounted / "port").unlink()
    (mounted / "port").write_text("hunter2")
    monkeypatch.setenv("SECRETS_DIR", str(mounted))
    with pytest.raises(InvalidSettingsError) as caught:
        Settings()
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None
