"""Reading settings, guarding production and keeping secrets."""

import logging
import traceback
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from fastapi_kit.settings import CommaList, InvalidSettingsError, Settings, SettingsProblem

STRONG = "vN2uYk7Qz9XfB4mT8sWcR6hLpJ3gDaE5oKxU1iZyQw0"

characters = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=4, max_size=30)
secrets = st.tuples(characters, characters).map("\N{LATIN SMALL LETTER OU}".join)  # a letter that no message has


def production(**values: Any) -> Settings:
    """Settings of a production service that lacks nothing, changed by `values`."""
    fit: dict[str, Any] = {"environment": "production", "secret_key": STRONG, "public_docs": False}
    return Settings(**(fit | values))


def codes(error: InvalidSettingsError) -> list[str]:
    """The codes of what was found."""
    return [problem.code for problem in error.problems]


def test_reads_flat_names_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each field comes from the variable of its name; lists are written with commas; case of words does not matter."""
    variables = {
        "DATABASE_URL": "postgresql://db/app",
        "REDIS_URL": "redis://cache/0",
        "SECRET_KEY": STRONG,
        "ALGORITHM": "HS512",
        "ACCESS_TOKEN_EXPIRE_MINUTES": "5",
        "DEBUG": "true",
        "PORT": "8123",
        "WORKERS": "4",
        "LOG_LEVEL": "WARNING",
        "ENVIRONMENT": "Test",
        "CORS_ORIGINS": "https://a.example, https://b.example",
        "TRUSTED_HOSTS": '["a.example"]',
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.database_url.get_secret_value() == "postgresql://db/app"
    assert settings.redis_url is not None
    assert settings.secret_key.get_secret_value() == STRONG
    assert (settings.algorithm, settings.access_token_expire_minutes) == ("HS512", 5)
    assert (settings.debug, settings.port, settings.workers) == (True, 8123, 4)
    assert (settings.log_level, settings.environment) == ("warning", "test")
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.trusted_hosts == ("a.example",)


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` file fills in what the environment leaves open; an empty variable is open."""
    (tmp_path / ".env").write_text("PORT=1\nWORKERS=2\nACCESS_TOKEN_EXPIRE_MINUTES=3\nPOSTGRES_DB=x\n")
    monkeypatch.setenv("PORT", "9")
    monkeypatch.setenv("WORKERS", "")
    settings = Settings()
    assert (settings.port, settings.workers, settings.access_token_expire_minutes) == (9, 2, 3)


