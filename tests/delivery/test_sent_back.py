"""Sent-back: which messages are given back to their sender, how they look, and what becomes of them."""

from __future__ import annotations

import pytest

from tests.delivery.relay_world import RelayWorld, lose, refuse
from tests.delivery.world import HOSTNAME, id_of
from xtramail.delivery.sent_back import FIELD, ID_FIELD, Filed
from xtramail.directory.domains import parse_change, set_domain
from xtramail.directory.holding import hold_domain, release_domain
from xtramail.directory.primaries import primary_of, step
from xtramail.model.errors import BadInput, StoreFull
from xtramail.model.ids import id_text
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.model.primary import Event, State
from xtramail.store import keys, mailboxes, messages
from xtramail.store.engine import Txn
from xtramail.store.records import QueueEntry
from xtramail.wire.smtp.client_events import Stage

RAY = "ray@relay.example"
ZOE = "zoe@sender.example"
SENT = (
    b"From: Ray <ray@relay.example>\r\nTo: zoe@sender.example\r\nBcc: boss@sender.example\r\n"
    b"Message-ID: <s1@relay.example>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nSubject: hi\r\n\r\nHi Zoe.\r\n"
)
BY_IMAP = {"sent-back-by": "imap", "primary-imap": "imap.example", "primary-imap-secret": "secret"}


@pytest.fixture
def world() -> RelayWorld:
    return RelayWorld()


def submit(world: RelayWorld, message: bytes = SENT, *to: str) -> int:
    return id_of(world.submit(world.ray, *(to or (ZOE,)), message=message))


def sent(world: RelayWorld) -> QueueEntry:
    """The one that waits."""
    (entry,) = [one for one in world.queue() if one.kind == "sent"]
    return entry


def settings(world: RelayWorld, **changes: str) -> None:
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    world.change_domain("relay.example", settings=named)


def test_what_is_submitted_is_queued_for_its_senders_mailbox_as_a_message_of_its_own(world: RelayWorld) -> None:
    number = submit(world)
    entry = sent(world)
    assert (entry.destination, [one.address for one in entry.recipients]) == ("relay.example", [RAY])
    assert entry.message_id != number
    assert world.fates(number) == {ZOE: Fate.HELD} and world.fates(entry.message_id) == {RAY: Fate.HELD}
    assert world.balanced()


def test_the_log_leads_from_each_to_the_other(world: RelayWorld) -> None:
    number = submit(world)
    entry = sent(world)
    (original,) = world.events(number)
    (copy,) = world.events(entry.message_id)
    assert original.fields["copies"] == id_text(entry.message_id)
    assert copy.fields["copy-of"] == id_text(number)
    assert (copy.kind, copy.recipients, copy.sender) == ("accepted", (RAY,), "")


def test_mail_to_oneself_is_two_messages_at_the_primary(world: RelayWorld) -> None:
    number = submit(world, SENT, RAY)
    entry = sent(world)
    world.ticks(2)
    assert world.fates(number) == {RAY: Fate.DELIVERED} and world.fates(entry.message_id) == {RAY: Fate.DELIVERED}
    assert [recipient for recipient, _, _ in world.courier.taken] == [RAY, RAY]
    assert world.queue() == [] and world.balanced()


def test_by_smtp_it_goes_as_it_lies_in_sent_under_one_more_line_and_from_nobody(world: RelayWorld) -> None:
    submit(world)
    world.deliver(sent(world))
    (call,) = world.courier.calls
    (filed,) = world.mailbox(world.ray, "Sent")
    stored = world.octets(filed)
    assert call.octets() == FIELD + stored[stored.index(b"\r\n") + 2 :]
    assert len(call.octets()) == call.body.size
    assert b"Bcc: boss@sender.example\r\n" in call.octets()
    assert call.envelope.reverse_path.address is None
    assert [path.notify for path in call.envelope.forward_paths] == [("NEVER",)]
    assert call.hop.host == "primary.example"


def test_nobody_is_told_when_the_primary_does_not_want_it(world: RelayWorld) -> None:
    submit(world)
    entry = sent(world)
    settings(world, guard_refusals="off")
    world.courier.script = refuse(Stage.FINAL, 554, "5.7.1")
    world.deliver(entry)
    assert world.fates(entry.message_id) == {RAY: Fate.BOUNCED}
    assert [one.kind for one in world.queue()] == ["outside"] and world.untold == []
    assert world.balanced()


