"""The atlas' settings: the kit's, with a database of its own."""

from pathlib import Path

from fastapi_kit.settings import SecretURL, Settings

DATABASE = Path(__file__).parents[2] / ".cache" / "atlas-3.db"


class AtlasSettings(Settings):
    """Set `DATABASE_URL` to use PostgreSQL: `postgresql://user:password@host/name`."""

    database_url: SecretURL = SecretURL(f"sqlite:///{DATABASE}")