def test_development_makes_one_secret_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Two instances of one process share the made secret, which is long, random and announced once."""
    with caplog.at_level(logging.WARNING, "fastapi_kit.settings"):
        first, second = Settings(), Settings()
    assert first.secret_key == second.secret_key
    assert len(first.secret_key.get_secret_value()) >= 64
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["SECRET_KEY is not set"]


def test_a_given_secret_is_kept_in_development(caplog: pytest.LogCaptureFixture) -> None:
    """A weak secret is fine there, and nothing is made or said."""
    assert Settings(secret_key="dev").secret_key.get_secret_value() == "dev"
    assert caplog.records == []


def test_production_starts_with_fit_settings() -> None:
    """A strong secret and a word on the docs suffice."""
    assert production().environment == "production"
    assert production(public_docs=True).public_docs
    assert production(cors_origins="*").cors_origins == ("*",)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        pytest.param({"secret_key": ""}, "secret-missing", id="no secret"),
        pytest.param({"secret_key": STRONG[:31]}, "secret-short", id="31 bytes"),
        pytest.param({"secret_key": STRONG, "algorithm": "HS384"}, "secret-short", id="short for HS384"),
        pytest.param({"secret_key": "dev-secret-key"}, "secret-known", id="the reference's"),
        pytest.param({"secret_key": "your-secret-key-change-it-in-production"}, "secret-known", id="placeholder"),
        pytest.param(
            {"secret_key": "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"},
            "secret-known",
            id="the tutorial's",
        ),
        pytest.param({"secret_key": "xyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxy"}, "secret-simple", id="repetitive"),
        pytest.param({"debug": True}, "debug-on", id="debug"),
        pytest.param({"cors_origins": "*", "cors_credentials": True}, "cors-any-origin", id="any origin"),
    ],
)
def test_production_refuses(values: dict[str, Any], code: str) -> None:
    """Each unsafe setting is refused by its code."""
    with pytest.raises(InvalidSettingsError) as caught:
        production(**values)
    assert codes(caught.value) == [code]


@given(st.randoms(use_true_random=True), st.sampled_from([bytes.hex, urlsafe_b64encode]))
def test_random_secrets_are_fit(random: Random, write: Callable[[bytes], str | bytes]) -> None:
    """Law: 32 random bytes, written as hexadecimal digits or in base 64, are never taken for a placeholder."""
    written = write(random.randbytes(32))
    secret = written if isinstance(written, str) else written.decode()
    assert production(secret_key=secret).secret_key.get_secret_value() == secret


def test_production_refuses_everything_in_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """All problems come at once, each with its variable and a cure."""
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(InvalidSettingsError) as caught:
        Settings(debug=True, cors_origins=["*"], cors_credentials=True)
    assert codes(caught.value) == ["secret-missing", "debug-on", "cors-any-origin", "docs-public"]
    assert str(caught.value).startswith(
        "The settings have 4 problems:\n  [secret-missing] SECRET_KEY: There is none. Make"
    )


def test_invalid_values_are_named_together() -> None:
    """Values of the wrong type are problems of the same error, by variable."""
    with pytest.raises(InvalidSettingsError) as caught:
        Settings(environment="prod", port="http", cors_origins=[1])
    assert [(problem.variable, problem.code) for problem in caught.value.problems] == [
        ("ENVIRONMENT", "literal-error"),
        ("PORT", "int-parsing"),
        ("CORS_ORIGINS.0", "string-type"),
    ]


def test_a_subclass_adds_fields_and_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    """Own fields are read alike, and own problems join those of the kit."""

    class AtlasSettings(Settings):
        quotas: CommaList[int] = ()

        def problems(self) -> Iterator[SettingsProblem]:
            yield from super().problems()
            if not self.quotas:
                yield SettingsProblem("quota-missing", "QUOTAS", "Set one or more.")

    monkeypatch.setenv("QUOTAS", "1,2")
    assert AtlasSettings().quotas == (1, 2)
    with pytest.raises(InvalidSettingsError) as caught:
        AtlasSettings(environment="production", quotas=(), public_docs=True)
    assert codes(caught.value) == ["secret-missing", "quota-missing"]


def test_a_plain_list_written_with_commas_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `list` field that is not JSON is a problem that names `CommaList`."""

    class AtlasSettings(Settings):
        names: list[str] = []  # noqa: RUF012 -- pydantic copies it

    monkeypatch.setenv("NAMES", "hunter2,b")
    with pytest.raises(InvalidSettingsError, match=r'"names".*CommaList') as caught:
        AtlasSettings()
    assert "hunter2" not in str(caught.value)


def test_settings_do_not_change() -> None:
    """Instances are frozen, and so can be shared; the refusal does not show the value."""
    with pytest.raises(TypeError, match="secret_key: settings are frozen") as caught:
        setattr(Settings(), "secret_key", "hunter2")  # noqa: B010 -- type checkers refuse the assignment
    assert "hunter2" not in str(caught.value)


@given(secret=secrets, url=st.sampled_from(["postgresql://u:{}@db/app", "redis://:{}@cache", "mysql://db/app?p={}"]))
def test_no_secret_is_ever_shown(secret: str, url: str) -> None:
    """Law: whatever the secret is, neither a representation nor an error, with its whole traceback, shows it."""
    known = {"secret_key": secret, "database_url": url.format(secret), "redis_url": url.format(quote(secret))}
    settings = Settings(**known)
    shown = [
        repr(settings),
        str(settings),
        f"{settings.database_url} {settings.secret_key}",
        settings.model_dump_json(),
    ]
    for wrong in ({"port": "x"}, {"environment": "production", "debug": True}, {"database_url": [secret]}):
        with pytest.raises(InvalidSettingsError) as caught:
            Settings(**(known | wrong))
        shown += [str(caught.value), repr(caught.value.problems), "".join(traceback.format_exception(caught.value))]
        assert caught.value.__context__ is None
        with pytest.raises(ValidationError) as nested:
            TypeAdapter(Settings).validate_python(known | wrong)
        shown.append(str(nested.value))
    assert not any(written in text for text in shown for written in (secret, quote(secret)))
