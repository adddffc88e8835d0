"""The crud benchmark against its further peers, on a few cities."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks._databases import Place, postgres
from benchmarks._measure import Pace
from benchmarks._mode import Mode
from benchmarks.crud import OPERATIONS, Suite
from benchmarks.crud._contestant import Contestant
from benchmarks.crud._operations import Operation, Page
from benchmarks.crud._ours import ours
from examples.atlas.data import CITIES_15000, Dataset, World
from tests.services import require

PEERS = "a peer, which `./dev bench` installs"
pytest.importorskip("advanced_alchemy", reason=PEERS)
pytest.importorskip("django_filters", reason=PEERS)
pytest.importorskip("fastapi_crudrouter", reason=PEERS)
pytest.importorskip("rest_framework", reason=PEERS)

from benchmarks.crud._advanced_alchemy import advanced_alchemy  # noqa: E402
from benchmarks.crud._crudrouter import crudrouter  # noqa: E402
from benchmarks.crud._drf import drf  # noqa: E402

pytestmark = [
    pytest.mark.anyio,
    # fastapi-crudrouter calls what pydantic 2 and SQLAlchemy 2 still have, and warn about.
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.LegacyAPIWarning"),
]

SHORT = Mode(Pace(rounds=1, calls=1, seconds=1))
SMALL: list[Operation] = [replace(it, pages=1) if isinstance(it, Page) else it for it in OPERATIONS]


def france() -> World:
    """The world, with the cities of France alone."""
    world = CITIES_15000.read()
    return replace(world, cities=[city for city in world.cities if city["country_code"] == "FR"])


async def compared(place: Place, peer: Callable[[str], Contestant]) -> set[str]:
    """The operations that ours and `peer` did alike on this database, and what they cost."""
    suite = Suite((ours, peer), SHORT, ".peers", SMALL, None, Dataset("France", france))
    rows = await suite.measure(place, lambda _: None)
    assert all(row.ours_us > 0 and row.peer_us > 0 and row.goal is None for row in rows)
    return {row.name.split(".")[3] for row in rows}


ALL = {it.name for it in OPERATIONS}
each_peer = pytest.mark.parametrize(
    ("peer", "lacked"),
    [
        pytest.param(crudrouter, {"filtered", "patch"}, id="fastapi-crudrouter"),
        pytest.param(advanced_alchemy, set[str](), id="advanced-alchemy"),
        pytest.param(drf, set[str](), id="djangorestframework"),
    ],
)


@each_peer
async def test_peers_do_the_same_on_sqlite(tmp_path: Path, peer: Callable[[str], Contestant], lacked: set[str]) -> None:
    """Each operation that the peer has is compared."""
    place = Place("sqlite", f"sqlite+aiosqlite:///{tmp_path / 'bench.db'}")
    assert await compared(place, peer) == ALL - lacked


@pytest.mark.postgres
@each_peer
async def test_peers_do_the_same_on_postgres(peer: Callable[[str], Contestant], lacked: set[str]) -> None:
    """Each operation that the peer has is compared."""
    require("postgres")
    async with postgres() as place:
        assert await compared(place, peer) == ALL - lacked
