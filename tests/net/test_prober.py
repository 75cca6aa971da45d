"""A canary at RCPT: its refusal is an outage only where the primary took it before."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tests.delivery.relay_world import RelayWorld
from xtramail.delivery.courier import Hop, NotAsked
from xtramail.model.address import Address
from xtramail.model.errors import PrimaryDown
from xtramail.model.outcome import Reply
from xtramail.model.pending import Pending
from xtramail.model.primary import State
from xtramail.net.prober import Prober

RELAY = "relay.example"
CANARY = f"canary@{RELAY}"
TAKEN = Reply.of(250, "2.1.5", "ok")
UNKNOWN = Reply.of(550, "5.1.1", "no such user")


class Canaries(RelayWorld):
    def __init__(self) -> None:
        super().__init__()
        self.change_domain(RELAY, primaries=(("one.example", 25),), settings={"canary": CANARY})
        self.answer = TAKEN
        self.said: list[tuple[str, str]] = []
        self.faults: list[BaseException] = []
        self.courier.probe = self.greet  # type: ignore[method-assign]
        self.courier.ask = self.put  # type: ignore[method-assign]
        self.reactor = Clock()
        self.prober = Prober(
            self.reactor,
            engine=self.engine,
            watch=self.watch,
            courier=self.courier,
            fault=self.faults.append,
            say=lambda kind, domain, text, fields=None: self.said.append((kind, domain)),
        )

    def greet(self, hop: Hop) -> Pending[None]:
        return Pending.of(None)

    def put(self, hop: Hop, address: Address) -> Pending[Reply]:
        assert str(address) == CANARY
        return Pending.of(self.answer)

    def pass_time(self, seconds: int) -> None:
        if not self.prober.running:
            self.prober.startService()
        for _ in range(seconds):
            self.clock.advance(1)
            self.reactor.advance(1)

    @property
    def state(self) -> str:
        return self.watch.state(RELAY).state


@pytest.fixture
def world() -> Canaries:
    return Canaries()


def test_a_canary_that_was_taken_before_and_is_refused_brings_the_primary_down(world: Canaries) -> None:
    world.pass_time(120)
    assert world.state == State.UP
    world.answer = UNKNOWN
    world.pass_time(180)
    assert (world.state, world.said) == (State.DOWN, [])
    world.prober.stopService()
    assert world.faults == []


def test_a_canary_that_was_never_taken_is_told_of_once_and_is_no_outage(world: Canaries) -> None:
    world.answer = UNKNOWN
    world.pass_time(600)
    assert (world.state, world.said) == (State.UP, [("canary-refused", RELAY)])
    world.answer = TAKEN
    world.pass_time(120)
    world.answer = UNKNOWN
    world.pass_time(180)
    assert world.state == State.DOWN, "it was taken meanwhile"
    world.prober.stopService()
    assert world.faults == []


def test_a_machine_that_cannot_ask_brings_no_primary_down(world: Canaries) -> None:
    world.courier.probe = lambda hop: Pending.failed(NotAsked("too many open files"))  # type: ignore[method-assign]
    world.pass_time(600)
    assert world.state == State.UP and world.said == world.faults == []
    world.courier.probe = lambda hop: Pending.failed(PrimaryDown("refused"))  # type: ignore[method-assign]
    world.pass_time(600)
    assert world.state == State.DOWN
    world.prober.stopService()
