"""Numbers of the queue and of the primaries for Prometheus, made at each scrape from what is known already.

The state of a primary is a get; what waits is the last survey's. One series a domain that is served here and has
something to tell, so that a thousand of them are a few thousand lines; never a domain of the outside world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from xtramail.delivery.survey import Waiting
from xtramail.directory.domains import all_domains
from xtramail.directory.primaries import primary_of
from xtramail.model.clock import Clock
from xtramail.model.primary import State
from xtramail.store.engine import Engine


class QueueFigures(Collector):
    def __init__(
        self,
        *,
        engine: Engine,
        clock: Clock,
        waiting: Callable[[], Mapping[str, Waiting]],
        handed: Mapping[str, float],
    ) -> None:
        """``handed``: by domain, when that arrived which was handed to its primary last."""
        self._engine = engine
        self._clock = clock
        self._waiting = waiting
        self._handed = handed

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing is read when it is registered."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now, waiting = self._clock.now(), self._waiting()
        state = _gauge("primary_state", "1 for the state that a domain's primary is in.", "domain", "state")
        seconds = _gauge("primary_state_seconds", "For how long it is in that state.", "domain")
        lag = _gauge("give_back_lag_seconds", "Age of what is being handed to a primary that is back.", "domain")
        served = set()
        for domain in all_domains(self._engine):
            served.add(domain.name)
            if not domain.primaries:
                continue
            row = primary_of(self._engine, domain.name)
            state.add_metric((domain.name, row.state), 1)
            seconds.add_metric((domain.name,), max(now - (row.since or domain.created), 0))
            if row.state == State.RECOVERING and domain.name in self._handed:
                lag.add_metric((domain.name,), max(now - self._handed[domain.name], 0))
        yield from (state, seconds, lag)
        yield from self._queue(waiting, served, now)

    def _queue(self, waiting: Mapping[str, Waiting], served: set[str], now: float) -> Iterator[GaugeMetricFamily]:
        entries = _gauge("queue_entries", "Queue entries; world: for domains not served here.", "kind", "domain")
        oldest = _gauge("queue_oldest_seconds", "Age of the oldest of them.", "kind", "domain")
        world = [one for name, one in waiting.items() if name not in served]
        shown = [("primary", name, one) for name, one in waiting.items() if name in served]
        if world:
            summed = Waiting(entries=sum(one.entries for one in world), oldest=min(one.oldest for one in world))
            shown.append(("world", "", summed))
        for kind, name, one in shown:
            entries.add_metric((kind, name), one.entries)
            oldest.add_metric((kind, name), max(now - one.oldest, 0))
        undelivered = _gauge("oldest_undelivered_seconds", "Age of the oldest message that waits for anybody.")
        undelivered.add_metric((), max((now - one.oldest for one in waiting.values()), default=0))
        yield from (entries, oldest, undelivered)


def _gauge(name: str, doc: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"xtramail_{name}", doc, labels=labels)
