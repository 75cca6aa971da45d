"""What the relay tells the mail log and the metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from tests.delivery.relay_world import OK, RelayWorld, lose, outcome
from xtramail.model.errors import StoreFull
from xtramail.model.outcome import Reply
from xtramail.net.relay_log import RelayLog
from xtramail.store import keys
from xtramail.telemetry.log import collecting
from xtramail.telemetry.metrics import Metrics
from xtramail.wire.smtp.client_events import Stage, Verdict

RAY = "ray@relay.example"


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []
    observer = collecting(found)
    globalLogPublisher.addObserver(observer)
    yield found
    globalLogPublisher.removeObserver(observer)


def test_each_recipient_has_one_line_with_the_words_of_the_host(lines: list[dict[str, Any]]) -> None:
    world, metrics = RelayWorld(), Metrics()
    log = RelayLog(metrics)
    for name in ("una", "vic", "wim"):
        world.user(f"{name}@relay.example")
    names = [f"{name}@relay.example" for name in ("ray", "una", "vic", "wim")]
    world.receive(*names)
    world.courier.script = lambda call: call.says(
        OK,
        outcome(Verdict.REFUSED, Stage.RCPT, Reply.of(550, "5.1.1", "who?")),
        outcome(Verdict.DEFERRED, Stage.RCPT, Reply.of(450, "4.2.1", "busy")),
        outcome(Verdict.UNCONFIRMED, Stage.FINAL),
    )
    attempt = world.deliver(world.only())
    assert attempt is not None
    lines.clear()
    log.attempt(attempt)
    told = {line["recipient"]: line for line in lines}
    assert [told[name]["event"] for name in names] == [
        "recipient-delivered",
        "recipient-bounced",
        "recipient-deferred",
        "recipient-unconfirmed",
    ]
    assert told[names[2]]["reply"] == "450 4.2.1 busy" and told[names[2]]["next_attempt"] == attempt.entry.due
    assert {line["host"] for line in lines} == {"primary.example:25"}
    assert len({line["id"] for line in lines}) == 1


def test_a_message_that_cannot_be_read_is_an_alarm(lines: list[dict[str, Any]]) -> None:
    world, metrics = RelayWorld(), Metrics()
    world.receive(RAY)
    body = world.only().body
    world.engine.corrupt(body.bucket, keys.BODY, keys.body_chunk(body.id, 1))  # type: ignore[arg-type]
    attempt = world.deliver(world.only())
    assert attempt is not None
    RelayLog(metrics).attempt(attempt)
    assert [line["kind"] for line in lines if line["event"] == "alarm"] == ["body"]


def test_what_was_given_up_unasked_has_its_lines_too(lines: list[dict[str, Any]]) -> None:
    world = RelayWorld()
    world.receive(RAY)
    world.courier.script = lose(Stage.CONNECT)
    world.ticks()
    world.ticks(seconds=15 * 86_400.0)
    # The first was the try, the next one is the end of it; the notice to its sender goes out behind it.
    RelayLog(Metrics()).attempt(world.attempts[1])
    assert [line["event"] for line in lines if line["event"].startswith("recipient-")][-1] == "recipient-bounced"


def test_a_fault_of_the_store_is_an_alarm_and_a_bug_has_its_traceback(lines: list[dict[str, Any]]) -> None:
    log = RelayLog(Metrics())
    log.fault(5, StoreFull())
    log.fault(0, StoreFull())
    try:
        raise ZeroDivisionError("oops")
    except ZeroDivisionError as error:
        log.fault(5, error)
    assert [line["event"] for line in lines] == ["alarm", "alarm", "bug"]
    assert "queue entry 0000000000005" in lines[0]["text"] and lines[1]["text"].startswith("queue: ")
    assert "ZeroDivisionError" in str(lines[2])


def test_a_sender_who_is_not_told_is_an_alarm(lines: list[dict[str, Any]]) -> None:
    world = RelayWorld()
    world.receive(RAY)
    RelayLog(Metrics()).untold(world.only(), "it came from the null sender")
    assert lines[-1]["kind"] == "sender-not-told" and "null sender" in lines[-1]["text"]


