from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from tests.delivery.world import PEER, World, id_of
from tests.net.smtp_line import Bench, plain
from xtramail.delivery.arrival import Accepted
from xtramail.directory.mirrors import add_mirror
from xtramail.model.ids import id_text
from xtramail.model.outcome import Reply
from xtramail.model.pending import drive
from xtramail.net.smtp_log import SmtpLog
from xtramail.store import keys, tracking
from xtramail.store.tracking import Query
from xtramail.telemetry.metrics import Metrics
from xtramail.wire.smtp.server import Role


@pytest.fixture
def told() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Every event of the mail log: its name and fields."""
    events: list[tuple[str, dict[str, Any]]] = []

    def observe(event: dict[str, Any]) -> None:
        if "mail_event" in event:
            events.append((event["mail_event"], event["mail_fields"]))

    globalLogPublisher.addObserver(observe)
    yield events
    globalLogPublisher.removeObserver(observe)


def accepted(world: World) -> Accepted:
    id_of(world.receive("ann@local.example", "ray@relay.example"))
    return world.log.accepts[-1]


def test_an_accepted_message_is_one_line_with_its_id_and_two_counts(told: list[tuple[str, dict[str, Any]]]) -> None:
    world, metrics = World(), Metrics()
    one = accepted(world)
    SmtpLog(metrics).accepted(one)
    ((name, fields),) = told
    assert name == "message-accepted"
    assert fields["id"] == id_text(one.arrival.message_id)
    assert fields["recipients"] == ["ann@local.example", "ray@relay.example"]
    assert (fields["sender"], fields["message_id"]) == ("zoe@sender.example", "<m1@sender.example>")
    value = metrics.registry.get_sample_value
    assert value("xtramail_messages_accepted_total", {"service": "smtp"}) == 1
    assert value("xtramail_messages_accepted_octets_total", {"service": "smtp"}) == one.size


def test_a_skipped_copy_and_a_refusal_are_told(told: list[tuple[str, dict[str, Any]]]) -> None:
    metrics = Metrics()
    arrival = accepted(World()).arrival
    log = SmtpLog(metrics)
    log.copy_skipped(arrival, "ray@relay.example")
    log.refused(arrival, Reply.of(554, "5.4.6", "loop"), "loop")
    assert [name for name, _ in told] == ["copy-skipped", "message-refused"]
    assert metrics.registry.get_sample_value("xtramail_alarms_total", {"kind": "copy-skipped"}) == 1


def test_a_mirror_that_is_left_out_is_told_as_one() -> None:
    world, metrics = World(), Metrics()
    drive(add_mirror(world.desk, "ann@local.example", into="bob@local.example"))
    said: list[str] = []
    log = SmtpLog(metrics, lambda kind, domain, text, fields=None: said.append(f"{kind} {domain}: {text}"))
    log.copy_skipped(accepted(world).arrival, "bob@local.example")
    assert said[0].startswith("copy-skipped local.example: The mailbox of bob@local.example took no copy")
    assert "ann@local.example" not in said[0] and "is accepted all the same" in said[0]


def test_each_event_of_a_connection_is_told_once(told: list[tuple[str, dict[str, Any]]]) -> None:
    bench = Bench(Role.SUBMISSION, unauthenticated_per_address=1)
    first = bench.protocol
    bench.open()
    bench.protocol.connectionLost()
    first.connectionLost()
    bench.open()
    bench.log_in()
    bench.say(b"MAIL FROM:<ann@local.example>\r\nRCPT TO:<nobody@local.example>\r\n")
    bench.say(b"RCPT TO:<bob@local.example>\r\nDATA\r\n")
    bench.say(b"a\nb\r\n.\r\n")
    assert [name for name, _ in told] == [
        "connection-turned-away",
        "logged-in",
        "recipient-refused",
        "message-refused",
    ]
    value = bench.metrics.registry.get_sample_value
    labels = {"service": "submission"}
    assert value("xtramail_connections_total", labels) == 3
    assert value("xtramail_connections_turned_away_total", labels) == 1
    assert value("xtramail_logins_total", {**labels, "outcome": "good"}) == 1


def test_no_secret_is_ever_told(told: list[tuple[str, dict[str, Any]]]) -> None:
    bench = Bench(Role.SUBMISSION)
    bench.start_tls()
    bench.say(b"EHLO a\r\n")
    bench.say(plain("ann@local.example", "tell-nobody"))
    bench.clock.advance(2)
    bench.say(plain("ann@local.example", "right"))
    assert "tell-nobody" not in repr(told)
    assert "right" not in repr(told)
    assert PEER.address in repr(told)


def test_each_refusal_is_in_the_message_log_under_the_id_of_its_transaction() -> None:
    bench = Bench(Role.SUBMISSION)
    bench.open()
    bench.log_in()
    bench.say(b"MAIL FROM:<bob@local.example>\r\n")
    bench.say(b"MAIL FROM:<ann@local.example>\r\nRCPT TO:<nobody@local.example>\r\n")
    bench.say(b"RCPT TO:<bob@local.example>\r\nDATA\r\n")
    bench.say(b"a\nb\r\n.\r\n")
    engine = bench.world.engine
    ids = engine.read(keys.LOG, lambda snap: tracking.search(snap, Query(), 10)).ids
    stories = [engine.read(keys.LOG, lambda snap, n=number: tracking.events_of(snap, n)) for number in ids]
    told = [[(event.fields["command"], event.text[:9], event.recipients) for event in story] for story in stories]
    assert told[0] == [("MAIL", "553 5.7.1", ())]
    assert sorted(told[1]) == [
        ("DATA", "550 5.6.1", ("bob@local.example",)),
        ("RCPT", "550 5.1.1", ("nobody@local.example",)),
    ]
