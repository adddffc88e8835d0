"""The settings of a service, read from its environment."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic_settings
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import PydanticBaseSettingsSource, SettingsConfigDict

from fastapi_kit.settings._guard import development_secret, production_problems
from fastapi_kit.settings._names import MisspeltSource, variable_of
from fastapi_kit.settings._problems import InvalidSettingsError, SettingsProblem
from fastapi_kit.settings._secrets import MissingDirectoryError, secrets_source
from fastapi_kit.settings._types import CommaList, SecretURL


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _secret_key(read: dict[str, Any]) -> SecretStr:
    return SecretStr("" if read["environment"] == "production" else development_secret())


def _drain_seconds(read: dict[str, Any]) -> float:
    return 5.0 if read["environment"] == "production" else 0.0


class Settings(pydantic_settings.BaseSettings):
    """Settings that most services need; subclass it and add your own.

    Each field is read from the environment variable of its name, in capitals by custom (`database_url` from
    `DATABASE_URL`), then from a `.env` file in the working directory, then from the file of that name in `SECRETS_DIR`,
    as Docker and Kubernetes mount secrets; an empty variable counts as absent. Instances are frozen, and no secret is
    in their `repr` or in an error.

    In production (`ENVIRONMENT=production`) an instance cannot be made while `problems()` finds any.

    Raises:
        InvalidSettingsError: If a value is not valid, or not fit for production. It names everything that was found.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",  # a .env file serves other programs, too
        frozen=True,
        hide_input_in_errors=True,
    )

    environment: Annotated[Literal["development", "test", "production"], BeforeValidator(_lower)] = Field(
        default="development", description="Where this runs. Staging is production, too."
    )
    debug: bool = Field(default=False, description="Whether to show internals. Never in production.")
    database_url: SecretURL = Field(
        default=SecretURL("sqlite+aiosqlite:///./app.db"), description="The database, with its credentials."
    )
    redis_url: SecretURL | None = Field(default=None, description="The Redis server, if there is one.")
    algorithm: Literal["HS256", "HS384", "HS512"] = Field(default="HS256", description="How tokens are signed.")
    secret_key: SecretStr = Field(
        default_factory=_secret_key, description="What tokens are signed with. Made at random outside production."
    )
    access_token_expire_minutes: int = Field(default=30, ge=1, description="Life of an access token, in minutes.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    workers: int = Field(default=1, ge=1, description="Number of worker processes.")
    drain_seconds: float = Field(
        default_factory=_drain_seconds,
        ge=0,
        le=3600,
        description="Seconds between SIGTERM and the server's shutdown, in which load balancers learn of it. "
        "5 in production, else 0.",
    )
    log_level: Annotated[Literal["critical", "error", "warning", "info", "debug"], BeforeValidator(_lower)] = Field(
        default="info", description="The least severe record that is logged."
    )
    slow_request_seconds: float = Field(
        default=1.0, ge=0, description="Seconds from which on a request is logged as a slow one; 0: none is."
    )
    slow_query_seconds: float = Field(
        default=0.5, ge=0, description="Seconds from which on a statement of SQL is logged as a slow one; 0: none is."
    )
    cors_origins: CommaList[str] = Field(default=(), description="Origins whose pages may call this API.")
    cors_credentials: bool = Field(default=False, description="Whether those pages may send cookies.")
    trusted_hosts: CommaList[str] = Field(default=(), description="Host names that are served; none given: any.")
    trusted_proxies: CommaList[str] = Field(
        default=(), description="Networks of proxies that tell the client's address, such as 10.0.0.0/8; none: nobody."
    )
    public_docs: bool = Field(default=True, description="Whether the API's documentation is served to everyone.")
    secrets_dir: Path | None = Field(
        default=None, description="A directory of files with settings, each named after its variable; the last resort."
    )

    def __init__(self, **values: Any) -> None:
        problems: list[SettingsProblem] = []
        try:
            super().__init__(**values)
        except ValidationError as error:
            problems = _invalid(type(self), error)
        except MissingDirectoryError:
            variable = variable_of(type(self), "secrets_dir")
            problems = [SettingsProblem("secrets-dir-missing", variable, "There is no such directory.")]
        except pydantic_settings.SettingsError as error:
            problems = [_undecodable(error)]
        else:
            if self.environment == "production":
                problems = list(self.problems())
        if problems:  # raised out here, so that no error that knows the values is its context
            raise InvalidSettingsError(problems)

    if not TYPE_CHECKING:  # type checkers know that instances are frozen

        def __setattr__(self, name: str, value: Any) -> None:
            # pydantic's own refusal shows the value that it refuses
            if name in type(self).model_fields:
                message = f"{name}: settings are frozen; make others with model_copy(update=...)."
                raise TypeError(message)
            super().__setattr__(name, value)

    def problems(self) -> Iterator[SettingsProblem]:
        """What makes these settings unfit for production: missing, short or well-known secrets, debugging and the like.

        Extend it in a subclass with `yield from super().problems()` and your own.

        Yields:
            Each problem with its code and its cure.
        """
        yield from production_problems(self)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[pydantic_settings.BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read as pydantic-settings does, `SECRETS_DIR` included, and report variables that look misspelt."""
        files = secrets_source(settings_cls, init_settings, env_settings, dotenv_settings) or file_secret_settings
        report = MisspeltSource(settings_cls, env_settings, dotenv_settings, files)
        return report, init_settings, env_settings, dotenv_settings, files


def _invalid(settings: type[Settings], error: ValidationError) -> list[SettingsProblem]:
    problems: list[SettingsProblem] = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        if detail["type"] == "default_factory_not_called":  # the secret's, which follows from another problem
            continue
        first, *rest = detail["loc"] or ("settings",)
        variable = ".".join([variable_of(settings, str(first)), *map(str, rest)])
        problems.append(SettingsProblem(detail["type"].replace("_", "-"), variable, detail["msg"]))
    return problems


def _undecodable(error: pydantic_settings.SettingsError) -> SettingsProblem:
    # The message of pydantic-settings names the field and the source, and not the value.
    cure = "It has to be JSON; for a list of words, declare the field as CommaList[str]."
    return SettingsProblem("not-json", "settings", f"{error}. {cure}")
