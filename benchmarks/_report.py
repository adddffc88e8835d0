"""Results as rows, in the one format that every benchmark prints (DESIGN.md §7)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from ._measure import Sample, median_ratio


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


@dataclass(frozen=True, slots=True)
class Goals:
    """Those of CPU time and of wall time, if there are any."""

    cpu: Goal | None = None
    wall: Goal | None = None


def compare(name: str, ours: Sequence[Sample], peer: str, theirs: Sequence[Sample], goals: Goals) -> list[Row]:
    """The row of CPU time, and that of wall time, where server and disk have their share."""
    return [
        row(f"{name}.cpu", [it.cpu for it in ours], peer, [it.cpu for it in theirs], goals.cpu),
        row(f"{name}.wall", [it.wall for it in ours], peer, [it.wall for it in theirs], goals.wall),
    ]


def row(name: str, ours: Sequence[float], peer: str, theirs: Sequence[float], goal: Goal | None) -> Row:
    """The row of figures that were taken in the same rounds."""
    ratio = median_ratio(ours, theirs)
    wanted, holds = (goal.ratio, goal.met_by(ratio)) if goal else (None, None)
    return Row(name, round(median(ours), 1), peer, round(median(theirs), 1), round(ratio, 3), wanted, holds)


def within(name: str, more: Sequence[float], peer: str, budget: float, allowance: float) -> Row:
    """The row of what is taken more, beside what that may be."""
    goal = Goal(1.0, allowance)
    ratio = round(median(more) / budget, 3)
    return Row(name, round(median(more), 1), peer, round(budget, 1), ratio, goal.ratio, goal.met_by(ratio))


def budget_here(budget: float, usual: float, samples: Sequence[Sample]) -> float:
    """A budget as it is on this machine: larger if what usually takes so much CPU time takes more; it never shrinks."""
    return budget * max(1.0, median(sample.cpu for sample in samples) / usual)


def as_json(rows: Sequence[Row]) -> str:
    """A JSON list, one row per line."""
    return "[\n" + ",\n".join("  " + json.dumps(asdict(row)) for row in rows) + "\n]"


def as_table(rows: Sequence[Row]) -> str:
    """Columns for people."""
    name = max(len(row.name) for row in rows) + 1
    peer = max(len(row.peer) for row in rows) + 1
    head = f"{'name':<{name}}{'ours µs':>11}  {'peer':<{peer}}{'peer µs':>11}{'ratio':>8}{'goal':>7}  holds"
    return "\n".join([head, *(_line(row, name, peer) for row in rows)])


def _line(row: Row, name: int, peer: int) -> str:
    goal = "" if row.goal is None else f"{row.goal:.2f}"
    holds = {None: "", True: "yes", False: "NO"}[row.holds]
    figures = f"{row.ours_us:>11.1f}  {row.peer:<{peer}}{row.peer_us:>11.1f}{row.ratio:>8.3f}{goal:>7}"
    return f"{row.name:<{name}}{figures}  {holds}".rstrip()
