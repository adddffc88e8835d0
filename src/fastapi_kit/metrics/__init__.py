"""Metrics for Prometheus: how many requests, how many fail, how long they take, and how full the pools are.

- `Metrics` observes exchanges and exposes what it has seen; `Metrics.router()` serves `/metrics`.
- `MetricsMiddleware` is the layer that tells it of them, where `fastapi_kit.logs` does not.
- `PoolUsage` is what `Metrics.watch_pool` asks of a pool.

It needs the extra `metrics` (prometheus-client).
"""

from fastapi_kit.metrics._metrics import DURATIONS, Metrics
from fastapi_kit.metrics._middleware import MetricsMiddleware
from fastapi_kit.metrics._pools import PoolUsage

__all__ = ["DURATIONS", "Metrics", "MetricsMiddleware", "PoolUsage"]
