"""Copies at a journal address: whose they are, nothing doubled, and nobody let in who does not know the secret."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.delivery.outward_world import INSIDE, LETTER, OUTSIDE, OutwardWorld
from tests.delivery.world import MESSAGE, id_of, rcpt, reverse
from tests.wire.mime.test_journal_report import report
from xtramail.delivery.journal import Journal
from xtramail.delivery.transaction import MailTransaction
from xtramail.directory.aliases import add_alias
from xtramail.directory.domain_aliases import add_domain_alias
from xtramail.directory.journal_addresses import JournalAddresses, suggestion
from xtramail.directory.mirrors import add_mirror
from xtramail.model.errors import BadInput, StoreFull
from xtramail.model.outcome import Fate, Reply
from xtramail.model.peer import Peer
from xtramail.model.pending import drive
from xtramail.store import keys, mailboxes, messages
from xtramail.store.engine import Txn

SECRET = "journal-0123456789abcdef"
ADDRESS = f"{SECRET}@journal.relay.example"
BETWEEN = (
    b"From: Ray <ray@relay.example>\r\nTo: rita@relay.example\r\nMessage-ID: <i1@relay.example>\r\n"
    b"Subject: inside\r\n\r\nBetween us.\r\n"
)
TEXT = b"Sender: ray@relay.example\r\nSubject: inside\r\nMessage-Id: <i1@relay.example>\r\nTo: rita@relay.example\r\n"


class JournalWorld(OutwardWorld):
    def __init__(self) -> None:
        super().__init__()
        self.journal = Journal(
            engine=self.engine,
            directory=self.directory,
            policy=self.intake.policy,
            acceptance=self.intake.acceptance,
            addresses=JournalAddresses(self.engine),
            clients=self.clients,
            clock=self.clock,
            ids=self.ids,
        )
        self.rita = self.user("rita@relay.example")
        self.set("relay.example", f"journal={ADDRESS}")

    def begin(self, peer: Peer = INSIDE) -> MailTransaction:
        return self.journal.before(peer, self.outward.begin(peer))

    def copied(self, message: bytes, *, sender: str = "", peer: Peer = INSIDE) -> Reply:
        """The reply to the final dot of a message to the journal address."""
        return self.send(self.begin(peer), (ADDRESS,), message, sender, step=7)

    def counts(self) -> tuple[int, int, int, int]:
        """Messages in INBOX and Sent of Ray and of Rita."""
        return (
            len(self.mailbox(self.ray)),
            len(self.mailbox(self.ray, "Sent")),
            len(self.mailbox(self.rita)),
            len(self.mailbox(self.rita, "Sent")),
        )


@pytest.fixture
def world() -> JournalWorld:
    return JournalWorld()


def test_a_report_is_stored_unwrapped_by_its_real_envelope(world: JournalWorld) -> None:
    text = TEXT.replace(b"To: rita", b"Bcc: rita")
    assert world.copied(report(text=text, inner=BETWEEN)).code == 250
    assert world.counts() == (0, 1, 1, 0)
    (row,) = world.mailbox(world.rita)
    stored = world.octets(row)
    assert stored.endswith(b"+0000\r\n" + BETWEEN) and stored.startswith(b"Return-Path: <ray@relay.example>\r\n")
    assert row.source == "journal"
    assert world.queue() == []
    assert [fate.fate for fate in world.ledger(row.object_id).values()] == [Fate.DELIVERED]
    assert world.balanced()


def test_what_came_through_us_is_not_doubled(world: JournalWorld) -> None:
    replies = [world.receive("rita@relay.example", message=BETWEEN)]
    replies += [world.copied(report(text=TEXT, inner=BETWEEN)) for _ in range(2)]
    assert world.counts() == (0, 1, 1, 0)
    assert world.balanced()
    told = [world.events(id_of(reply))[0].fields for reply in replies]
    assert [(one.get("stored"), one.get("had")) for one in told] == [
        ("rita@relay.example INBOX", None),
        ("ray@relay.example Sent", "rita@relay.example INBOX"),
        (None, "rita@relay.example INBOX"),
    ]


def test_what_was_deleted_does_not_come_back(world: JournalWorld) -> None:
    world.copied(report(text=TEXT, inner=BETWEEN))
    scope = keys.user_scope(world.rita.id)

    def delete(txn: Txn) -> None:
        row = mailboxes.mailbox_by_name(txn, "INBOX")
        assert row is not None
        messages.expunge(txn, row.id, [1], by="rita", now=world.clock.now(), deleted_only=False)

    world.engine.transact(scope, delete).result()
    world.copied(report(text=TEXT, inner=BETWEEN))
    row = world.engine.read(scope, lambda snap: mailboxes.mailbox_by_name(snap, "INBOX"))
    assert row.uidnext == 2, "nothing came after what was deleted"


def test_a_message_to_oneself_is_in_both(world: JournalWorld) -> None:
    text = TEXT.replace(b"To: rita", b"To: ray")
    world.copied(report(text=text, inner=BETWEEN))
    assert world.counts() == (1, 1, 0, 0)


def test_outgoing_mail_is_filed_in_sent_alone(world: JournalWorld) -> None:
    text = TEXT.replace(b"To: rita@relay.example", b"To: victim@outside.example")
    world.copied(report(text=text, inner=LETTER))
    assert world.counts() == (0, 1, 0, 0)
    world.hand_over("victim@outside.example")
    assert world.counts() == (0, 1, 0, 0), "merged with the one that goes through us"


def test_a_plain_copy_goes_by_its_header(world: JournalWorld) -> None:
    message = BETWEEN.replace(b"To: rita@", b"Cc: zoe@sender.example, Rita <rita@")
    message = message.replace(b"Rita <rita@relay.example", b"Rita <rita@relay.example>")
    assert world.copied(message, sender="ray@relay.example").code == 250
    assert world.counts() == (0, 1, 1, 0)
    assert world.octets(world.mailbox(world.rita)[0]).endswith(b"\r\n" + message)


def test_a_plain_copy_that_is_a_header_and_nothing_else(world: JournalWorld) -> None:
    assert world.copied(b"From: ray@relay.example\r\nTo: rita@relay.example\r\n").code == 250
    assert world.counts() == (0, 1, 1, 0)


@pytest.mark.parametrize("message", [b"", b"junk\r\n", b"From: x\r\nTo: y\r\n\r\nz\r\n", MESSAGE])
def test_what_concerns_nobody_is_taken_and_forgotten(world: JournalWorld, message: bytes) -> None:
    assert world.copied(message).code == 250 if message else True
    assert world.counts() == (0, 0, 0, 0) and world.mailbox(world.ann) == [] and world.queue() == []
    assert world.balanced()


def test_a_domains_journal_is_for_its_own_mailboxes(world: JournalWorld) -> None:
    text = TEXT.replace(b"To: rita@relay.example", b"To: ann@local.example")
    world.copied(report(text=text, inner=LETTER))
    assert world.mailbox(world.ann) == []


@pytest.mark.parametrize("wanted", [OUTSIDE, replace(OUTSIDE, address="")])
def test_from_elsewhere_the_address_does_not_exist(world: JournalWorld, wanted: Peer) -> None:
    transaction = world.begin(wanted)
    assert transaction.mail_from(reverse("")).code == 250
    assert rcpt(transaction, ADDRESS).code == 550


def test_it_may_be_written_to_from_shared_networks_that_are_named(world: JournalWorld) -> None:
    world.set("relay.example", "journal-from=40.92.0.0/15")
    microsoft = replace(OUTSIDE, address="40.93.1.2")
    assert world.copied(report(text=TEXT, inner=BETWEEN), peer=microsoft).code == 250
    assert world.counts() == (0, 1, 1, 0)
    transaction = world.begin(microsoft)
    transaction.mail_from(reverse("ray@relay.example"))
    assert rcpt(transaction, "victim@outside.example").code == 550, "and for nothing else"


def test_a_guess_is_an_unknown_recipient(world: JournalWorld) -> None:
    transaction = world.begin(OUTSIDE)
    transaction.mail_from(reverse(""))
    assert rcpt(transaction, "journal-x@journal.relay.example").code == 550


def test_people_and_journal_are_told_apart(world: JournalWorld) -> None:
    both = world.begin()
    both.mail_from(reverse("ray@relay.example"))
    assert rcpt(both, "rita@relay.example").code == 250
    assert rcpt(both, ADDRESS).code == 452
    alone = world.begin()
    alone.mail_from(reverse("ray@relay.example"))
    assert [rcpt(alone, one).code for one in (ADDRESS, "rita@relay.example")] == [250, 452]


def test_people_are_served_as_ever(world: JournalWorld) -> None:
    reply = world.send(world.begin(), ("victim@outside.example",), LETTER, "ray@relay.example")
    assert reply.code == 250 and world.counts() == (0, 1, 0, 0) and len(world.queue()) == 1


def test_a_full_mailbox_is_passed_over(world: JournalWorld) -> None:
    world.change_account(world.rita, quota=10)
    assert world.copied(report(text=TEXT, inner=BETWEEN)).code == 250
    assert world.counts() == (0, 1, 0, 0) and world.log.skips == ["rita@relay.example"]


def test_what_could_not_be_stored_comes_again(world: JournalWorld) -> None:
    transaction = world.begin()
    transaction.mail_from(reverse(""))
    rcpt(transaction, ADDRESS)
    transaction.chunk(report(text=TEXT, inner=BETWEEN))
    world.engine.fail_next(StoreFull())
    assert drive(transaction.commit()).code == 452
    assert world.counts() == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("journal@relay.example", "at least 20 characters, such as journal-"),
        (f"{SECRET}@other.example", "must lie in relay.example or below it"),
        ("no-address", "write it as name@example.org"),
    ],
)
def test_a_bad_address_is_told(world: JournalWorld, value: str, reason: str) -> None:
    with pytest.raises(BadInput) as refused:
        world.set("relay.example", f"journal={value}")
    assert reason in refused.value.text


def test_a_suggestion_is_taken(world: JournalWorld) -> None:
    world.set("relay.example", f"journal={suggestion()}@relay.example", f"journal-from={OUTSIDE.address}")
    transaction = world.begin(OUTSIDE)
    transaction.mail_from(reverse(""))
    assert rcpt(transaction, ADDRESS).code == 550, "the old one is gone"


def test_a_mirror_has_a_journals_copy_once_whichever_way_came_first(world: JournalWorld) -> None:
    box = world.user("box@local.example")
    drive(add_mirror(world.desk, "relay.example", into="box@local.example", days=7))
    world.receive("rita@relay.example", message=BETWEEN, sender="ray@relay.example")
    assert world.copied(report(text=TEXT, inner=BETWEEN)).code == 250
    assert world.counts()[2] == len(world.mailbox(box)) == 1
    other = BETWEEN.replace(b"<i1@", b"<i2@")
    assert world.copied(report(text=TEXT.replace(b"<i1@", b"<i2@"), inner=other)).code == 250
    assert world.counts()[2] == len(world.mailbox(box)) == 2


def test_an_alias_is_all_its_mailboxes_each_once_and_nobodys_sent(world: JournalWorld) -> None:
    drive(add_alias(world.desk, "team@relay.example", ["ray@relay.example", "rita@relay.example"]))
    drive(add_domain_alias(world.desk, "other.example", "relay.example"))
    named = TEXT.replace(b"To: rita@relay.example", b"To: team@other.example\r\nTo: rita+x@relay.example")
    assert world.copied(report(text=named.replace(b"Sender: ray@", b"Sender: team@"), inner=BETWEEN)).code == 250
    assert world.counts() == (1, 0, 1, 0)
    assert set(world.ledger(world.mailbox(world.ray)[0].object_id)) == {"team@other.example"}
    assert world.balanced()
