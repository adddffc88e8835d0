"""Every Python block of the README and the docs runs, each on its own, in an empty directory and a fresh interpreter.

A block is imported as a module, which is what a server does with it; warnings are errors. There is no mark that keeps a
block from running: what cannot run is not shown as Python. A block whose title is a file's name is that file,
and lies beside the blocks that follow it on the page.
"""

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(
    r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ ]*(?:python|py)\b(?P<options>[^\n]*)\n"
    r"(?P<code>.*?)^(?P=indent)(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
TITLE = re.compile(r'title="([\w.]+\.py)"')
OPENING = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[ ]*(?:python|py)\b", re.MULTILINE)


class Block(NamedTuple):
    """A block of Python and where it is written."""

    page: str
    line: int
    code: str
    title: str = ""
    """The name of the file that it is, if it has one."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The Python blocks of a page, in order, out of lists and admonitions too."""
    text = page.read_text()
    name = page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name
    return [
        Block(name, text.count("\n", 0, match.start("code")) + 1, textwrap.dedent(match["code"]), title_of(match))
        for match in FENCED.finditer(text)
    ]


def title_of(match: re.Match[str]) -> str:
    """The title among a block's options."""
    found = TITLE.search(match["options"])
    return found[1] if found else ""


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def run(block: Block, directory: Path) -> "subprocess.CompletedProcess[str]":
    """Import the block as a module from `directory`; its lines keep the numbers that they have on the page."""
    for earlier in BLOCKS:
        if earlier.title and earlier.page == block.page and earlier.line < block.line:
            (directory / earlier.title).write_text(earlier.code)
    (directory / "block.py").write_text("\n" * (block.line - 1) + block.code)
    command = [sys.executable, "-W", "error", "-c", "import block"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_block_runs(block: Block, tmp_path: Path) -> None:
    """A reader who copies the block gets what the page promises, without an error or a warning."""
    done = run(block, tmp_path)
    assert done.returncode == 0, f"{block}\n{done.stderr}"


def test_no_block_is_overlooked() -> None:
    """Every fence that opens Python is among the blocks, and the page that everybody reads first has some."""
    assert len(BLOCKS) == sum(len(OPENING.findall(page.read_text())) for page in PAGES)
    assert "README.md" in {block.page for block in BLOCKS}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```python\nx = 1\n```", "x = 1\n"),
        ('```python title="app.py"\nx = 1\n```', "x = 1\n"),
        ("1. item\n\n    ```py hl_lines='1'\n    if 1:\n        x = 1\n    ```", "if 1:\n    x = 1\n"),
        ("````python\n'''\n```\n'''\n````", "'''\n```\n'''\n"),
    ],
    ids=["plain", "titled", "indented", "longer-fence"],
)
def test_blocks_are_found_in_every_form(tmp_path: Path, text: str, code: str) -> None:
    """Titles, options, indentation and longer fences do not hide a block; other languages are left alone."""
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{text}\n\n```bash\nexit 1\n```\n")
    assert [block.code for block in blocks_of(page)] == [code]


@pytest.mark.parametrize("code", ["1 / 0", "import warnings; warnings.warn('old')"], ids=["error", "warning"])
def test_a_wrong_block_is_noticed(tmp_path: Path, code: str) -> None:
    """A block that raises or warns fails, at the line that it has on the page."""
    done = run(Block("page.md", 12, code), tmp_path)
    assert done.returncode == 1
    assert 'block.py", line 12' in done.stderr
