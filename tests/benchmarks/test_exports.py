"""The export benchmark on a few places: workers of their own, the same bytes, memory that is theirs."""

import sys
from pathlib import Path

import pytest

from benchmarks._databases import Place
from benchmarks.exports import Suite
from benchmarks._memory import watch_growth
from benchmarks.exports._suite import OURS_NDJSON, PEERS, Effort, Exporter, check
from benchmarks.exports._worker import Outcome, worker
from benchmarks.places._rows import fill

pytestmark = pytest.mark.anyio


@pytest.mark.slow
async def test_all_contestants_export_the_same_and_are_compared(tmp_path: Path) -> None:
    """Times against both of the ORM's forms, memory against the limit and the ORM's."""
    place = Place("sqlite", f"sqlite+aiosqlite:///{tmp_path / 'bench.db'}")
    rows = await Suite(Effort(rows=2_500, rounds=2)).measure(place, lambda _: None)
    lines, separated = PEERS.values()
    timed = [("ndjson", lines, 0.333), ("csv", lines, 0.333), ("csv", separated, None)]
    assert [(row.name, row.peer, row.goal and round(row.goal, 3)) for row in rows if "rss" not in row.name] == [
        (f"crud.sqlite.export.{form}.{clock}", peer, goal if clock == "wall" else None)
        for form, peer, goal in timed
        for clock in ("cpu", "wall")
    ]
    if sys.platform == "linux":
        assert [(row.name, row.peer, row.goal) for row in rows if "rss" in row.name] == [
            ("crud.sqlite.export.ndjson.rss_mb", "15 MB", 1.0),
            ("crud.sqlite.export.ndjson.rss_mb", lines, None),
            ("crud.sqlite.export.csv.rss_mb", "15 MB", 1.0),
            ("crud.sqlite.export.csv.rss_mb", separated, None),
        ]
    assert all(row.ours_us > 0 and row.peer_us > 0 for row in rows)


async def test_a_worker_that_fails_is_no_measurement(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It is raised that the process has ended; why, the process itself has said."""
    async with worker("unheard of", f"sqlite+aiosqlite:///{tmp_path / 'bench.db'}") as started:
        with pytest.raises(RuntimeError, match="ended with status 1"):
            await started.ready()
    assert "unheard of" in capfd.readouterr().err


def outcome(status: int = 200, size: int = 9, checksum: int = 1) -> Outcome:
    """An export."""
    return Outcome(status, size, checksum, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(outcome(checksum=2), id="other bytes"),
        pytest.param(outcome(size=8), id="fewer bytes"),
        pytest.param(outcome(status=500), id="an error"),
    ],
)
def test_exports_that_differ_are_not_compared(odd: Outcome) -> None:
    """Whether it is another contestant's, or a later one of the same."""
    other = Exporter("orm", "ndjson")
    check({OURS_NDJSON: [outcome(), outcome()], other: [outcome(), outcome()]})
    for wrong in ({OURS_NDJSON: [outcome()], other: [odd]}, {OURS_NDJSON: [outcome(), odd], other: [outcome()]}):
        with pytest.raises(AssertionError, match="has sent"):
            check(wrong)
    with pytest.raises(AssertionError, match="has sent"):
        check({OURS_NDJSON: [outcome(size=0)]})


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a peak that can be set back")
def test_growth_is_the_peak_since_the_watch_began() -> None:
    """Memory that has been given back counts, and what was before does not."""
    megabyte = 1_000_000
    watched = watch_growth()
    held = b"x" * (50 * megabyte)
    del held
    growth = watched()
    assert growth is not None
    assert 45 < growth < 60
    again = watch_growth()()
    assert again is not None
    assert again < 5


async def test_a_worker_counts_what_it_sends(tmp_path: Path) -> None:
    """Its outcome is that of the whole export."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'bench.db'}"
    await fill(url, 30)
    async with worker("plain", url) as started:
        await started.ready()
        short, again = await started.export("/places.csv"), await started.export("/places.csv")
        missing = await started.export("/nothing")
    assert short.sent == again.sent
    assert short.status == 200
    assert short.size > 30 * 20
    assert missing.status == 404
