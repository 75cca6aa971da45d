"""What a scrape says of primaries and of the queue."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, generate_latest

from tests.delivery.relay_world import RelayWorld
from xtramail.delivery.survey import Survey, Waiting
from xtramail.directory.primaries import step
from xtramail.model.pending import drive
from xtramail.model.primary import Event
from xtramail.net.queue_figures import QueueFigures

RELAY = "relay.example"


class Scraped(RelayWorld):
    def __init__(self) -> None:
        super().__init__()
        self.handed: dict[str, float] = {}
        self.survey = Survey(self.engine)
        self.registry = CollectorRegistry()
        self.registry.register(
            QueueFigures(
                engine=self.engine, clock=self.clock, waiting=lambda: self.survey.waiting, handed=self.handed
            )
        )

    def value(self, name: str, **labels: str) -> float | None:
        for _ in self.survey.walk():
            pass
        return self.registry.get_sample_value(f"xtramail_{name}", labels)


def test_the_state_of_each_primary_is_told_with_its_age() -> None:
    world = Scraped()
    drive(step(world.engine, RELAY, Event.FAILS, cause="no", now=world.clock.now()))
    world.clock.advance(90)
    assert world.value("primary_state", domain=RELAY, state="down") == 1
    assert world.value("primary_state", domain=RELAY, state="up") is None
    assert world.value("primary_state_seconds", domain=RELAY) == 90
    assert world.value("primary_state", domain="any.example", state="up") == 1
    assert world.value("primary_state_seconds", domain="any.example") == 90
    assert world.value("primary_state_seconds", domain="local.example") is None


def test_what_waits_is_told_for_each_domain_and_for_the_world_in_one() -> None:
    world = Scraped()
    world.receive(f"ray@{RELAY}")
    world.clock.advance(60)
    world.receive(f"ray@{RELAY}")
    for number in range(3):
        text = b"From: ann@local.example\r\n\r\nhi\r\n"
        world.submit(world.ann, f"x@outside{number}.example", message=text)
    world.clock.advance(5)
    assert world.value("queue_entries", kind="primary", domain=RELAY) == 2
    assert abs((world.value("queue_oldest_seconds", kind="primary", domain=RELAY) or 0) - 65) < 0.01
    assert world.value("queue_entries", kind="world", domain="") == 3
    assert abs((world.value("oldest_undelivered_seconds") or 0) - 65) < 0.01
    assert "outside" not in generate_latest(world.registry).decode()


def test_the_lag_of_giving_back_is_told_while_a_primary_recovers() -> None:
    world = Scraped()
    world.handed[RELAY] = world.clock.now() - 3600
    assert world.value("give_back_lag_seconds", domain=RELAY) is None
    for event in (Event.FAILS, Event.ANSWERS):
        drive(step(world.engine, RELAY, event, cause="", now=world.clock.now()))
    assert world.value("give_back_lag_seconds", domain=RELAY) == 3600
    assert world.value("oldest_undelivered_seconds") == 0


def test_a_thousand_domains_cost_a_scrape_little() -> None:
    world = Scraped()
    for number in range(1000):
        world.domain(f"d{number}.example", primaries=(("primary.example", 25),))
    world.survey.waiting = {f"d{number}.example": Waiting(entries=9, oldest=1.0) for number in range(1000)}
    began = time.process_time()
    text = generate_latest(world.registry)
    # Some 0.05 s; many times that on a busy machine is far from minutes, which a walk of each queue would take.
    assert time.process_time() - began < 5.0
    assert text.count(b"xtramail_primary_state{") == 1003
