"""The floor plan: import-linter's contract holds, and it does catch what it forbids."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACT = "floor plan: a row imports only rows below it"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its contract, in a place where a test may change them."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(root: Path) -> "subprocess.CompletedProcess[str]":
    """Check the contracts of the package that lies under `root`."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"]
    env = {**os.environ, "PYTHONPATH": str(root / "src")}
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_floor_plan_holds(copy: Path) -> None:
    """Every room imports only rooms below it."""
    linted = lint(copy)
    assert f"{CONTRACT} KEPT" in linted.stdout, linted.stdout + linted.stderr
    assert linted.returncode == 0


@pytest.mark.parametrize(
    ("importer", "imported"),
    [("errors", "crud"), ("db", "pagination"), ("_clock", "errors")],
    ids=["upward", "stranger", "private"],
)
def test_a_forbidden_import_breaks_it(copy: Path, importer: str, imported: str) -> None:
    """An import of a higher room, or of a stranger in the same row, is named and fails the check."""
    package = copy / "src" / "fastapi_kit" / importer
    module = package / "__init__.py" if package.is_dir() else package.with_suffix(".py")
    module.write_text(f"{module.read_text()}\nimport fastapi_kit.{imported}\n")
    linted = lint(copy)
    assert linted.returncode == 1
    assert f"{CONTRACT} BROKEN" in linted.stdout
    assert f"fastapi_kit.{importer} is not allowed to import fastapi_kit.{imported}" in linted.stdout


def test_a_room_outside_the_plan_breaks_it(copy: Path) -> None:
    """A new room has to find its row first."""
    (copy / "src" / "fastapi_kit" / "attic.py").touch()
    linted = lint(copy)
    assert linted.returncode == 1
    assert "attic" in linted.stdout
