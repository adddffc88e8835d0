"""Settings from the environment, with a guard for production.

- `Settings`: the base to subclass; flat 12-factor names such as `DATABASE_URL` and `SECRET_KEY`.
- `InvalidSettingsError`: everything that is wrong at once, each a `SettingsProblem` with a code and a cure.
- `env_example`: the text of `.env.example`, from the class.
- `CommaList[T]`, `SecretURL`: types for fields of your own.
"""

from fastapi_kit.settings._example import env_example
from fastapi_kit.settings._problems import InvalidSettingsError, SettingsProblem
from fastapi_kit.settings._settings import Settings
from fastapi_kit.settings._types import CommaList, SecretURL

__all__ = ["CommaList", "InvalidSettingsError", "SecretURL", "Settings", "SettingsProblem", "env_example"]
