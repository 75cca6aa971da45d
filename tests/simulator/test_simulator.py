"""Seeded lives of a server, its primaries and its people; and that a broken promise would be seen.

``scripts/fuzz`` plays as many seeds as there is time for; one that fails becomes a line of ``FOUND``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.simulator.schedule import Event, drawn, shortened
from tests.simulator.simulation import Failure, Simulation, played, simulate
from tests.simulator.stores import MemoryStore
from xtramail.delivery.dispatch import Taken
from xtramail.model.bucket import PERMANENT
from xtramail.model.outcome import Fate
from xtramail.model.pending import Pending
from xtramail.store import keys, outbound, queue_keys
from xtramail.store.records import encode

SEEDS = 250
BATCH = 25
DURABLE_SEEDS = 16

FOUND: dict[str, tuple[int, tuple[Event, ...]]] = {
    "the clock goes back while mail waits": (0, (
        Event(4.0, "mood", ("primary.example", "mail 451")),
        Event(4.0, "mail", ("m1", "zoe@sender.example", "una@any.example"), 10),
        Event(5.0, "jump", (), -90_000.0),
    )),
    "the store is full when the server comes back": (0, (
        Event(20.0, "mood", ("first.example", "rcpt silent")),
        Event(20.0, "mail", ("m1", "ray@relay.example", "uma@brief.example"), 10),
        Event(1.0, "store full"),
        Event(0.0, "dies"),
        Event(61.0, "jump", (), -90_000.0),
    )),
    "a message is held and given up while its dot is on the way": (41, (
        Event(0.001, "mail", ("m2", "ray@relay.example", "ray@relay.example", "bob@local.example"), 10),
        Event(0.05, "mail", ("m3", "zoe@sender.example", "una@any.example", "ann@local.example", "ray@relay.example",
                             "uma@brief.example"), 10),
        Event(0.3, "mood", ("sender.example", "blackhole")),
        Event(0.3, "release", (), 672),
        Event(0.0, "hold", (), 87),
        Event(0.001, "bounce", (), 79),
    )),
    "the clock is set ahead while a look at it is written down": (1036126839764, (
        Event(4.0, "submission", ("s40", "ann@local.example", "desk@local.example", "staff@relay.example",
                                  "uma@brief.example"), 10),
        Event(0.3, "dies"),
        Event(0.0, "jump", (), 4_000_000.0),
    )),
}
"""Seeds and schedules in which a promise was broken once."""


SELDOM: dict[str, tuple[int, tuple[Event, ...]]] = {
    "a good recipient is refused while it is not known whether he has it": (0, (
        Event(1.0, "mail", ("m1", "zoe@sender.example", "ray@relay.example"), 10),
        Event(5.0, "mood", ("primary.example", "dot drop")),
        Event(1.0, "mail", ("m2", "zoe@sender.example", "ray@relay.example"), 10),
        Event(5.0, "mood", ("primary.example", "rcpt 550")),
        Event(200.0, "wait"),
    )),
    "a user deletes what waits for his primary": (0, (
        Event(1.0, "mood", ("primary.example", "refuses")),
        Event(1.0, "mail", ("m1", "zoe@sender.example", "ray@relay.example"), 10),
        Event(5.0, "delete", ("ray@relay.example",), 2),
        Event(5.0, "mood", ("primary.example", "accepts")),
        Event(200.0, "wait"),
    )),
    "a device is revoked and goes on sending": (0, (
        Event(1.0, "device", ("ann@local.example",), 1),
        Event(1.0, "device submission", ("d1", "ann@local.example", "zoe@sender.example"), 0),
        Event(1.0, "revoke", ("ann@local.example",), 0),
        Event(1.0, "device submission", ("d2", "ann@local.example", "zoe@sender.example"), 0),
    )),
    "the clock goes weeks ahead while mail waits": (0, (
        Event(1.0, "mood", ("primary.example", "mail 451")),
        Event(1.0, "mail", ("m1", "zoe@sender.example", "ray@relay.example"), 10),
        Event(5.0, "jump", (), 4_000_000.0),
        Event(200.0, "wait"),
        Event(200.0, "wait"),
    )),
    "many days are over at once": (0, (
        Event(1.0, "mail", ("m1", "zoe@sender.example", "uma@brief.example"), 10),
        Event(1.0, "sleep", (), 90_000.0),
        Event(1.0, "mail", ("m2", "zoe@sender.example", "uma@brief.example"), 10),
        Event(1.0, "sleep", (), 80_000.0),
        Event(6_000.0, "mail", ("m3", "zoe@sender.example", "uma@brief.example"), 10),
        Event(1.0, "sleep", (), 1_300_000.0),
        Event(200.0, "wait"),
    )),
}
"""What chance meets too seldom in so many seeds."""


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_promises_hold_in_every_life(first: int) -> None:
    for seed in range(first, first + BATCH):
        simulate(seed)


def test_promises_hold_on_the_real_store() -> None:
    for seed in range(DURABLE_SEEDS):
        simulate(seed, durable=True)


def test_a_long_life() -> None:
    simulate(20261121, events=300)


@pytest.mark.parametrize("what", FOUND | SELDOM)
def test_what_was_broken_once_or_comes_seldom_holds(what: str) -> None:
    seed, events = (FOUND | SELDOM)[what]
    wrong, happened = played(seed, events)
    assert not wrong, "\n".join([wrong, *happened])


def test_a_seed_is_the_same_story_every_time() -> None:
    assert drawn(7, 60) == drawn(7, 60) != drawn(8, 60)
    assert played(7, drawn(7, 60)) == played(7, drawn(7, 60))


def test_a_schedule_is_shortened_to_what_makes_it_fail() -> None:
    events = drawn(3, 40)
    wanted = [events[5], events[17], events[38]]
    assert shortened(events, lambda some: all(one in some for one in wanted)) == wanted


# That a broken promise is seen.


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    simulation = Simulation(1, MemoryStore())
    yield simulation
    simulation.end()


MAIL = Event(0.0, "mail", ("m1", "zoe@sender.example", "ray@relay.example", "ann@local.example"), 10)


def wait(seconds: float = 5.0) -> Event:
    return Event(seconds, "wait")


def test_all_is_well_with_nothing_wrong(simulation: Simulation) -> None:
    simulation.play([MAIL, wait()])
    (message,) = simulation.truth.messages.values()
    assert simulation.truth.fates == dict.fromkeys(
        [(message.message_id, one) for one in ("ray@relay.example", "ann@local.example")], Fate.DELIVERED
    )


def test_a_message_that_is_lost_with_the_power_is_missed(simulation: Simulation) -> None:
    before = simulation.store.reborn()  # type: ignore[attr-defined]
    simulation.play([MAIL, wait()])
    simulation.store.reborn = lambda: before  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match="is in no mailbox|has no fate"):
        simulation.play([Event(0.0, "dies")])


def test_a_queue_entry_that_is_forgotten_is_missed(simulation: Simulation) -> None:
    simulation.play([Event(0.0, "hold domain", ("relay.example",)), wait()])
    simulation.world.moods["primary.example"] = "refuses"
    with pytest.raises(AssertionError, match="waits nowhere"):
        simulation._happens(MAIL)
        simulation._pass(1.0)
        entry = simulation.truth.engine.read(keys.QUEUE, outbound.entries)[0]
        simulation.office.engine.transact(keys.QUEUE, lambda txn: outbound.complete(txn, entry.id))
        simulation._pass(1.0)
        simulation.truth.check()


def test_a_copy_that_is_lost_is_missed(simulation: Simulation) -> None:
    simulation.play([MAIL, wait()])
    scope = keys.user_scope(simulation.office.ray.id)

    def lose(txn: Any) -> None:
        for bucket in txn.buckets():
            txn.delete_range(bucket, b"\0", b"\xff")

    simulation.office.engine.transact(scope, lose)
    simulation._pass(1.0)
    with pytest.raises(AssertionError, match="is in no mailbox"):
        simulation.truth.check_mail()


def test_octets_that_changed_are_seen(simulation: Simulation) -> None:
    simulation.play([MAIL, wait()])
    (message,) = simulation.truth.messages.values()
    simulation.truth.messages[message.message_id] = replace(message, octets=message.octets + b"!")
    with pytest.raises(AssertionError, match="is not what was sent"):
        simulation.truth.check_mail()


def test_a_second_delivery_without_a_reason_is_seen(simulation: Simulation) -> None:
    """The attempt is forgotten, as if its row were written behind the dot."""
    simulation.play([])
    relay = simulation.office.relay
    relay._attempted = lambda entry, accepted: Pending.of(None)  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="is handed over as held"):
        simulation.play([MAIL, wait()])


def test_a_message_that_waits_for_ever_is_seen(simulation: Simulation) -> None:
    simulation.office.dispatch.take = lambda: Taken(start=())  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="it still waits"):
        simulation.play([MAIL, wait()])


def test_octets_that_go_while_their_message_waits_are_seen(simulation: Simulation) -> None:
    """As if a change of the entry forgot that its body was saved from a day that expired."""
    for host in ("first.example", "second.example"):
        simulation._happens(Event(0.0, "mood", (host, "refuses")))
    simulation._happens(Event(0.0, "mail", ("m1", "zoe@sender.example", "uma@brief.example"), 10))
    simulation._pass(1.0)
    (stale,) = simulation.truth.engine.read(keys.QUEUE, outbound.entries)
    for _ in range(2):
        simulation._happens(Event(0.0, "sleep", (), 200_000.0))
        simulation._pass(120.0)
    simulation.truth.check()
    row = queue_keys.entry(stale.id), encode(stale)
    simulation.office.engine.transact(keys.QUEUE, lambda txn: txn.put(PERMANENT, *row))
    simulation._pass(0.1)
    with pytest.raises(AssertionError, match="its octets are gone"):
        simulation.truth.check()


def test_a_failing_seed_tells_its_shortest_schedule() -> None:
    def broken(seed: int, events: Sequence[Event]) -> tuple[str, list[str]]:
        return ("it broke" if any(one.what == "dies" for one in events) else ""), [str(one) for one in events]

    seed = next(seed for seed in range(100) if any(one.what == "dies" for one in drawn(seed, 24)))
    with pytest.raises(Failure, match=rf"seed {seed}, 1 of 24 events: it broke\n.* dies"):
        simulate(seed, events=24, play=broken)
