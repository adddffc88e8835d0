"""What the ratio of CPU times has to reach, by database, peer and operation."""

from collections.abc import Mapping

_OF_POSTGRES = {
    "get": 0.40,
    "list20": 0.36,
    "list100": 0.32,
    "filtered": 0.38,
    "create": 0.27,
    "patch": 0.25,
    "delete": 0.32,
}
_OF_SQLITE = {
    "get": 0.45,
    "list20": 0.45,
    "list100": 0.45,
    "filtered": 0.45,
    "create": 0.35,
    "patch": 0.35,
    "delete": 0.35,
}
CPU_GOALS: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("postgres", "handwritten"): _OF_POSTGRES,
    ("postgres", "fastcrud"): dict.fromkeys(_OF_POSTGRES, 0.25),
    ("sqlite", "handwritten"): _OF_SQLITE,
}


def cpu_goal(place: str, peer: str, operation: str) -> float | None:
    """The goal, if there is one."""
    return CPU_GOALS.get((place, peer), {}).get(operation)
