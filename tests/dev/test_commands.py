"""The commands: what each one runs, and how it says no."""

import re
from types import ModuleType

import pytest

from tests.dev.checkout import Checkout

CHECKS = ["ruff check", "ruff format", "import-linter", "mypy", "pyright", "docs"]


def test_help_names_every_command(door: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The help and the commands do not drift apart."""
    assert door.main(["--help"]) == 0
    assert re.findall(r"^  (\w+) ", capsys.readouterr().out, re.MULTILINE) == list(door.COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tset"], "did you mean test?"),
        (["zzz"], "usage: ./dev COMMAND"),
        (["check", "--fix"], "unknown argument '--fix'"),
        (["docs", "now"], "unknown argument 'now'"),
        (["lock", "--newest"], "unknown argument '--newest'"),
        (["test", "--python", "new"], "--python takes a version such as 3.12 or a path, not 'new'"),
        (["test", "--python"], "--python takes a version"),
    ],
    ids=["typo", "unknown", "check", "docs", "lock", "no-version", "no-value"],
)
def test_a_mistyped_command_is_explained(built: Checkout, arguments: list[str], message: str) -> None:
    """What is not understood ends with status 2, a hint and no traceback."""
    refused = built.dev(*arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_interpreter_that_does_not_answer_is_explained(built: Checkout) -> None:
    """A wrong DEV_PYTHON ends in words, not in a traceback."""
    refused = built.dev("test", DEV_PYTHON="/nowhere/python")
    assert refused.returncode == 1
    assert "no fitting Python found for /nowhere/python" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("arguments", [["--python", "3.12", "test"], ["test", "--python=3.12"]], ids=" ".join)
def test_the_interpreter_may_be_named_anywhere(door: ModuleType, arguments: list[str]) -> None:
    """The option is taken out before the command sees its arguments."""
    assert door.take_python(arguments) == "3.12"
    assert arguments == ["test"]


def test_check_runs_every_check(built: Checkout) -> None:
    """Each check is named with its time, and their success is the command's."""
    checked = built.dev("check")
    assert checked.returncode == 0, checked.stdout
    assert re.findall(r"^ok    (.+?) +\d+\.\d s$", checked.stdout, re.MULTILINE) == CHECKS


def test_a_failing_check_does_not_hide_the_others(built: Checkout) -> None:
    """All checks run, the output of the failing ones is shown, and the command fails."""
    checked = built.dev("check", FAIL_ruff="1", FAIL_mypy="2")
    assert checked.returncode == 1
    assert re.findall(r"^(?:ok  |FAIL)  (.+?) +\d+\.\d s$", checked.stdout, re.MULTILINE) == CHECKS
    assert "\nmypy\n" in checked.stdout
    assert checked.stdout.endswith("failed: ruff check, ruff format, mypy\n")


@pytest.mark.parametrize(
    ("picked", "run"),
    [
        ([], "pytest -n auto --maxprocesses=4 --dist=loadfile"),
        (["tests/db", "-x"], "pytest tests/db -x"),
    ],
    ids=["all", "some"],
)
def test_all_tests_share_the_cores_and_picked_ones_run_as_told(built: Checkout, picked: list[str], run: str) -> None:
    """Whoever picks tests decides how they run."""
    assert built.dev("test", *picked).stdout.splitlines()[-1] == run


@pytest.mark.parametrize("failing", [None, "coverage"])
def test_coverage_measures_from_before_the_plugins(built: Checkout, failing: str | None) -> None:
    """`--cov` starts pytest under coverage and reports, without hiding that tests failed."""
    measured = built.dev("test", "--cov", "-x", **({f"FAIL_{failing}": "1"} if failing else {}))
    assert measured.stdout.splitlines() == [
        "coverage run -m pytest -x",
        "coverage report --skip-covered --show-missing",
    ]
    assert measured.returncode == (1 if failing else 0)


def test_lock_needs_uv(built: Checkout) -> None:
    """Where uv is missing, lock says how to get it."""
    refused = built.dev("lock")
    assert refused.returncode == 1
    assert "pip install uv" in refused.stderr
