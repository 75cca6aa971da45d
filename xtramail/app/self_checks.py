"""The server's looks at itself, made in order: the ledger hourly, the room each minute, what waits for the
metrics, and each outage once when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xtramail.delivery.evidence import EvidenceKeeper
from xtramail.delivery.policy import Policy
from xtramail.delivery.raising import Say
from xtramail.delivery.self_watch import SelfWatch
from xtramail.delivery.survey import Survey
from xtramail.model.clock import Clock
from xtramail.net.queue_figures import QueueFigures
from xtramail.net.slow_walk import SlowWalk
from xtramail.store.engine import Engine
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics

AUDIT_SECONDS = 3_600.0
ROOM_SECONDS = 60.0
SURVEY_SECONDS = 15.0
EVIDENCE_SECONDS = 10.0


class SelfChecks:
    def __init__(
        self,
        reactor: Any,
        *,
        engine: Engine,
        policy: Policy,
        clock: Clock,
        say: Say,
        metrics: Metrics,
        handed: Mapping[str, float],
    ) -> None:
        """``handed``: see QueueFigures."""
        self._survey = Survey(engine)
        watch = SelfWatch(
            engine=engine,
            policy=policy,
            clock=clock,
            say=say,
            audited=lambda holds: metrics.ledger_audited(holds=holds),
        )
        metrics.registry.register(
            QueueFigures(engine=engine, clock=clock, waiting=lambda: self._survey.waiting, handed=handed)
        )
        walks = (
            (watch.ledger, AUDIT_SECONDS),
            (watch.store, ROOM_SECONDS),
            (self._survey.walk, SURVEY_SECONDS),
            (EvidenceKeeper(engine, clock).walk, EVIDENCE_SECONDS),
        )
        fault = maillog.fault_alarm("self-check")
        self._walks = [SlowWalk(reactor, begin=begin, every=every, fault=fault) for begin, every in walks]

    def start(self) -> None:
        for walk in self._walks:
            walk.startService()

    def stop(self) -> None:
        for walk in self._walks:
            walk.stopService()
