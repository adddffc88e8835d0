"""Variables that look like settings and are none."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AliasChoices, AliasPath, BaseModel, Field
from pydantic_settings import SettingsConfigDict

from fastapi_kit.settings import Settings
from fastapi_kit.settings._names import is_one_typo, misspelt

WORDS = st.text("abc", max_size=6)


class Mail(BaseModel):
    """Nested settings."""

    host: str = ""


class AtlasSettings(Settings):
    """Settings with a prefix, aliases and a nested model."""

    model_config = SettingsConfigDict(env_prefix="ATLAS_", env_nested_delimiter="__")

    mail: Mail = Mail()
    sender: str = Field(default="", validation_alias=AliasChoices("MAIL_SENDER", AliasPath("MAIL_FROM", 0)))


def edits(word: str) -> set[str]:
    """All words one typo away, made the long way."""
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    return (
        {a + b[1:] for a, b in cuts if b}
        | {a + letter + b for a, b in cuts for letter in "abc"}
        | {a + letter + b[1:] for a, b in cuts if b for letter in "abc"}
        | {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    ) - {word}


@given(WORDS, WORDS)
def test_one_typo_is_one_edit(one: str, other: str) -> None:
    """Law: the comparison agrees with making every edit there is."""
    assert is_one_typo(one, other) is (other in edits(one))


@pytest.mark.parametrize(
    ("settings", "name", "meant"),
    [
        pytest.param(Settings, "SECRET_KYE", "secret_key", id="swapped"),
        pytest.param(Settings, "DATABASEURL", "database_url", id="left out"),
        pytest.param(Settings, "log_levels", "log_level", id="added, lower case"),
        pytest.param(AtlasSettings, "ATLAS_PORT_NUMBER", None, id="prefix"),
        pytest.param(AtlasSettings, "ATLAS_PROT", "atlas_port", id="prefix and typo"),
        pytest.param(AtlasSettings, "MAIL_SENDR", "mail_sender", id="alias"),
    ],
)
def test_finds_what_was_meant(settings: type[Settings], name: str, meant: str | None) -> None:
    """A typo in a known name is found with that name, anything else under the prefix without."""
    assert misspelt(settings, {name, "PATH"}) == {name.lower(): meant}


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        pytest.param(Settings, "SECRET_KEY", id="known"),
        pytest.param(Settings, "POSTGRES_PASSWORD", id="another program's"),
        pytest.param(AtlasSettings, "ATLAS_MAIL__HOST", id="nested"),
        pytest.param(AtlasSettings, "MAIL_FROM", id="second alias"),
        pytest.param(AtlasSettings, "SECRET_KEY", id="known without the prefix"),
    ],
)
def test_leaves_the_rest_alone(settings: type[Settings], name: str) -> None:
    """Known names and names of other programs are no typos."""
    assert misspelt(settings, {name}) == {}


def test_a_name_is_not_meant_when_it_is_set() -> None:
    """`PORTS` beside `PORT` belongs to somebody else."""
    assert misspelt(Settings, {"PORT", "PORTS"}) == {}


def test_environment_and_env_file_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A misspelt variable of either is logged with the right name and without its value."""
    (tmp_path / ".env").write_text("SECRET_KEYS=hunter2-hunter2\nPOSTGRES_DB=atlas\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABSE_URL", "postgresql://u:hunter2@db/app")
    with caplog.at_level(logging.WARNING, "fastapi_kit.settings"):
        Settings(secret_key="x")
    assert [record.getMessage() for record in caplog.records] == [
        "The variable DATABSE_URL is not used: did you mean DATABASE_URL?",
        "The variable SECRET_KEYS is not used: did you mean SECRET_KEY?",
    ]
