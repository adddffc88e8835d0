"""Results as rows, in the one format that every benchmark prints (DESIGN.md §7)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from ._measure import Sample, median_ratio

QUICK_ALLOWANCE = 1.15
"""A quick run is noisier than a full one: its ratios may pass the goal by this factor."""


@dataclass(frozen=True, slots=True)
class Goal:
    """The ratio to reach, and by what factor this run may miss it."""

    ratio: float
    allowance: float = 1.0

    def met_by(self, ratio: float) -> bool:
        """Whether `ratio` is good enough."""
        return ratio <= self.ratio * self.allowance


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: medians in microseconds per call, the median of the ratios, and its goal if it has one."""

    name: str
    ours_us: float
    peer: str
    peer_us: float
    ratio: float
    goal: float | None
    holds: bool | None


def compare(name: str, ours: Sequence[Sample], peer: str, theirs: Sequence[Sample], goal: Goal | None) -> list[Row]:
    """The row of CPU time, which `goal` is for, and that of wall time, where server and disk have their share."""
    return [
        _row(f"{name}.cpu", [it.cpu for it in ours], peer, [it.cpu for it in theirs], goal),
        _row(f"{name}.wall", [it.wall for it in ours], peer, [it.wall for it in theirs], None),
    ]


def _row(name: str, ours: Sequence[float], peer: str, theirs: Sequence[float], goal: Goal | None) -> Row:
    ratio = median_ratio(ours, theirs)
    wanted, holds = (goal.ratio, goal.met_by(ratio)) if goal else (None, None)
    return Row(name, round(median(ours), 1), peer, round(median(theirs), 1), round(ratio, 3), wanted, holds)


def as_json(rows: Sequence[Row]) -> str:
    """A JSON list, one row per line."""
    return "[\n" + ",\n".join("  " + json.dumps(asdict(row)) for row in rows) + "\n]"


def as_table(rows: Sequence[Row]) -> str:
    """Columns for people."""
    head = f"{'name':<34}{'ours µs':>10}  {'peer':<14}{'peer µs':>10}{'ratio':>8}{'goal':>7}  holds"
    return "\n".join([head, *map(_line, rows)])


def _line(row: Row) -> str:
    goal = "" if row.goal is None else f"{row.goal:.2f}"
    holds = {None: "", True: "yes", False: "NO"}[row.holds]
    return f"{row.name:<34}{row.ours_us:>10.1f}  {row.peer:<14}{row.peer_us:>10.1f}{row.ratio:>8.3f}{goal:>7}  {holds}"
