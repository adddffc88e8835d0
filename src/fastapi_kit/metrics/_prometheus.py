"""What this room takes from prometheus-client, with the types that it does not give."""

from typing import Any

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, exposition, multiprocess
    from prometheus_client.metrics_core import Metric
    from prometheus_client.openmetrics import exposition as openmetrics
    from prometheus_client.registry import Collector
    from prometheus_client.values import MutexValue, ValueClass
except ModuleNotFoundError as error:
    raise ImportError("fastapi_kit.metrics needs prometheus-client: pip install 'fastapi-kit[metrics]'") from error

__all__ = [
    "REGISTRY",
    "Collector",
    "CollectorRegistry",
    "Counter",
    "Gauge",
    "Histogram",
    "Metric",
    "forget_process",
    "keeps_values_in_files",
    "openmetrics_text",
    "prometheus_text",
    "values_of_all_processes",
]

_untyped_openmetrics: Any = openmetrics
_untyped_multiprocess: Any = multiprocess


def prometheus_text(collector: Collector) -> tuple[bytes, str]:
    """What is collected in Prometheus' own format, and its media type."""
    return exposition.generate_latest(collector), exposition.CONTENT_TYPE_PLAIN_0_0_4


def openmetrics_text(collector: Collector) -> tuple[bytes, str]:
    """What is collected in the format of OpenMetrics 1.0, and its media type."""
    return _untyped_openmetrics.generate_latest(collector), _untyped_openmetrics.CONTENT_TYPE_LATEST


def keeps_values_in_files() -> bool:
    """Whether values are kept in files for all processes: decided by a variable when prometheus-client was imported."""
    return ValueClass is not MutexValue


def values_of_all_processes(directory: str) -> Collector:
    """What collects the values that all processes have written into a directory."""
    collector: Collector = _untyped_multiprocess.MultiProcessCollector(None, directory)
    return collector


def forget_process(process: int, directory: str) -> None:
    """Drop what a process that is gone had in progress."""
    _untyped_multiprocess.mark_process_dead(process, directory)
