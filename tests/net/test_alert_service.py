"""The alerts as a service: looked at when one is raised and by the clock, one call at a time for each target."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from tests.delivery.test_alerts import GOOD, HOOK, AlertWorld
from xtramail.delivery.webhook import Answer, Call
from xtramail.model.errors import StoreFull
from xtramail.model.pending import Pending
from xtramail.model.primary import Event
from xtramail.net.alert_service import PAUSE, AlertService
from xtramail.store import keys


class Served(AlertWorld):
    def __init__(self) -> None:
        super().__init__()
        self.own()
        self.reactor = Clock()
        self.faults: list[BaseException] = []
        self.slow: list[Pending[Answer]] = []
        self.service = AlertService(
            self.reactor, engine=self.engine, alerts=self.alerts, fault=self.faults.append, interval=1.0
        )

    def answer_later(self) -> None:
        def post(call: Call) -> Pending[Answer]:
            self.hooks.calls.append(call)
            self.slow.append(Pending())
            return self.slow[-1]

        self.hooks.post = post  # type: ignore[method-assign]

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(2 * seconds)):
            self.clock.advance(0.5)
            self.reactor.advance(0.5)


@pytest.fixture
def world() -> Iterator[Served]:
    world = Served()
    world.service.startService()
    world.reactor.advance(0)
    yield world
    if world.service.running:
        world.service.stopService()
    assert world.reactor.getDelayedCalls() == []


def test_an_alert_is_told_in_the_next_turn(world: Served) -> None:
    world.steps(Event.FAILS)
    assert world.hooks.calls == []
    world.reactor.advance(0)
    assert len(world.hooks.calls) == 1
    world.pass_time(1)
    assert len(world.mails()) == 1 and world.faults == []


def test_a_receiver_gets_one_call_at_a_time_and_holds_up_no_mail(world: Served) -> None:
    world.answer_later()
    world.steps(Event.FAILS, Event.ANSWERS, Event.DRAINED)
    world.pass_time(30)
    assert len(world.hooks.calls) == 1 and len(world.mails()) == 1
    for number in range(3):
        world.slow[number].settle(GOOD)
        world.pass_time(1)
    assert [one["fields"]["to"] for one in world.hooks.said()] == ["down", "recovering", "up"]
    assert {call.url for call in world.hooks.calls} == {HOOK}


def test_a_store_that_cannot_write_is_asked_again_after_a_pause(world: Served) -> None:
    world.steps(Event.FAILS)
    world.engine.fail_next(StoreFull("full"))
    world.reactor.advance(0)
    assert len(world.faults) == 1 and world.hooks.calls == []
    world.pass_time(PAUSE - 1)
    assert world.hooks.calls == []
    world.pass_time(2)
    assert len(world.hooks.calls) == 1


def test_calls_under_way_when_it_stops_are_made_again_by_the_next_run(world: Served) -> None:
    world.answer_later()
    world.own(**{"alert-webhook": HOOK, "alert-secret": "s" * 16})
    world.steps(Event.FAILS)
    world.reactor.advance(0)
    world.service.stopService()
    world.slow[0].settle(GOOD)
    assert [one.state for one in world.rows()[0].tellings] == ["owed"] and world.faults == []
    again = AlertService(world.reactor, engine=world.engine, alerts=world.alerts, fault=world.faults.append)
    again.startService()
    world.reactor.advance(0)
    again.stopService()
    assert len({call.id for call in world.hooks.calls}) == 1 and len(world.hooks.calls) == 2


def test_what_another_process_raises_is_told(world: Served) -> None:
    world.engine.transact(keys.ALERTS, lambda txn: None).result()
    world.raised(kind="test")
    world.pass_time(1)
    assert len(world.hooks.calls) == 1
