"""``replay``: what it queues again, what it leaves alone, and what it says."""

from __future__ import annotations

import pytest

from tests.app.command.office import Office
from tests.delivery.relay_world import RelayWorld
from tests.delivery.world import MESSAGE
from xtramail.model.clock import SetClock, SystemClock
from xtramail.store import keys, outbound

RELAY = "relay.example"
RAY = f"ray@{RELAY}"


def delivered(office: Office, number: int) -> None:
    """So many messages came for Ray, and his primary took them."""
    for one in range(number):
        office.receive(RAY, message=MESSAGE.replace(b"<m1@", f"<m{one}@".encode()))
    give_back(office)


def give_back(office: Office) -> int:
    """How many messages the primary was given, whenever they were to go."""
    with office.engine() as engine:
        world = RelayWorld(engine=engine, clock=SetClock(SystemClock().now() + 1))
        for entry in world.queue():
            world.deliver(entry)
        return len(world.courier.taken)


def balanced(office: Office) -> dict[str, int]:
    value = office.json("outage", "balance")
    assert value["balanced"], value
    return {fate: value[fate] for fate in ("accepted", "held", "delivered")}


def test_what_was_delivered_goes_again_once(office: Office) -> None:
    delivered(office, 3)
    window = ("replay", RELAY, "--from", "-1h")
    assert office.json(*window, "--dry-run")["queued"] == 3
    assert balanced(office) == {"accepted": 3, "held": 0, "delivered": 3}
    done = office.json(*window)
    assert (done["queued"], done["all-named"], len(done["messages"])) == (3, True, 3)
    assert balanced(office) == {"accepted": 3, "held": 3, "delivered": 0}
    assert office.json(*window)["waiting"] == 3
    assert give_back(office) == 3
    assert balanced(office) == {"accepted": 3, "held": 0, "delivered": 3}
    second = office.json(*window)
    assert (second["queued"], second["replayed"]) == (0, 3)
    assert office.json(*window, "--again")["queued"] == 3


def test_a_replayed_message_is_the_message_that_it_was(office: Office) -> None:
    delivered(office, 1)
    office.done("replay", RELAY, "--from", "-1h")
    (entry,) = office.queued()
    assert (entry.reverse_path, entry.header_message_id) == ("zoe@sender.example", "<m0@sender.example>")
    assert entry.recipients[0].notify == "NEVER", "nobody outside hears of a replay"
    told = office.json("trace", RAY)
    assert {"accepted", "attempt", "replayed"} <= {event["event"] for event in told["events"]}
    assert [fate["fate"] for fate in told["fates"]] == ["held"]
    with office.engine() as engine:
        (row,) = engine.read(
            keys.QUEUE, lambda snap: outbound.ledger_of(snap, entry.body.bucket, entry.message_id)
        ).values()
    assert [fate for fate, _, _ in row.history][-1] == "delivered" and row.replayed


def test_messages_become_due_at_the_rate_of_the_domain(office: Office) -> None:
    office.done("domain", "set", RELAY, "replay-rate=2")
    delivered(office, 3)
    office.done("replay", RELAY, "--from", "-1h")
    dues = sorted(entry.due for entry in office.queued())
    assert [round(due - dues[0]) for due in dues] == [0, 30, 60]


def test_only_what_arrived_in_the_window_goes(office: Office) -> None:
    delivered(office, 1)
    assert office.json("replay", RELAY, "--from", "-2h", "--to", "-1h")["queued"] == 0


def test_one_user_alone_can_be_served(office: Office) -> None:
    delivered(office, 2)
    office.done("user", "add", f"eve@{RELAY}", "--generate")
    assert office.json("replay", RELAY, "--from", "-1h", "--user", f"eve@{RELAY}")["queued"] == 0
    assert office.json("replay", RELAY, "--from", "-1h", "--user", RAY)["queued"] == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((RELAY, "--from", "-1h", "--only-missing"), "primary-imap=HOST"),
        ((RELAY, "--from", "soon"), "from 'soon'"),
        ((RELAY, "--from", "now", "--to", "-1h"), "must be after --from"),
        (("local.example", "--from", "-1h"), "there is no primary"),
        (("nowhere.example", "--from", "-1h"), "is not served here"),
        ((RELAY, "--from", "-1h", "--user", "ann@local.example"), "not in relay.example"),
    ],
)
def test_what_cannot_be_is_refused_with_the_next_step(office: Office, words: tuple[str, ...], reason: str) -> None:
    assert reason in office.refused("replay", *words)
