"""What each part of the kit needs installed, tried in environments that hold that and nothing else.

Each environment is a directory of links to exactly the distributions that the kit's metadata asks for, and that these
ask for in turn, and a Python that sees this directory and the standard library only. No network takes part.
"""

import importlib.metadata
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fastapi_kit

KIT = "fastapi-kit"
EXTRA_OF = {"auth": "auth", "metrics": "metrics", "redis": "redis", "testing": "testing"}
"""The features that need an extra; every other one must do with the core."""

FEATURES = sorted(
    module.name for module in pkgutil.iter_modules(fastapi_kit.__path__) if not module.name.startswith("_")
)

IMPORT_EACH = """
import importlib
for feature in {features}:
    for name in [name for name in sys.modules if name.startswith("fastapi_kit")]:
        del sys.modules[name]
    importlib.import_module("fastapi_kit." + feature)
    print(feature)
"""
IMPORT_ERROR_OF = """
try:
    {code}
except ImportError as error:
    print(error)
"""

Run = Callable[[str], str]
Isolated = Callable[[set[str]], Run]


def closure(requirements: Iterable[str], extras: frozenset[str] = frozenset()) -> set[str]:
    """The names of all distributions that installing `requirements` brings on this machine."""
    found: set[str] = set()
    pending = [(Requirement(text), extras) for text in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        requirement, outer = pending.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen or not _applies(requirement, outer):
            continue
        seen.add(key)
        found.add(key[0])
        pending += [(Requirement(text), key[1]) for text in importlib.metadata.requires(key[0]) or ()]
    return found


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""})


def kit_requires(*extras: str) -> set[str]:
    """The distributions of the kit's core and of these extras, without the kit itself."""
    return closure(importlib.metadata.requires(KIT) or (), frozenset({"", *extras})) - {KIT}


def link(directory: Path, distributions: Iterable[str]) -> Path:
    """Link the kit's source and what `distributions` brought, so that `directory` can stand on `sys.path`."""
    (directory / "fastapi_kit").symlink_to(Path(fastapi_kit.__file__).parent)
    for name in distributions:
        files = importlib.metadata.files(name) or ()
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            (directory / top).symlink_to(Path(str(importlib.metadata.distribution(name).locate_file(top))))
    return directory


@pytest.fixture(scope="module")
def core(isolated: Isolated) -> Run:
    """Runs code where only the core is installed."""
    return isolated(kit_requires())


@pytest.fixture(scope="module")
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Isolated:
    """Makes a function that runs code where only the given distributions, and the kit, are installed."""

    def environment(distributions: set[str]) -> Run:
        site = link(tmp_path_factory.mktemp("site"), distributions)

        def run(code: str) -> str:
            command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n{code}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout

        return run

    return environment


def test_no_top_level_name_is_shared() -> None:
    """A directory that several distributions fill would be linked with files that are not in the environment."""
    filled = dict(importlib.metadata.packages_distributions())
    filled.pop("__pycache__", None)  # byte code of modules beside it, which Python 3.12 and newer list, too
    assert {top: names for top, names in filled.items() if len(set(names)) > 1} == {}


def test_the_package_alone_imports_nothing(isolated: Isolated) -> None:
    """`import fastapi_kit` needs no dependency, not even the core's, and imports no feature."""
    modules = isolated(set())("import fastapi_kit; print(*(name for name in sys.modules if 'fastapi' in name))")
    assert modules.split() == ["fastapi_kit"]


@pytest.mark.parametrize("extra", ["", *sorted(set(EXTRA_OF.values()))], ids=lambda extra: extra or "core")
def test_features_import_with_their_extra_alone(isolated: Isolated, extra: str) -> None:
    """Every feature imports where only the core and its own extra are installed, whichever feature came before."""
    features = [name for name in FEATURES if EXTRA_OF.get(name, "") == extra]
    assert features
    imported = isolated(kit_requires(extra))(IMPORT_EACH.format(features=features))
    assert imported.split() == features


@pytest.mark.parametrize(("feature", "extra"), EXTRA_OF.items())
def test_a_feature_without_its_extra_names_it(core: Run, feature: str, extra: str) -> None:
    """Whoever imports such a feature with the core alone is told what to install."""
    assert f"fastapi-kit[{extra}]" in core(IMPORT_ERROR_OF.format(code=f"import fastapi_kit.{feature}"))


@pytest.mark.parametrize(
    ("url", "extra"),
    [("sqlite://", "sqlite"), ("postgresql://localhost/db", "postgres"), ("mysql://localhost/db", "mysql")],
    ids=["sqlite", "postgres", "mysql"],
)
def test_a_database_without_its_driver_names_the_extra(core: Run, url: str, extra: str) -> None:
    """Whoever opens a database whose driver is missing is told what to install."""
    message = core(IMPORT_ERROR_OF.format(code=f"from fastapi_kit.db import Database; Database({url!r})"))
    assert f"fastapi-kit[{extra}]" in message
