"""Each kind of failure: first that both answer with its status, then what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks._driver import Call, InProcess, running
from benchmarks._measure import Pace, measure
from benchmarks._mode import QUICK_ALLOWANCE, Mode, Say
from benchmarks._report import Goal, Goals, Row, compare
from benchmarks._work import Repeated

from ._apps import make_app

KINDS: Mapping[str, tuple[Call, int]] = {
    "failure": (Call("GET", "/failure"), 500),
    "exception": (Call("GET", "/exception"), 409),
    "validation": (Call("GET", "/validation?number=x"), 422),
    "unknown path": (Call("GET", "/nowhere"), 404),
}
RATIO = 1.2
"""What a 500 may cost in CPU time, as a ratio to FastAPI's own; the other kinds have no goal."""

QUICK = Mode(Pace(rounds=40, calls=100, seconds=6), QUICK_ALLOWANCE)
FULL = Mode(Pace(rounds=200, calls=100, seconds=40))


@dataclass(frozen=True, slots=True)
class Suite:
    """A run of the benchmark.

    Args:
        mode: How thoroughly to measure.
    """

    mode: Mode

    async def run(self, say: Say) -> list[Row]:
        """Measure every kind of failure."""
        rows: list[Row] = []
        async with running(make_app(installed=True)) as ours, running(make_app(installed=False)) as theirs:
            for kind, (call, status) in KINDS.items():
                name = f"errors.{kind.replace(' ', '_')}"
                say(name)
                contenders = {"ours": await failing(ours, call, status), "FastAPI": await failing(theirs, call, status)}
                samples = await measure(contenders, self.mode.pace)
                goals = Goals(cpu=Goal(RATIO, self.mode.allowance) if kind == "failure" else None)
                rows += compare(name, samples["ours"], "FastAPI", samples["FastAPI"], goals)
        return rows


async def failing(server: InProcess, call: Call, status: int) -> Repeated:
    """A contender that sends `call`, which is answered with `status`."""
    answer = await server.send(call)
    if answer.status != status:
        raise AssertionError(f"{call} answered {answer}")
    return Repeated(partial(server.send, call))
