"""Finding a Python that the project runs on, wherever the one that started the front door came from."""

import ast
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.dev.checkout import DEV, script


@pytest.fixture
def machine(door: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH, and an old Python that started the front door."""
    monkeypatch.setattr(door, "INTERPRETER_GLOBS", (str(tmp_path / "pyenv/versions/*/bin/python3"),))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "executable", str(python(tmp_path / "old" / "python3", "3.6.15")))
    return tmp_path


def python(path: Path, version: str, has_pip: int = 1) -> Path:
    """Something that answers as a Python of this version does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return script(path, f"printf '{version}\\n{path}\\n{has_pip}\\n'")


def test_the_script_is_understood_by_old_pythons() -> None:
    """The front door parses on Python 3.6, from where it can look for a newer one."""
    ast.parse(DEV.read_text(), feature_version=(3, 6))


def test_the_interpreter_that_started_it_is_taken_if_it_fits(
    door: ModuleType, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's newer Python is preferred to the one in use."""
    monkeypatch.setattr(sys, "executable", str(python(machine / "used" / "python3", "3.11.2")))
    python(machine / "bin" / "python3.13", "3.13.0")
    assert door.choose_interpreter(None, needs_pip=True).version == (3, 11, 2)


def test_a_shim_without_its_version_is_passed_over(door: ModuleType, machine: Path) -> None:
    """A candidate counts only once it has answered."""
    script(machine / "bin" / "python3.13", "echo 'python3.13: command not found' >&2; exit 127")
    fitting = python(machine / "bin" / "python3.12", "3.12.1")
    assert door.choose_interpreter(None, needs_pip=True).path == str(fitting)


def test_the_versions_of_pyenv_are_looked_through(door: ModuleType, machine: Path) -> None:
    """A Python that is installed but not selected is found all the same."""
    python(machine / "pyenv/versions/3.9.18/bin/python3", "3.9.18")
    fitting = python(machine / "pyenv/versions/3.12.1/bin/python3", "3.12.1")
    assert door.choose_interpreter(None, needs_pip=True).path == str(fitting)


def test_a_tested_version_comes_before_a_newer_one(door: ModuleType, machine: Path) -> None:
    """A Python newer than all tested ones is used only where there is no other."""
    newer = python(machine / "bin" / "python3", "3.19.0")
    assert door.choose_interpreter(None, needs_pip=True).path == str(newer)
    tested = python(machine / "pyenv/versions/3.11.7/bin/python3", "3.11.7")
    assert door.choose_interpreter(None, needs_pip=True).path == str(tested)


def test_pip_needs_an_interpreter_that_can_make_environments(door: ModuleType, machine: Path) -> None:
    """A distribution's Python without ensurepip serves uv, and pip only through another one."""
    bare = python(machine / "bin" / "python3.13", "3.13.0", has_pip=0)
    assert door.choose_interpreter(None, needs_pip=False).path == str(bare)
    with pytest.raises(door.DevError, match=r"3\.13\.0.*python3-venv"):
        door.choose_interpreter(None, needs_pip=True)


@pytest.mark.parametrize("wanted", ["3.12", "3.12.1"])
def test_a_version_can_be_asked_for(door: ModuleType, machine: Path, wanted: str) -> None:
    """The version asked for is found under whatever name."""
    python(machine / "bin" / "python3.13", "3.13.0")
    asked = python(machine / "bin" / "python3", "3.12.1")
    assert door.choose_interpreter(wanted, needs_pip=True).path == str(asked)


def test_a_path_can_be_asked_for(door: ModuleType, machine: Path) -> None:
    """A path is taken alone, and refused with the reason if it is too old."""
    python(machine / "bin" / "python3.13", "3.13.0")
    asked = python(machine / "else" / "python", "3.12.9")
    assert door.choose_interpreter(str(asked), needs_pip=True).path == str(asked)
    old = python(machine / "else" / "python3.10", "3.10.1")
    with pytest.raises(door.DevError, match="too old"):
        door.choose_interpreter(str(old), needs_pip=True)


def test_without_any_the_message_names_the_cure(door: ModuleType, machine: Path) -> None:
    """Whoever has only an old Python learns what is needed, what was found and how to get it."""
    with pytest.raises(door.DevError) as refusal:
        door.choose_interpreter(None, needs_pip=True)
    message = str(refusal.value)
    assert "needs 3.11 or newer" in message
    assert f"{machine / 'old' / 'python3'} (3.6.15): too old" in message
    assert "apt install" in message
    assert "DEV_PYTHON=" in message
