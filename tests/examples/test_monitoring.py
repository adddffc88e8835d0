"""Alerts and the dashboard: they parse, they name what the atlas exposes, and promtool agrees."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from fastapi import WebSocket
from prometheus_client.parser import text_string_to_metric_families

from examples.atlas.main import make_app
from examples.atlas.settings import AtlasSettings
from fastapi_kit.settings import SecretURL
from fastapi_kit.testing import client

FOLDER = Path(__file__).parents[2] / "examples" / "monitoring"
PROMTOOL = shutil.which("promtool")

# What Prometheus adds to what it scrapes, and Grafana's own.
ADDED_METRICS = {"up": frozenset[str]()}
ADDED_LABELS = frozenset({"job", "instance", "le"})

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"\b([a-z_]+)\s*\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_WORDS = {"and", "or", "unless", "offset", "bool"}


class Named(NamedTuple):
    """What an expression names."""

    metrics: set[str]
    labels: dict[str, set[str]]
    """Of each metric, the labels that are selected by or that it is grouped by."""


def named_in(expression: str) -> Named:
    """The metrics of an expression of PromQL, and the labels; every name that is no function is a metric."""
    bare = re.sub(r"\[[^\]]*\]", "", _STRINGS.sub('""', expression))
    selected = {name: set(re.findall(r"([a-z_]+)\s*(?:=|!)", inside)) for name, inside in _SELECTOR.findall(bare)}
    grouped = {label.strip() for inside in _GROUPING.findall(bare) for label in inside.split(",")}
    rest = _GROUPING.sub("", re.sub(r"\{[^}]*\}", "", bare))
    metrics = set(re.findall(r"\b[a-z_]+\b(?!\s*\()", rest)) - _WORDS
    # A function that is followed by its grouping has lost it here.
    metrics -= {"sum", "max", "min", "avg", "count", "quantile"}
    return Named(metrics, {metric: selected.get(metric, set()) | grouped for metric in metrics})


def rules() -> list[dict[str, Any]]:
    """Every rule of the alerts."""
    document = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    loaded: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
    return loaded


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression, with where it is."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for variable in dashboard()["templating"]["list"]:
        found = re.fullmatch(r"label_values\((.*), ([a-z_]+)\)", variable.get("definition", ""))
        if found:
            yield variable["name"], f"sum by ({found[2]}) ({found[1]})"


EXPRESSIONS = list(expressions())


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Every metric of a real exposition of the atlas, with its labels."""
    return labels_by_metric(exposition(tmp_path_factory.mktemp("atlas")))


def exposition(directory: Path) -> str:
    """What the atlas exposes after a request; a websocket, which it has none of, is added to it."""

    async def scrape() -> str:
        app = make_app(
            AtlasSettings(database_url=SecretURL(f"sqlite:///{directory / 'atlas.db'}"), log_level="critical")
        )
        app.add_api_websocket_route("/socket", accept_and_close)
        async with client(app) as api:
            await api.get("/cities")
            scope: dict[str, Any] = {
                "type": "websocket",
                "path": "/socket",
                "scheme": "ws",
                "headers": [],
                "query_string": b"",
            }
            await app({**scope, "subprotocols": []}, connect, ignore)
            return (await api.get("/metrics")).text

    return asyncio.run(scrape())


async def accept_and_close(websocket: WebSocket) -> None:
    """The shortest session there is."""
    await websocket.accept()
    await websocket.close()


async def connect() -> dict[str, Any]:
    """What a client of websockets sends first."""
    return {"type": "websocket.connect"}


async def ignore(_: Any) -> None:
    """What is sent to it."""


def labels_by_metric(text: str) -> dict[str, set[str]]:
    """The labels of each metric of an exposition."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS])
def test_every_metric_and_label_is_exposed(where: str, expression: str, exposed: dict[str, set[str]]) -> None:
    """An alert on a name that does not exist never fires, and a panel stays empty."""
    named = named_in(expression)
    assert named.metrics, where
    for metric in named.metrics - set(ADDED_METRICS):
        assert metric in exposed, metric
        assert named.labels[metric] <= exposed[metric] | ADDED_LABELS, metric


def test_names_are_found_in_expressions() -> None:
    """The reader of expressions sees what is in them, so that it cannot pass by seeing nothing."""
    named = named_in(
        'histogram_quantile(0.9, sum by (le, x) (rate(a_bucket{y=~"b{c}", z!="d"}[5m]))) / e > 1 and max(f) > 0'
    )
    assert named.metrics == {"a_bucket", "e", "f"}
    assert named.labels["a_bucket"] == {"le", "x", "y", "z"}


def test_the_dashboard_shows_every_metric(exposed: dict[str, set[str]]) -> None:
    """What is exposed is worth a look; a metric without a panel is forgotten."""
    shown = {metric for _, expression in EXPRESSIONS for metric in named_in(expression).metrics}
    ours = {
        name for name in exposed if name.startswith(("http_", "websocket_", "db_")) and not name.endswith("_created")
    }
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in ours} == {
        re.sub("_(bucket|sum|count)$", "", name) for name in shown - set(ADDED_METRICS)
    }


def test_panels_have_a_place_and_an_identity_of_their_own() -> None:
    """Grafana shows only one of two with the same, and one over another where places overlap."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def promtool(*arguments: str, given: str | None = None) -> None:
    """Run promtool, and show what it says if it does not agree."""
    command = [str(PROMTOOL), *arguments]
    done = subprocess.run(command, cwd=FOLDER, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool on this machine")
@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")],
    ids=" ".join,
)
def test_promtool_reads_the_files(arguments: tuple[str, ...]) -> None:
    """The configuration is valid, and the alerts fire when their tests say."""
    promtool(*arguments)


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool on this machine")
def test_promtool_finds_no_fault_in_the_exposition(tmp_path: Path) -> None:
    """Names, units and help texts are as Prometheus' conventions want them."""
    promtool("check", "metrics", given=exposition(tmp_path))
