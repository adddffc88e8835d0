"""A small checkout in which the front door builds real environments without a network."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

DEV = Path(__file__).parents[2] / "dev"

TOOL = """
import os, sys
print("{name}", *sys.argv[1:])
sys.exit(int(os.environ.get("FAIL_{name}", "0")))
"""
BACKEND = """
import pathlib, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "project-1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        wheel.writestr("project.pth", str(pathlib.Path.cwd() / "src"))
        wheel.writestr("project-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: project\\nVersion: 1\\n")
        wheel.writestr("project-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("project-1.dist-info/RECORD", "")
    return name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "project"
version = "1"
"""


@dataclass
class Checkout:
    """A directory that holds the front door, a project to install and stand-ins for the tools that it calls."""

    root: Path
    env: dict[str, str]
    first: "subprocess.CompletedProcess[str] | None" = None
    """The start that made the environment."""

    def dev(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run the front door as a person would, seeing no uv and no package index."""
        command = [str(self.root / "dev"), *arguments]
        merged = {**os.environ, **self.env, **env}
        return subprocess.run(command, env=merged, capture_output=True, text=True, timeout=120, check=False)

    def constrain(self, digest: str) -> None:
        """Pin the tools to a file of this SHA-256."""
        (self.root / "constraints.txt").write_text(f"tools==1 --hash=sha256:{digest}\n")


def lay_out(root: Path) -> Checkout:
    """A checkout in which nothing has been made yet; its front door sees this Python, no uv and no package index."""
    shutil.copy(DEV, root / "dev")
    (root / "backend.py").write_text(BACKEND)
    (root / "pyproject.toml").write_text(PYPROJECT)
    atlas = root / "examples" / "atlas"
    atlas.mkdir(parents=True)
    (atlas / "__main__.py").write_text("import os, sys; print(os.getpid(), *sys.argv[1:])")
    script(root / "bin" / "python3", f'exec {sys.base_prefix}/bin/python3.{sys.version_info.minor} "$@"')
    tools = _tools_wheel(root / "wheels")
    links = str(tools.parent)
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": links, "UV_OFFLINE": "1", "UV_FIND_LINKS": links}
    checkout = Checkout(root, {"PATH": str(root / "bin"), **offline})
    checkout.constrain(hashlib.sha256(tools.read_bytes()).hexdigest())
    return checkout


def script(path: Path, body: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def _tools_wheel(directory: Path) -> Path:
    directory.mkdir()
    info = "tools-1.dist-info"
    tools = ("coverage", "mkdocs", "mypy", "pyright", "pytest", "ruff")
    files = {f"{name}/__main__.py": TOOL.format(name=name) for name in tools}
    files |= {
        "lint_imports.py": TOOL.format(name="lint_imports"),
        f"{info}/entry_points.txt": "[console_scripts]\nlint-imports = lint_imports:main\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tools\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},sha256={_record_hash(text)},\n" for name, text in files.items())
    path = directory / "tools-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return path


def _record_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
