"""`python -m benchmarks.page FILE...`: puts what `./dev bench --json` has printed into the tables of `docs/speed.md`.

Tables whose benchmark is in none of the files stay as they are.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ._report import Row

PAGE = Path(__file__).resolve().parents[1] / "docs" / "speed.md"
DATABASES = {"postgres": "PostgreSQL", "sqlite": "SQLite"}
OPERATIONS = ("get", "list20", "list100", "filtered", "create", "patch", "delete")
ABSENT = "?"
UNITS = {"cpu": " µs", ".p99": " µs", ".rss_mb": " MB"}

Results = Mapping[tuple[str, str], Row]
"""Rows by name and peer."""


def tables(rows: Iterable[Row]) -> dict[str, str]:
    """The tables of what was measured, by the name that their markers in the page have."""
    results = {(row.name, row.peer): row for row in rows}
    return {name: make(results) for name, (of, make) in TABLES.items() if any(re.match(of, row) for row, _ in results)}


def replaced(page: str, made: Mapping[str, str]) -> str:
    """The page with these tables between their markers.

    Raises:
        ValueError: A table has no markers.
    """
    for name, table in made.items():
        begin, end = f"<!-- {name} -->\n", "<!-- end -->"
        before, begun, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not (begun and ended):
            raise ValueError(f"there is no place for {name} between <!-- {name} --> and <!-- end -->")
        page = f"{before}{begin}\n{table}\n\n{end}{after}"
    return page


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def _ratio(row: Row | None) -> str:
    """A ratio beside its goal, in bold where it misses that."""
    if row is None:
        return ABSENT
    if row.goal is None:
        return f"{row.ratio:.2f}"
    shown = f"{row.ratio:.2f} {'≤' if row.ratio <= row.goal else '>'} {row.goal:.2f}"
    return shown if row.holds else f"**{shown}**"


def _operations(results: Results, title: str, peers: Sequence[str]) -> str:
    columns = [(name, peer) for name in DATABASES for peer in peers]
    return _table(
        ["operation", *(f"{DATABASES[name]}, {peer}" for name, peer in columns)],
        (
            [operation, *(_ratio(results.get((f"crud.{name}{title}.{operation}.cpu", peer))) for name, peer in columns)]
            for operation in OPERATIONS
        ),
    )


def _places(results: Results) -> str:
    found = [re.fullmatch(r"crud\.\w+\.((?:depth|count|include|filters)\.\w+)\.cpu", name) for name, _ in results]
    pairs = dict.fromkeys((match[1], peer) for match, (_, peer) in zip(found, results, strict=True) if match)
    columns = [(name, clock) for name in DATABASES for clock in ("cpu", "wall")]
    return _table(
        ["list", "beside", *(f"{DATABASES[name]}, {'CPU' if clock == 'cpu' else clock}" for name, clock in columns)],
        (
            [variant, peer, *(_ratio(results.get((f"crud.{name}.{variant}.{clock}", peer))) for name, clock in columns)]
            for variant, peer in pairs
        ),
    )


def _exports(results: Results) -> str:
    return _table(
        ["database", "export", "takes", "beside", "which takes", "ratio"],
        (
            [DATABASES[name], form, f"{row.ours_us / 1e6:.1f} s", row.peer, f"{row.peer_us / 1e6:.1f} s", _ratio(row)]
            for name, form, row in _of_exports(results, "wall")
        ),
    )


def _memory(results: Results) -> str:
    return _table(
        ["database", "export", "grows by", "beside", "MB", "ratio"],
        (
            [DATABASES[name], form, f"{row.ours_us:.1f} MB", row.peer, f"{row.peer_us:.1f}", _ratio(row)]
            for name, form, row in _of_exports(results, "rss_mb")
        ),
    )


def _of_exports(results: Results, figure: str) -> list[tuple[str, str, Row]]:
    """Database, form and row of each comparison of exports in this figure."""
    named = re.compile(rf"crud\.(\w+)\.export\.(\w+)\.{figure}")
    found = [(named.fullmatch(row.name), row) for row in results.values()]
    return [(match[1], match[2], row) for match, row in found if match]


def _wire(results: Results) -> str:
    lines: list[list[str]] = []
    for operation in ("get", "list20"):
        name = f"crud.postgres.wire.{operation}"
        pace, p50, p99 = (results.get((f"{name}.{it}", "handwritten")) for it in ("throughput", "p50", "p99"))
        if not (pace and p50 and p99):
            continue
        lines.append([operation, "ours", *_figures(pace.ours_us, p50.ours_us, p99.ours_us)])
        lines[-1] += [_ratio(pace), _ratio(results.get((f"{name}.p99", "its own p50")))]
        lines.append([operation, "handwritten", *_figures(pace.peer_us, p50.peer_us, p99.peer_us), "", ""])
    return _table(["operation", "app", "requests/s", "p50", "p99", "time for each, ours / theirs", "p99 / p50"], lines)


def _plain(results: Results, prefix: str) -> str:
    """A table of CPU time, one comparison per line."""
    return _table(
        ["measured", "ours", "beside", "theirs", "ratio"],
        (
            [row.name.removeprefix(prefix).removesuffix(".cpu"), *_sides(row), _ratio(row)]
            for row in results.values()
            if row.name.startswith(prefix) and not row.name.endswith(".wall")
        ),
    )


def _sides(row: Row) -> list[str]:
    unit = next((unit for end, unit in UNITS.items() if row.name.endswith(end)), "")
    return [f"{row.ours_us:.1f}{unit}", row.peer, f"{row.peer_us:.1f}{unit}"]


def _figures(pace: float, p50: float, p99: float) -> list[str]:
    return [f"{1e6 / pace:,.0f}", f"{p50 / 1e3:.1f} ms", f"{p99 / 1e3:.1f} ms"]


TABLES: Mapping[str, tuple[str, Callable[[Results], str]]] = {
    "operations": (
        r"crud\.\w+\.(get|list|filtered|create|patch|delete)",
        partial(_operations, title="", peers=("handwritten", "fastcrud")),
    ),
    "guarded": (r"crud\.\w+\.guarded\.", partial(_operations, title=".guarded", peers=("handwritten",))),
    "places": (r"crud\.\w+\.(depth|count|include|filters)\.", _places),
    "exports": (r"crud\.\w+\.export\.\w+\.wall", _exports),
    "memory": (r"crud\.\w+\.export\.\w+\.rss_mb", _memory),
    "wire": (r"crud\.\w+\.wire\.", _wire),
    **{
        name: (rf"{name}\.", partial(_plain, prefix=f"{name}."))
        for name in ("stack", "errors", "limits", "cache", "auth")
    },
}
"""By the names of their markers: of which rows they are made, and by what."""


if __name__ == "__main__":
    rows = [Row(**it) for name in sys.argv[1:] for it in json.loads(Path(name).read_text())]
    PAGE.write_text(replaced(PAGE.read_text(), tables(rows)))
