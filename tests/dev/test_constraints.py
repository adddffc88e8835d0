"""The constraints files: every version pinned and hashed, in step with the project, free of addresses."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.dev.checkout import DEV

ROOT = DEV.parent
FILES = [ROOT / "constraints.txt", ROOT / "benchmarks" / "constraints.txt"]


def pins(path: Path) -> dict[str, list[Requirement]]:
    """The requirements of a constraints file by name; one name may have several, for different Pythons."""
    found: dict[str, list[Requirement]] = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith(("#", " ")):
            requirement = Requirement(line.removesuffix("\\"))
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


@pytest.mark.parametrize("path", FILES, ids=["project", "benchmarks"])
def test_every_package_is_pinned_and_hashed(path: Path) -> None:
    """No package can be exchanged for another file of the same or of another version."""
    entries = re.split(r"\n(?=\w)", re.sub(r"^(#.*\n)+", "", path.read_text()))
    assert len(entries) > 10
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==\S+( ; .+?)? \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n?)+$", entry), entry


@pytest.mark.parametrize("path", FILES, ids=["project", "benchmarks"])
def test_no_address_is_recorded(path: Path) -> None:
    """Packages come from whichever index the reader's machine uses."""
    assert not re.search(r"://|^\s*-[-a-z]*(index|find-links|trusted)| @ ", path.read_text(), re.MULTILINE)


def test_the_pins_satisfy_the_project() -> None:
    """Every package that the project asks for is pinned at a version that it allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = {
        name: [entry for entry in group if isinstance(entry, str)]
        for name, group in project["dependency-groups"].items()
    }
    peers = groups.pop("bench")
    extras = project["project"]["optional-dependencies"].values()
    wanted = [*project["project"]["dependencies"], *chain(*extras), *chain(*groups.values())]
    _assert_satisfied(wanted, pins(FILES[0]))
    _assert_satisfied(peers, pins(FILES[1]))


def test_both_files_agree() -> None:
    """Installing the peers of the benchmarks changes no version of the environment."""
    project, benchmarks = pins(FILES[0]), pins(FILES[1])
    shared = project.keys() & benchmarks.keys()
    assert "fastapi" in shared
    for name in shared:
        # On fewer platforms is no other version: Django asks for tzdata on Windows alone.
        assert {pin.specifier for pin in project[name]} == {pin.specifier for pin in benchmarks[name]}, name


def _assert_satisfied(wanted: list[str], pinned: dict[str, list[Requirement]]) -> None:
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        if name != "fastapi-kit":
            versions = [str(pin.specifier).removeprefix("==") for pin in pinned[name]]
            assert versions
            assert all(requirement.specifier.contains(version) for version in versions), requirement
