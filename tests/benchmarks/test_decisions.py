"""The measurements behind the decisions run, and measure what their pages show."""

import pytest

from benchmarks.decisions.__main__ import MEASUREMENTS
from tests.docs.test_code_blocks import ROOT
from tests.services import require

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("answers", "answers-not-validated"),
        pytest.param("connections", "autocommit-at-rest", marks=pytest.mark.postgres),
        ("handlers", "route-handler"),
        pytest.param("totals", "capped-totals", marks=pytest.mark.slow),
        ("trips", "sqlite-one-trip"),
    ],
)
async def test_the_measurement_has_the_rows_of_its_page(name: str, page: str) -> None:
    """Each contender does its work, and has the name and the place that the page gives it."""
    if name == "connections":
        require("postgres")
    shown = (ROOT / "docs" / "decisions" / f"{page}.md").read_text()
    assert f"python -m benchmarks.decisions {name}\n" in shown
    async with MEASUREMENTS[name]() as contenders:
        for contender in contenders.values():
            await (await contender.batch(2))()
        places = [shown.find(f"\n{row}  ") for row in contenders]
    assert -1 not in places
    assert places == sorted(places)
