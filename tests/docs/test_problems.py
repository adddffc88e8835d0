"""Every problem type of the kit has its section on the page that type URIs point to."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastapi_kit
from fastapi_kit.errors import Problem
from fastapi_kit.errors._types import name_of_class, name_of_status

PAGE = (Path(__file__).parents[2] / "docs" / "problems.md").read_text()
SECTIONS = {
    match["name"]: int(match["status"])
    for match in re.finditer(r"^## .* \{ #(?P<name>[a-z-]+) \}\n\n(?P<status>\d{3})\. ", PAGE, re.MULTILINE)
}
PHRASES = (404, 405, 413, 500)
"""Statuses that answers have without a class: of the framework, and of faults."""


def kinds() -> list[type[Problem]]:
    """Every problem type that the kit defines."""
    for module in pkgutil.walk_packages(fastapi_kit.__path__, "fastapi_kit."):
        try:
            importlib.import_module(module.name)
        except ImportError:  # an extra that is not installed
            continue
    found = {kind for kind in subclasses(Problem) if kind.__module__.startswith("fastapi_kit.")}
    return sorted(found, key=lambda kind: kind.__name__)


def subclasses(kind: type[Problem]) -> Iterator[type[Problem]]:
    """Those below it, at any depth."""
    for below in kind.__subclasses__():
        yield below
        yield from subclasses(below)


@pytest.mark.parametrize("kind", kinds(), ids=[kind.__name__ for kind in kinds()])
def test_each_problem_type_has_its_section(kind: type[Problem]) -> None:
    """By the name that its URI ends with, and with its status."""
    assert SECTIONS.get(name_of_class(kind.__name__)) == kind.status


@pytest.mark.parametrize("status", PHRASES)
def test_statuses_without_a_class_have_theirs(status: int) -> None:
    """Paths, methods, body limits and faults are answered by their status alone."""
    assert SECTIONS[name_of_status(status) or ""] == status
