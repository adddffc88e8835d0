"""The minimal example: one short file that is a whole service."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAIN = ROOT / "examples" / "minimal" / "main.py"

# In a process of its own: the example maps `books` on the kit's Base, where other tests may want that name.
SCRIPT = """
import asyncio
from examples.minimal.main import app
from fastapi_kit.testing import client

async def main():
    async with client(app) as api:
        created = await api.post("/books", json={"title": "Dune", "pages": 412})
        print(created.status_code, created.headers["location"], created.text)
        print((await api.get("/books", params={"title__contains": "un"})).text)
        again = await api.post("/books", json={"title": "Dune"})
        print(again.status_code, again.headers["content-type"], again.json()["fields"])

asyncio.run(main())
"""


def test_it_is_under_40_lines() -> None:
    """A newcomer reads it at one glance."""
    assert len(MAIN.read_text().splitlines()) < 40


def test_it_serves_books(tmp_path: Path) -> None:
    """Create, filter and conflict work in a fresh folder."""
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [
        '201 /books/1 {"id":1,"title":"Dune","pages":412}',
        '{"items":[{"id":1,"title":"Dune","pages":412}],"total":1,"total_relation":"eq","next_cursor":null,"previous_cursor":null}',
        "409 application/problem+json ['title']",
    ], done.stderr
