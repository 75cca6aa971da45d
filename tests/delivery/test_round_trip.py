"""Round trips: a primary that takes mail and loses it is found out, and nothing else is taken for that."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.delivery.relay_world import accept, lose, refuse
from tests.delivery.test_drill import IMAP, RELAY, DrillWorld
from xtramail.delivery.round_trip import MISSED, RoundTrips
from xtramail.directory.domains import parse_change, set_domain
from xtramail.model.errors import BadInput
from xtramail.model.pending import drive
from xtramail.model.primary import State
from xtramail.store import keys, round_trips
from xtramail.store.round_trips import RoundTrip
from xtramail.wire.smtp.client_events import Stage

CANARY = f"canary@{RELAY}"
ON = {**IMAP, "canary": CANARY, "canary-round-trip": "on"}
MINUTE = 60.0


class TripWorld(DrillWorld):
    def start(self) -> None:
        super().start()
        self.said: list[tuple[str, str, str]] = []
        self.trips = RoundTrips(
            engine=self.engine,
            directory=self.directory,
            canaries=self.canaries,
            own_mail=self.own_mail,
            watch=self.watch,
            say=self.say,
            clock=self.clock,
        )

    def say(self, kind: str, domain: str, text: str, fields: Mapping[str, str] | None = None) -> None:
        self.said.append((kind, domain, text))

    def go_on(self, seconds: float, step: float = 10.0) -> None:
        for _ in range(max(round(seconds / step), 1)):
            for due in self.trips.due():
                drive(self.trips.visit(due))
            self.ticks(1)
            self.clock.advance(step)

    def trip(self) -> RoundTrip:
        return self.engine.read(keys.domain_scope(RELAY), round_trips.round_trip)  # type: ignore[no-any-return]

    @property
    def state(self) -> str:
        return self.watch.state(RELAY).state


@pytest.fixture
def world() -> TripWorld:
    world = TripWorld()
    world.change_domain(RELAY, settings=ON)
    return world


def test_a_canary_is_sent_every_quarter_of_an_hour_found_and_removed(world: TripWorld) -> None:
    world.go_on(31 * MINUTE)
    sent = [recipient for recipient, sender, _ in world.courier.taken if sender == ""]
    assert sent == [CANARY] * 3
    assert [address for address, _ in world.mailboxes.removed] == sent
    assert world.trip().came and world.trip().left == () and world.said == []
    assert world.state == State.UP and world.queue() == [] and world.balanced()


def test_one_that_was_taken_and_is_not_there_in_time_is_a_fault_and_an_alert(world: TripWorld) -> None:
    world.mailboxes.there = False
    world.go_on(4 * MINUTE)
    assert world.said == [] and world.state == State.UP
    world.go_on(2 * MINUTE)
    ((kind, domain, text),) = world.said
    assert (kind, domain) == (MISSED, RELAY) and "xtramail replay relay.example --from -1d --only-missing" in text
    assert world.state == State.SUSPECT and "in no mailbox there" in world.watch.state(RELAY).cause


def test_what_was_missed_and_comes_late_is_removed_with_the_next(world: TripWorld) -> None:
    world.mailboxes.there = False
    world.go_on(6 * MINUTE)
    world.mailboxes.there = True
    world.go_on(12 * MINUTE)
    assert len(world.mailboxes.removed) == 2 and world.trip().missed == 0


def test_an_imap_that_does_not_answer_is_no_fault_of_the_mail(world: TripWorld) -> None:
    world.mailboxes.there = None
    world.go_on(20 * MINUTE)
    assert world.said == [] and world.state == State.UP and len(world.trip().left) == 1


def test_one_that_is_not_handed_over_in_time_is_withdrawn_and_proves_nothing(world: TripWorld) -> None:
    world.courier.script = refuse(Stage.RCPT, 450, "4.2.0")
    world.go_on(7 * MINUTE)
    assert world.queue() == [] and world.said == [] and world.untold == [] and world.balanced()


def test_a_primary_that_is_down_gets_no_canary(world: TripWorld) -> None:
    world.courier.script = lose(Stage.CONNECT)
    for number in range(3):
        world.receive(f"ray{number}@any.example")
        world.receive(f"ray@{RELAY}")
    world.ticks(3, seconds=1)
    assert world.state == State.DOWN
    before = len(world.queue())
    world.go_on(5 * MINUTE)
    assert len(world.queue()) == before
    world.courier.script = accept


def test_a_restart_goes_on_with_the_canary_that_is_on_its_way(world: TripWorld) -> None:
    world.go_on(10)
    number = world.trip().number
    assert number
    world.start()
    world.go_on(MINUTE)
    assert world.trip().number == 0 and len(world.courier.taken) == 1


def test_no_mailbox_here_gets_a_canary(world: TripWorld) -> None:
    canary = world.user(CANARY)
    world.go_on(5 * MINUTE)
    assert world.held_in_mailboxes(canary) == 0


@pytest.mark.parametrize("missing", ["canary", "primary-imap", "primary-imap-secret"])
def test_it_cannot_be_switched_on_without_what_it_needs(world: TripWorld, missing: str) -> None:
    world.change_domain(RELAY, settings={name: value for name, value in IMAP.items() if name != missing})
    changes = [parse_change("canary-round-trip", "on")]
    if missing != "canary":
        changes.append(parse_change("canary", CANARY))
    with pytest.raises(BadInput, match="canary-round-trip on: it needs"):
        drive(set_domain(world.desk, RELAY, changes))


def test_a_domain_without_the_setting_is_left_alone(world: TripWorld) -> None:
    world.change_domain(RELAY, settings=IMAP | {"canary": CANARY})
    assert world.trips.due() == []