def test_nobody_is_told_when_its_time_is_over(world: RelayWorld) -> None:
    submit(world)
    entry = sent(world)
    world.hold("relay.example")
    world.clock.advance(entry.expires - world.clock.now() + 1)
    drive(world.relay.expire(entry.id))
    assert world.fates(entry.message_id) == {RAY: Fate.BOUNCED}
    assert [one.kind for one in world.queue()] == ["outside"] and world.untold == []


@pytest.mark.parametrize(
    "changes", [{"primaries": (), "recipients": "listed"}, {"continuity": False}, {"settings": {"sent-back": "never"}}]
)
def test_without_primary_copies_or_the_wish_for_it_nothing_is_given_back(
    world: RelayWorld, changes: dict[str, object]
) -> None:
    world.change_domain("relay.example", **changes)
    submit(world)
    assert [one.kind for one in world.queue()] == ["outside"]


def test_mail_from_the_world_and_notices_are_never_sent_back(world: RelayWorld) -> None:
    world.receive(RAY)
    assert [one.kind for one in world.queue()] == ["primary"]


def test_in_an_outage_only_means_from_its_first_fault_to_the_last_message_given_back(world: RelayWorld) -> None:
    settings(world, sent_back="outage")

    def gives_back() -> bool:
        before = len(world.queue())
        submit(world)
        return len(world.queue()) - before == 2

    found: dict[str, bool] = {State.UP: gives_back()}
    for event in (Event.FAULT, Event.FAILS, Event.ANSWERS, Event.HOLD):
        drive(step(world.engine, "relay.example", event, cause="test", now=world.clock.now()))
        found[primary_of(world.engine, "relay.example").state] = gives_back()
    assert found == {"up": False, "suspect": True, "down": True, "recovering": True, "held": True}


def test_it_waits_while_the_primary_is_held_and_goes_with_the_rest(world: RelayWorld) -> None:
    drive(hold_domain(world.desk, "relay.example", reason=""))
    submit(world)
    entry = sent(world)
    assert world.deliver(entry) is None
    drive(release_domain(world.desk, "relay.example"))
    world.ticks(2)
    assert world.fates(entry.message_id) == {RAY: Fate.DELIVERED}


def test_by_imap_it_is_filed_as_it_lies_in_sent(world: RelayWorld) -> None:
    world.change_domain("relay.example", settings=BY_IMAP)
    submit(world)
    entry = sent(world)
    attempt = world.deliver(entry)
    ((address, known, octets),) = world.sent_mailboxes.kept
    assert (address, known) == (RAY, ("Message-ID", "<s1@relay.example>"))
    assert octets.startswith(b"Received: ") and octets.endswith(SENT)
    assert world.courier.calls == [] and world.fates(entry.message_id) == {RAY: Fate.DELIVERED}
    assert attempt is not None and attempt.aside
    row = world.ledger(entry.message_id)[RAY]
    assert [fate for fate, _, _ in row.history] == [Fate.HELD, Fate.ATTEMPTED] and row.reply == "250 2.0.0 filed"
    assert world.balanced()


def test_without_a_message_id_it_is_known_by_ours(world: RelayWorld) -> None:
    world.change_domain("relay.example", settings=BY_IMAP)
    submit(world, SENT.replace(b"Message-ID: <s1@relay.example>", b"Message-ID:"))
    entry = sent(world)
    assert entry.header_message_id == ""
    world.deliver(entry)
    ((_, known, octets),) = world.sent_mailboxes.kept
    assert known == (ID_FIELD, id_text(entry.message_id))
    assert octets.startswith(f"{ID_FIELD}: {id_text(entry.message_id)}\r\nReceived: ".encode())


def test_a_fault_of_imap_defers_it_and_tells_nothing_of_the_primary(world: RelayWorld) -> None:
    world.change_domain("relay.example", settings=BY_IMAP)
    submit(world)
    entry = sent(world)
    world.sent_mailboxes.answers = [Filed(False, "imap.example:993", "IMAP imap.example:993: login of ray refused")]
    world.dispatch.claim(entry.id)
    attempt = world.deliver(entry)
    drive(world.dispatch.done(entry.id, attempt))
    waiting = sent(world)
    assert waiting.last_reply == "IMAP imap.example:993: login of ray refused"
    assert waiting.due == world.clock.now() + 60 and world.fates(entry.message_id) == {RAY: Fate.HELD}
    assert not world.dispatch.silent("relay.example")
    assert attempt is not None and attempt.signs.sign is None and world.balanced()


