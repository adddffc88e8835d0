"""Settings in files, as Docker and Kubernetes mount secrets."""

from pathlib import Path
from typing import Any

from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
)

from fastapi_kit.settings._names import variable_of

FIELD = "secrets_dir"


class MissingDirectoryError(Exception):
    """The directory of secrets does not exist: whoever named it meant one that does."""


def secrets_source(settings: type[BaseSettings], *sources: PydanticBaseSettingsSource) -> SecretsSettingsSource | None:
    """The source that reads the directory which the first of `sources` names; `None` if none does.

    Raises:
        MissingDirectoryError: It is no directory.
    """
    for source in sources:
        named: object = None
        if isinstance(source, InitSettingsSource):
            given: dict[str, Any] = source.init_kwargs  # pyright: ignore[reportUnknownMemberType]
            named = given.get(FIELD)
        elif isinstance(source, EnvSettingsSource):
            named = source.env_vars.get(variable_of(settings, FIELD).lower())
        if isinstance(named, str | Path) and named != "":
            if not Path(named).is_dir():
                raise MissingDirectoryError
            return SecretsSettingsSource(settings, secrets_dir=named)
    return None
