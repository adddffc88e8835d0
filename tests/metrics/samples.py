"""Reading an exposition: by prometheus-client's own parsers, into a plain mapping."""

from collections.abc import Mapping
from typing import Any

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain_families

_untyped: Any = openmetrics

Series = tuple[str, frozenset[tuple[str, str]]]


def samples(text: str) -> dict[Series, float]:
    """Every sample of an exposition in either format, by name and labels."""
    families = _untyped.text_string_to_metric_families(text) if text.endswith("# EOF\n") else plain_families(text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(found: Mapping[Series, float], name: str, **labels: str) -> float | None:
    """The value of one series, if there is one."""
    return found.get((name, frozenset(labels.items())))


def labels_of(found: Mapping[Series, float], name: str) -> list[dict[str, str]]:
    """The labels of all series of a metric."""
    return [dict(labels) for found_name, labels in found if found_name == name]
