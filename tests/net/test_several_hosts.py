"""A primary of several hosts with priorities: mail goes to the first that takes it, and it is down only if all are."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tests.delivery.relay_world import RelayWorld, accept, lose
from tests.delivery.world import id_of
from xtramail.delivery.courier import Hop
from xtramail.model.errors import PrimaryDown
from xtramail.model.outcome import Fate
from xtramail.model.pending import Pending
from xtramail.model.primary import State
from xtramail.net.prober import Prober
from xtramail.wire.smtp.client_events import Stage

RELAY = "relay.example"
RAY = f"ray@{RELAY}"
FIRST, SECOND = "one.example", "two.example"


class Hosts(RelayWorld):
    """``away``: hosts that do not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.away: set[str] = set()
        self.probed: list[str] = []
        self.change_domain(RELAY, primaries=((FIRST, 25), (SECOND, 25)))
        self.courier.probe = self.probe  # type: ignore[method-assign]
        self.reactor = Clock()
        self.faults: list[BaseException] = []
        self.prober = Prober(
            self.reactor, engine=self.engine, watch=self.watch, courier=self.courier, fault=self.faults.append
        )

    def gone(self, *hosts: str) -> None:
        self.away = set(hosts)
        for host in (FIRST, SECOND):
            self.courier.hosts[host] = lose(Stage.CONNECT, f"{host} refused") if host in self.away else accept

    def probe(self, hop: Hop) -> Pending[None]:
        self.probed.append(hop.host)
        gone = hop.host in self.away
        return Pending.failed(PrimaryDown(f"{hop.host} refused")) if gone else Pending.of(None)

    @property
    def state(self) -> str:
        return self.watch.state(RELAY).state

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)
            self.reactor.advance(1)


@pytest.fixture
def world() -> Hosts:
    return Hosts()


def test_mail_goes_to_the_second_host_while_the_first_is_away_and_it_stays_up(world: Hosts) -> None:
    world.gone(FIRST)
    for _ in range(5):
        number = id_of(world.receive(RAY))
        world.ticks(1)
        assert world.fates(number) == {RAY: Fate.DELIVERED}
    assert world.state == State.UP and world.steps == []
    assert [call.hop.host for call in world.courier.calls[:2]] == [FIRST, SECOND]


def test_it_is_down_when_no_host_takes_mail(world: Hosts) -> None:
    world.gone(FIRST, SECOND)
    for _ in range(3):
        world.receive(RAY)
    world.ticks(4, seconds=5)
    assert world.state == State.DOWN


def test_probes_ask_the_next_host_before_they_say_that_nobody_answers(world: Hosts) -> None:
    world.gone(FIRST)
    world.prober.startService()
    world.pass_time(300)
    assert world.state == State.UP and {FIRST, SECOND} <= set(world.probed)
    world.gone(FIRST, SECOND)
    world.pass_time(120)
    assert (world.state, world.watch.state(RELAY).cause) == (State.DOWN, f"{FIRST} refused")
    world.gone(FIRST)
    world.pass_time(120)
    assert world.state in (State.RECOVERING, State.UP), "the second one alone is enough"
    world.prober.stopService()
    assert world.faults == []