def test_an_append_without_answer_is_unconfirmed_and_not_appended_again(world: RelayWorld) -> None:
    world.change_domain("relay.example", settings=BY_IMAP)
    submit(world)
    entry = sent(world)
    world.sent_mailboxes.answers = [Filed(None, "imap.example:993", "IMAP: the connection was lost")]
    world.deliver(entry)
    assert world.fates(entry.message_id) == {RAY: Fate.UNCONFIRMED}
    world.clock.advance(60)
    world.deliver(entry)
    assert world.fates(entry.message_id) == {RAY: Fate.DELIVERED}
    assert len(world.sent_mailboxes.kept) == 1 and world.balanced()


def test_an_append_looks_for_itself_however_often_its_answer_is_lost(world: RelayWorld) -> None:
    world.change_domain("relay.example", settings=BY_IMAP)
    submit(world, SENT, RAY)
    # The message that Ray wrote to himself lies in his INBOX there.
    world.primary_mail.there = {(RAY, "<s1@relay.example>")}
    entry = sent(world)
    world.sent_mailboxes.answers = [Filed(None, "imap.example:993", "lost")] * 3
    for _ in range(3):
        world.deliver(entry)
        assert world.fates(entry.message_id) == {RAY: Fate.UNCONFIRMED}
        assert not sent(world).held
        # None of them had been taken.
        world.sent_mailboxes.kept.clear()
        world.clock.advance(600)
    world.deliver(entry)
    assert world.fates(entry.message_id) == {RAY: Fate.DELIVERED} and len(world.sent_mailboxes.kept) == 1
    assert world.primary_mail.asked == []


def test_a_sent_copy_that_its_user_deleted_is_not_given_back(world: RelayWorld) -> None:
    submit(world)
    entry = sent(world)
    world.hold("relay.example")
    expunge_sent(world)
    drive(release_domain(world.desk, "relay.example"))
    world.clock.advance(60)
    world.ticks(2)
    assert world.fates(entry.message_id) == {RAY: Fate.SUPPRESSED}
    assert [to for to, _, _ in world.courier.taken] == [ZOE]
    assert world.balanced()


def expunge_sent(world: RelayWorld) -> None:
    def expunge(txn: Txn) -> None:
        row = mailboxes.mailbox_by_use(txn, "\\Sent")
        assert row is not None
        messages.expunge(txn, row.id, None, RAY, world.clock.now(), deleted_only=False)

    world.engine.transact(keys.user_scope(world.ray.id), expunge).result()


def test_without_an_attempt_row_nothing_is_appended(world: RelayWorld) -> None:
    world.change_domain("relay.example", settings=BY_IMAP)
    submit(world)
    entry = sent(world)
    usual = world.sent_mailboxes.file

    def full(domain, copy, before):  # type: ignore[no-untyped-def]
        world.engine.fail_next(StoreFull())
        return usual(domain, copy, before)

    world.sent_mailboxes.file = full  # type: ignore[method-assign]
    world.deliver(entry)
    assert world.sent_mailboxes.kept == [] and world.fates(entry.message_id) == {RAY: Fate.HELD}


def test_lost_after_the_dot_it_is_looked_for_at_the_primary(world: RelayWorld) -> None:
    submit(world)
    entry = sent(world)
    world.courier.script = lose(Stage.FINAL)
    world.deliver(entry)
    world.primary_mail.there = {(RAY, "<s1@relay.example>")}
    world.clock.advance(60)
    world.deliver(entry)
    assert world.fates(entry.message_id) == {RAY: Fate.DELIVERED} and len(world.courier.calls) == 1


def given_back(world: RelayWorld) -> bytes:
    submit(world)
    world.deliver(sent(world))
    return world.courier.taken[0][2]


def test_what_comes_back_to_its_sender_is_a_loop(world: RelayWorld) -> None:
    copy = given_back(world)
    assert world.receive(RAY, message=copy, sender="").text.startswith("554 5.4.6")
    assert world.mailbox(world.ray) == []


def test_forwarded_to_somebody_else_it_is_mail(world: RelayWorld) -> None:
    copy = given_back(world)
    world.user("una@relay.example")
    assert world.receive("una@relay.example", message=copy, sender="").code == 250
    assert world.receive("una@relay.example", RAY, message=copy, sender="").code == 250


def test_the_field_alone_stops_no_mail(world: RelayWorld) -> None:
    assert world.receive(RAY, message=FIELD + SENT, sender="").code == 250
    forged = FIELD + f"Received: from x by other.{HOSTNAME} (xtramail) with ESMTP\r\n".encode() + SENT
    assert world.receive(RAY, message=forged, sender="").code == 250


def test_imap_wants_a_host_and_a_secret(world: RelayWorld) -> None:
    with pytest.raises(BadInput, match="primary-imap=HOST"):
        drive(set_domain(world.desk, "relay.example", [parse_change("sent-back-by", "imap")]))
