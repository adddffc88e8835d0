"""The tables of the page about speed, from rows as a run prints them."""

import json
from dataclasses import asdict

import pytest

from benchmarks._report import Row, as_json
from benchmarks.page import PAGE, TABLES, replaced, tables


def row(name: str, peer: str, ratio: float, goal: float | None = None) -> Row:
    """A comparison of a million with two million microseconds."""
    return Row(name, 1e6, peer, 2e6, ratio, goal, None if goal is None else ratio <= goal)


ROWS = [
    row("crud.postgres.get.cpu", "handwritten", 0.311, 0.4),
    row("crud.postgres.get.wall", "handwritten", 0.9),
    row("crud.sqlite.get.cpu", "fastcrud", 0.2),
    row("crud.postgres.guarded.create.cpu", "handwritten", 0.5, 0.27),
    row("crud.sqlite.depth.by_key.cpu", "first page", 1.1, 1.5),
    row("crud.sqlite.count.capped.wall", "exact", 0.05),
    row("crud.postgres.count.capped.cpu", "exact", 0.7),
    row("crud.sqlite.export.csv.wall", "orm, CSV", 0.25, 1 / 3),
    row("crud.sqlite.export.csv.rss_mb", "15 MB", 0.2, 1.0),
    row("crud.postgres.wire.get.throughput", "handwritten", 0.3, 1 / 3),
    row("crud.postgres.wire.get.p50", "handwritten", 0.3),
    row("crud.postgres.wire.get.p99", "handwritten", 0.3),
    row("crud.postgres.wire.get.p99", "its own p50", 2.0, 4.0),
    row("stack.context.cpu", "bare", 1.5, 1.4),
    row("stack.context.wall", "bare", 1.5),
    row("limits.redis.policy.trips", "one", 1.0, 1.0),
    row("auth.logins.rss_mb", "200 MB", 0.1, 1.0),
]


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("operations", "| get | 0.31 ≤ 0.40 | ? | ? | 0.20 |"),
        ("guarded", "| create | **0.50 > 0.27** | ? |"),
        ("places", "| depth.by_key | first page | ? | ? | 1.10 ≤ 1.50 | ? |"),
        ("places", "| count.capped | exact | 0.70 | ? | ? | 0.05 |"),
        ("exports", "| SQLite | csv | 1.0 s | orm, CSV | 2.0 s | 0.25 ≤ 0.33 |"),
        ("memory", "| SQLite | csv | 1000000.0 MB | 15 MB | 2000000.0 | 0.20 ≤ 1.00 |"),
        ("wire", "| get | ours | 1 | 1000.0 ms | 1000.0 ms | 0.30 ≤ 0.33 | 2.00 ≤ 4.00 |"),
        ("wire", "| get | handwritten | 0 | 2000.0 ms | 2000.0 ms |  |  |"),
        ("stack", "| context | 1000000.0 µs | bare | 2000000.0 µs | **1.50 > 1.40** |"),
        ("limits", "| redis.policy.trips | 1000000.0 | one | 2000000.0 | 1.00 ≤ 1.00 |"),
        ("auth", "| logins.rss_mb | 1000000.0 MB | 200 MB | 2000000.0 MB | 0.10 ≤ 1.00 |"),
    ],
)
def test_each_figure_is_beside_its_goal(table: str, line: str) -> None:
    """A goal that is missed shows, and what was not measured is not made up."""
    read = [Row(**it) for it in json.loads(as_json(ROWS))]
    assert [asdict(it) for it in read] == [asdict(it) for it in ROWS]
    assert line in tables(read)[table].splitlines()


def test_only_what_was_measured_is_made_anew() -> None:
    """The tables of other benchmarks stay as they are; a column of wall time is no line of its own."""
    made = tables(row for row in ROWS if row.name.startswith("stack."))
    assert list(made) == ["stack"]
    assert len(made["stack"].splitlines()) == 3
    assert tables([]) == {}


def test_every_table_has_its_place_in_the_page() -> None:
    """What is around the tables stays as it is; a second run replaces what the first has put there."""
    page = PAGE.read_text()
    made = {name: f"| {name} |" for name in TABLES}
    once = replaced(page, made)
    assert all(f"<!-- {name} -->\n\n| {name} |\n\n<!-- end -->" in once for name in made)
    assert replaced(once, made) == once
    assert replaced(once, dict.fromkeys(made, "")).count("<!-- end -->") == len(made)
    with pytest.raises(ValueError, match="no place for weather"):
        replaced(page, {"weather": ""})
