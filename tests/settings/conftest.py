"""Settings tests see no environment but their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastapi_kit.settings._guard import development_secret


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variable, no `.env` file, and no development secret made yet."""
    for name in list(os.environ):
        if not name.startswith(("PYTEST", "COV")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    development_secret.cache_clear()
    yield
    development_secret.cache_clear()
