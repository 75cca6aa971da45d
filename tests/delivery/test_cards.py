"""Emergency cards by mail: who gets one, once, however often the primary comes and goes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delivery.world import World
from xtramail.delivery.cards import REST, Cards, Words
from xtramail.directory.primaries import step
from xtramail.directory.route_words import read
from xtramail.directory.routes import add_route, remove_route
from xtramail.directory.users import set_user
from xtramail.model.address import Address
from xtramail.model.errors import BadInput, StoreFull
from xtramail.model.pending import Pending, drive
from xtramail.model.primary import Event
from xtramail.store.records import Account, DomainRow

RELAY = "relay.example"
RAY = f"ray@{RELAY}"
HOME = "ray@home.example"


class CardWorld(World):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, ...]] = []
        self.cards = Cards(
            engine=self.engine,
            directory=self.directory,
            own_mail=self.own_mail,
            clock=self.clock,
            words=self._words,
            log=self,
        )
        self.change_domain(RELAY, settings={"card-on-down": "on"})
        self.outside(HOME)

    def _words(self, domain: DomainRow, account: Account, since: float) -> Words:
        return Words(subject=f"card of {account.address}", text=f"{domain.name} is away since {since:.0f}")

    def mailed(self, account: str, to: str, domain: str, message_id: int) -> None:
        self.told.append(("mailed", account, to))

    def not_mailed(self, account: str, to: str, domain: str, reason: str) -> None:
        self.told.append(("not", account, to, reason))

    def outside(self, address: str) -> None:
        drive(set_user(self.desk, Address.parse(RAY), outside=address))

    def steps(self, *events: Event) -> None:
        for event in events:
            drive(step(self.engine, RELAY, event, cause="x", now=self.clock.now()))

    def look(self, after: float = 0.0) -> int:
        """How many mails wait for people outside, after one more look."""
        self.clock.advance(after)
        drive(self.cards.look())
        return len([entry for entry in self.queue() if entry.destination == "home.example"])


@pytest.fixture
def world() -> CardWorld:
    return CardWorld()


def test_on_down_a_user_with_an_outside_address_gets_one_card(world: CardWorld) -> None:
    assert world.look() == 0, "its primary is up"
    world.steps(Event.FAULT)
    assert world.look() == 0, "suspicion is no outage"
    world.steps(Event.FAILS)
    assert [world.look(60) for _ in range(3)] == [1, 1, 1]
    (entry,) = world.queue()
    assert (entry.reverse_path, entry.recipients[0].address) == ("", HOME)
    text = world.octets(entry).decode()
    assert f"To: {HOME}\r\n" in text and f"Subject: card of {RAY}\r\n" in text
    assert "Auto-Submitted: auto-generated" in text and "relay.example is away since" in text
    assert world.told == [("mailed", RAY, HOME)] and world.balanced()


def test_a_primary_that_comes_and_goes_sends_no_storm(world: CardWorld) -> None:
    for _ in range(5):
        world.steps(Event.FAILS, Event.ANSWERS, Event.DRAINED)
        world.clock.advance(60)
        world.steps(Event.FAILS)
        assert world.look() == 1
        world.steps(Event.ANSWERS, Event.DRAINED)
    world.clock.advance(REST)
    world.steps(Event.FAILS)
    assert world.look() == 2, "a day later it is news again"


def test_nobody_is_written_to_who_is_not_to_be(world: CardWorld) -> None:
    world.change_domain(RELAY, settings={})
    world.steps(Event.FAILS)
    assert world.look() == 0, "the domain does not want it"
    world.change_domain(RELAY, settings={"card-on-down": "on"})
    drive(set_user(world.desk, Address.parse(RAY), status="disabled"))
    assert world.look() == 0, "who cannot log in has no use for it"
    drive(set_user(world.desk, Address.parse(RAY), status="active"))
    drive(add_route(world.desk, RELAY, read("here", user=RAY)))
    assert world.look() == 0, "his mailbox is here anyway"
    drive(remove_route(world.desk, RELAY, user=RAY))
    assert world.look() == 1


def test_a_planned_hold_is_no_emergency(world: CardWorld) -> None:
    world.steps(Event.HOLD)
    assert world.look() == 0


def test_an_outside_address_inside_a_served_domain_is_refused(world: CardWorld) -> None:
    with pytest.raises(BadInput, match=r"outside-address ann@local\.example: local\.example is served here"):
        world.outside("ann@local.example")
    world.domain("home.example")
    world.steps(Event.FAILS)
    assert [world.look() for _ in range(3)] == [0, 0, 0]
    assert [one[0] for one in world.told] == ["not"], "one that came to be served later is told of once"


def test_what_a_full_store_did_not_take_is_mailed_later(world: CardWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.steps(Event.FAILS)
    full: Any = lambda parts: Pending.failed(StoreFull())  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(world.engine, "transact_all", full)
        with pytest.raises(StoreFull):
            world.look()
    assert [world.look() for _ in range(2)] == [1, 1]
