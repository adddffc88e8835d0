"""The atlas' settings: the kit's, with a database of its own."""

from pathlib import Path

from pydantic import Field

from fastapi_kit.settings import SecretURL, Settings

DATABASE = Path(__file__).parents[2] / ".cache" / "atlas-3.db"


class AtlasSettings(Settings):
    """Set `DATABASE_URL` to use PostgreSQL: `postgresql://user:password@host/name`.

    With `REDIS_URL` all processes count requests together, and share what is cached; without it, each does for itself.
    """

    database_url: SecretURL = SecretURL(f"sqlite:///{DATABASE}")
    exports_per_minute: int = Field(default=30, ge=1, description="Exports that one client may make in a minute.")
