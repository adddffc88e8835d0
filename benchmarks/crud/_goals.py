"""What the ratio of CPU times has to reach, by database, peer and operation."""

from collections.abc import Mapping

READS = ("get", "list20", "list100", "filtered")
WRITES = ("create", "patch", "delete")

CPU_GOALS: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("postgres", "handwritten"): {
        "get": 0.40,
        "list20": 0.36,
        "list100": 0.32,
        "filtered": 0.38,
        "create": 0.27,
        "patch": 0.25,
        "delete": 0.32,
    },
    ("postgres", "fastcrud"): dict.fromkeys(READS + WRITES, 0.25),
    ("sqlite", "handwritten"): dict.fromkeys(READS, 0.45) | dict.fromkeys(WRITES, 0.35),
}


def cpu_goal(place: str, peer: str, operation: str) -> float | None:
    """The goal, if there is one."""
    return CPU_GOALS.get((place, peer), {}).get(operation)
