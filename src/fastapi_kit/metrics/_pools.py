"""How full the pools are."""

from collections.abc import Callable
from typing import Protocol

from fastapi_kit.metrics._prometheus import CollectorRegistry, Gauge


class PoolUsage(Protocol):
    """What can be told of a pool of connections at one moment."""

    @property
    def size(self) -> int:
        """How many there may be."""
        ...

    @property
    def in_use(self) -> int:
        """How many somebody works with."""
        ...

    @property
    def waiting(self) -> int:
        """How many more are asked for."""
        ...


class PoolMetrics:
    """Gauges of pools, set when they are sampled."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, documentation: str) -> Gauge:
            return Gauge(name, documentation, ("pool",), registry=registry, multiprocess_mode="livesum")

        self._size = gauge("db_pool_size", "Connections that the pool may have.")
        self._in_use = gauge("db_pool_in_use", "Connections that somebody works with.")
        self._waiting = gauge("db_pool_waiting", "Callers that wait for a connection.")
        self._pools: dict[str, Callable[[], PoolUsage]] = {}

    def watch(self, name: str, usage: Callable[[], PoolUsage]) -> None:
        """Sample this pool from now on."""
        if name in self._pools:
            raise ValueError(f"Two pools are named {name!r}: give each a name of its own.")
        self._pools[name] = usage

    def sample(self) -> None:
        """Set the gauges to what holds now."""
        for name, usage in self._pools.items():
            now = usage()
            self._size.labels(name).set(now.size)
            self._in_use.labels(name).set(now.in_use)
            self._waiting.labels(name).set(now.waiting)
