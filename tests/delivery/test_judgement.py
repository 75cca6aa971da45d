"""What an answer means for a recipient: every verdict at every stage, for every fate it had."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace

from tests.store.samples import NOW, entry
from xtramail.delivery.courier import Carried
from xtramail.delivery.judgement import MOST_REPLIES, decides, expired, judge, reached, shortened
from xtramail.model.outcome import Fate, Reply
from xtramail.store.records import QueueEntry, QueueRecipient
from xtramail.wire.smtp.client_events import RecipientOutcome, Stage, Verdict

SERVER = {Stage.CONNECT, Stage.HELLO, Stage.STARTTLS, Stage.AUTH}
OPEN = (Fate.HELD, Fate.ATTEMPTED, Fate.UNCONFIRMED)


def one(verdict: Verdict, stage: Stage, reply: Reply | None = None) -> Carried:
    return Carried(outcomes=(RecipientOutcome(verdict=verdict, stage=stage, reply=reply),), host="h", fault="broken")


def queued(kind: str = "primary", fate: Fate = Fate.HELD) -> QueueEntry:
    recipient = QueueRecipient(address="ann@example.org", fate=fate)
    return replace(entry(), kind=kind, recipients=(recipient,))


def fate_after(entry: QueueEntry, carried: Carried) -> Fate:
    return judge(entry, entry.recipients, carried)["ann@example.org"].fate


@pytest.mark.parametrize(("verdict", "stage", "before"), list(product(Verdict, Stage, OPEN)))
def test_the_whole_table_for_primaries(verdict: Verdict, stage: Stage, before: Fate) -> None:
    reply = None if verdict is Verdict.UNCONFIRMED else Reply.of(550, "5.7.1", "x")
    after = fate_after(queued(fate=before), one(verdict, stage, reply))
    doubtful = before is not Fate.HELD or verdict is Verdict.UNCONFIRMED
    if verdict is Verdict.DELIVERED:
        assert after == Fate.DELIVERED
    elif verdict is Verdict.REFUSED and stage not in SERVER | {Stage.MAIL}:
        assert after == Fate.BOUNCED
    else:
        assert after == (Fate.UNCONFIRMED if doubtful else Fate.HELD)


@pytest.mark.parametrize("kind", ["outside", "dsn"])
def test_hosts_of_the_world_are_believed_at_mail(kind: str) -> None:
    refused = one(Verdict.REFUSED, Stage.MAIL, Reply.of(550, "5.7.1", "spam"))
    assert fate_after(queued(kind), refused) == Fate.BOUNCED
    assert fate_after(queued(kind), one(Verdict.REFUSED, Stage.AUTH, Reply.of(535, "", "no"))) == Fate.HELD


def test_the_reply_is_the_hosts_else_the_fault() -> None:
    said = judge(queued(), queued().recipients, one(Verdict.DEFERRED, Stage.RCPT, Reply.of(450, "4.2.1", "busy")))
    assert (said["ann@example.org"].reply, said["ann@example.org"].code) == ("450 4.2.1 busy", 450)
    silent = judge(queued(), queued().recipients, one(Verdict.DEFERRED, Stage.MAIL))
    assert (silent["ann@example.org"].reply, silent["ann@example.org"].code) == ("broken", 0)


@pytest.mark.parametrize(
    ("carried", "decided"),
    [
        (one(Verdict.DEFERRED, Stage.CONNECT), False),
        (one(Verdict.DEFERRED, Stage.CONNECT, Reply.of(421, "", "x")), False),
        (one(Verdict.DEFERRED, Stage.MAIL, Reply.of(451, "", "x")), False),
        (one(Verdict.REFUSED, Stage.MAIL, Reply.of(550, "5.7.1", "x")), False),
        (one(Verdict.REFUSED, Stage.MAIL, Reply.of(552, "5.3.4", "x")), True),
        (one(Verdict.DEFERRED, Stage.RCPT), False),
        (one(Verdict.DEFERRED, Stage.RCPT, Reply.of(450, "", "x")), True),
        (one(Verdict.REFUSED, Stage.LOCAL, Reply.of(552, "5.3.4", "x")), True),
        (one(Verdict.DEFERRED, Stage.DATA), False),
        (one(Verdict.UNCONFIRMED, Stage.FINAL), True),
        (one(Verdict.DELIVERED, Stage.FINAL, Reply.of(250, "", "x")), True),
    ],
)
def test_which_answers_keep_the_next_host_out(carried: Carried, decided: bool) -> None:
    assert decides(queued(), carried) is decided


@pytest.mark.parametrize("stage", list(Stage))
def test_a_host_is_there_when_it_answered_mail(stage: Stage) -> None:
    answered = one(Verdict.DEFERRED, stage, Reply.of(451, "", "x")).outcomes
    silent = one(Verdict.DEFERRED, stage).outcomes
    assert reached(answered) == (stage not in SERVER)
    assert reached(silent) == (stage in (Stage.RCPT, Stage.DATA, Stage.FINAL))


def test_waiting_and_not_refusing_ends_what_expires() -> None:
    row = replace(entry(), arrival=NOW, expires=NOW + 14 * 86_400)
    angry = QueueRecipient(address="a@b", reply="550 5.7.1 no", code=550)
    after = expired(angry, row, NOW)
    assert (after.fate, after.code) == (Fate.BOUNCED, 0)
    assert after.reply == "given up after 14 days; last answer: 550 5.7.1 no"
    assert expired(replace(angry, reply="450 x", code=450), row, NOW).code == 450


def test_replies_are_cut_to_whole_characters_and_fit_together() -> None:
    assert shortened("abc", 3) == "abc"
    assert shortened("\N{SNOWMAN}" * 10, 10) == "\N{SNOWMAN}" * 3
    many = replace(entry(), recipients=tuple(QueueRecipient(address=f"u{number}@b") for number in range(100)))
    outcomes = tuple(
        RecipientOutcome(verdict=Verdict.DEFERRED, stage=Stage.RCPT, reply=Reply.of(450, "", "x" * 9_000))
        for _ in many.recipients
    )
    judged = judge(many, many.recipients, Carried(outcomes=outcomes, host="h"))
    assert sum(len(one.reply) for one in judged.values()) <= MOST_REPLIES
