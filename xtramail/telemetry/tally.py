"""What is counted in every command and connection: a number in a table, read by Prometheus when it scrapes.

Prometheus' own counters take a lock and four calls for each step. Owns the numbers; their names and what they mean are
``metrics``'s. To be counted in one thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Tally(Collector):
    """``tally.of[label, ...] += 1``; one that only grows is a counter, else a gauge."""

    def __init__(self, name: str, doc: str, labels: Sequence[str], registry: CollectorRegistry, *, grows: bool) -> None:
        self._name = name
        self._doc = doc
        self._labels = tuple(labels)
        self._kind = CounterMetricFamily if grows else GaugeMetricFamily
        self.of: defaultdict[tuple[str, ...], int] = defaultdict(int)
        """By the labels' values, in their order."""
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """As Prometheus asks, to see that no name is taken twice."""
        return [self._kind(self._name, self._doc, labels=self._labels)]

    def collect(self) -> Iterable[Metric]:
        """As Prometheus asks at each scrape."""
        family = self._kind(self._name, self._doc, labels=self._labels)
        for labels, number in list(self.of.items()):
            family.add_metric(labels, number)
        return [family]
