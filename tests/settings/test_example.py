"""The text of `.env.example`."""

import io
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, SecretStr, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from fastapi_kit.settings import CommaList, SecretURL, Settings, env_example


class Size(Enum):
    """A choice."""

    SMALL = "small"
    LARGE = "large"


class Mine(Settings):
    """Settings of every kind."""

    model_config = SettingsConfigDict(env_prefix="SHOP_")

    quota: int = Field(description="Visits a user may keep.")
    size: Size = Size.SMALL
    greeting: str = "it's # 1"
    editors: CommaList[str] = ("ann", "bob")
    limits: dict[str, int] = Field(default={"day": 3})
    search_url: SecretURL | None = None
    api_key: SecretStr = SecretStr("hunter2")
    broker_url: SecretURL = SecretURL("amqp://guest:hunter2@broker/")


def lines() -> list[str]:
    """The example of `Mine`."""
    return env_example(Mine).splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "SHOP_QUOTA=",
        "# SHOP_SIZE=small",
        r"# SHOP_GREETING='it\'s # 1'",
        "# SHOP_EDITORS=ann,bob",
        "# SHOP_LIMITS='{\"day\": 3}'",
        "# SHOP_SEARCH_URL=",
        "# SHOP_API_KEY=",
        "# SHOP_BROKER_URL=",
        "# SHOP_SECRET_KEY=",
        "# SHOP_DATABASE_URL=sqlite+aiosqlite:///./app.db",
        "# SHOP_DEBUG=false",
        "# Visits a user may keep.",
        "# One of: small, large.",
        "# Where this runs. Staging is production, too. One of: development, test, production.",
    ],
)
def test_each_field_has_its_form(line: str) -> None:
    """What has a default is commented out with it; what is secret or made otherwise has no value."""
    assert line in lines()


def test_no_secret_is_written() -> None:
    """Not even a default."""
    assert "hunter2" not in env_example(Mine)


def test_copy_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy with every default written out gives the settings that there are without it."""
    monkeypatch.chdir(tmp_path)
    uncommented = [line.removeprefix("# ") for line in env_example(Mine).splitlines()]
    assignments = [line for line in uncommented if "=" in line and line.partition("=")[0].isupper()]
    assert len(assignments) == len(Mine.model_fields)
    (tmp_path / ".env").write_text("\n".join(assignments).replace("SHOP_QUOTA=", "SHOP_QUOTA=7"))
    assert Mine() == Mine(quota=7)  # pyright: ignore[reportCallIssue] - the file has it


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1))
def test_every_text_survives(default: str) -> None:
    """Law: a default is read back from the example as it was."""
    made: Any = create_model("Made", __base__=BaseSettings, text=(str, default))
    line = env_example(made).removeprefix("# ")
    assert dotenv_values(stream=io.StringIO(line), interpolate=False) == {"TEXT": default}
