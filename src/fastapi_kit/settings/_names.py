"""The variables that a settings class reads, and the misspelt ones that it would ignore in silence."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, AliasPath
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SecretsSettingsSource

_LEAST_LETTERS = 4

logger = logging.getLogger("fastapi_kit.settings")


def variable_of(settings: type[BaseSettings], field_name: str) -> str:
    """The environment variable that sets a field, as people write it."""
    field = settings.model_fields.get(field_name)
    return (next(_names(settings, field_name, field), field_name) if field else field_name).upper()


class MisspeltSource(PydanticBaseSettingsSource):
    """A source that gives no values and logs what the other sources hold in vain.

    A variable is reported if it matches no field and starts with the class's `env_prefix` or is one typo away from a
    known one. It is a warning and not an error: the environment has other owners, too.
    """

    def __init__(self, settings: type[BaseSettings], *sources: PydanticBaseSettingsSource) -> None:
        super().__init__(settings)
        self._sources = sources

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 -- inherited
        """No value for any field."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Report, and give nothing."""
        read = {name for source in self._sources for name in _names_in(source)}
        for name, meant in misspelt(self.settings_cls, read).items():
            hint = f"did you mean {meant.upper()}?" if meant else "it matches no setting."
            logger.warning("The variable %s is not used: %s", name.upper(), hint)
        return {}


def _names_in(source: PydanticBaseSettingsSource) -> Iterable[str]:
    """The variables, or files, that a source holds."""
    if isinstance(source, EnvSettingsSource):
        return source.env_vars
    if isinstance(source, SecretsSettingsSource) and source.secrets_dir is not None:
        directories = [source.secrets_dir] if isinstance(source.secrets_dir, str | Path) else source.secrets_dir
        return [file.name for directory in directories for file in Path(directory).glob("*")]
    return ()


def misspelt(settings: type[BaseSettings], names: set[str]) -> Mapping[str, str | None]:
    """Which of `names` look like settings and are none, sorted, each with the name that was probably meant.

    Case does not matter. Names of fewer than four letters are nobody's typo.
    """
    prefix = settings.model_config.get("env_prefix", "").lower()
    known = {name.lower() for field, info in settings.model_fields.items() for name in _names(settings, field, info)}
    unset = sorted(known - {name.lower() for name in names})
    found: dict[str, str | None] = {}
    for name in sorted({name.lower() for name in names} - known):
        if _is_nested(settings, name, known):
            continue
        meant = next((other for other in unset if len(other) >= _LEAST_LETTERS and is_one_typo(name, other)), None)
        if meant or (prefix and name.startswith(prefix)):
            found[name] = meant
    return found


def is_one_typo(one: str, other: str) -> bool:
    """Whether one letter added, left out, replaced or swapped with its neighbour makes `other` of `one`."""
    start = _shared(one, other)
    one, other = one[start:], other[start:]
    end = _shared(one[::-1], other[::-1])
    one, other = one[: len(one) - end], other[: len(other) - end]
    return {len(one), len(other)} in ({0, 1}, {1}) or (len(one) == len("ab") and one == other[::-1])


def _shared(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _names(settings: type[BaseSettings], field_name: str, field: FieldInfo) -> Iterator[str]:
    prefix = settings.model_config.get("env_prefix", "")
    aliases = field.validation_alias
    for alias in aliases.choices if isinstance(aliases, AliasChoices) else [aliases]:
        if isinstance(alias, AliasPath):
            yield str(alias.path[0])
        elif alias is not None:
            yield alias
    config = settings.model_config
    if aliases is None or config.get("populate_by_name") or config.get("validate_by_name"):
        yield prefix + field_name


def _is_nested(settings: type[BaseSettings], name: str, known: set[str]) -> bool:
    delimiter = settings.model_config.get("env_nested_delimiter")
    return bool(delimiter) and any(name.startswith(f"{other}{delimiter}".lower()) for other in known)
