"""What leaves is signed by its author's domain, over the octets that are handed on, whoever sent it."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest

from tests.delivery.outward_world import INSIDE, LETTER, OutwardWorld
from tests.delivery.relay_world import RelayWorld, accept, refuse
from tests.delivery.test_submission import BARE, DRAFT, with_bcc
from tests.delivery.world import HOSTNAME, id_of
from tests.directory.test_totp import KEYRING
from tests.dkim_verifier import verdicts
from xtramail.delivery.outward import Outward
from xtramail.delivery.signing import of_author, of_own
from xtramail.directory import dkim_keys
from xtramail.directory.domain_aliases import add_domain_alias
from xtramail.directory.signing_keys import SigningKeys
from xtramail.model.pending import drive
from xtramail.store.records import QueueEntry
from xtramail.wire.smtp.client_events import Stage

ZOE = "zoe@sender.example"


class Office(RelayWorld):
    """A world whose domains may have keys; what its users submit goes out by a scripted courier."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, str] = {}
        self.keys = SigningKeys(self.engine, KEYRING, fault=lambda domain, text: None)
        self.submission = replace(self.submission, keys=self.keys)
        self.own_mail = replace(self.own_mail, keys=self.keys)
        self.notices = replace(self.notices, own_mail=self.own_mail)
        self.start()

    def sign(self, domain: str, algorithm: str = "both") -> None:
        made = drive(dkim_keys.create(self.desk, domain, KEYRING, selector="s1", algorithm=algorithm))
        self.records |= {one.record_name: one.record_text for one in made}
        drive(dkim_keys.activate(self.desk, domain, None))

    def sent(self, kind: str) -> list[bytes]:
        """What was handed to hosts, of entries of a kind; they are delivered by this."""
        found = []
        for entry in self.queue():
            if entry.kind == kind:
                self.deliver(entry)
                found.append(self.courier.calls[-1].octets())
        return found

    def verdicts(self, message: bytes) -> list[bool]:
        return verdicts(message, self.records)

    def entry(self, kind: str) -> QueueEntry:
        (entry,) = [one for one in self.queue() if one.kind == kind]
        return entry


@pytest.fixture
def office() -> Office:
    return Office()


def test_without_keys_nothing_is_signed(office: Office) -> None:
    office.submit(office.ann, ZOE, message=DRAFT)
    (octets,) = office.sent("outside")
    assert b"DKIM-Signature" not in octets and octets.startswith(b"Received:")


def test_what_a_user_submits_is_signed_by_both_keys_of_his_domain(office: Office) -> None:
    office.sign("local.example")
    office.submit(office.ann, ZOE, message=DRAFT)
    (octets,) = office.sent("outside")
    assert office.verdicts(octets) == [True, True]
    assert octets.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=local.example;\r\n s=s1-rsa;")
    assert octets.endswith(DRAFT)


def test_date_and_message_id_that_we_add_are_signed(office: Office) -> None:
    office.sign("local.example", "ed25519")
    office.submit(office.ann, ZOE, message=BARE)
    (octets,) = office.sent("outside")
    assert office.verdicts(octets) == [True]
    assert office.verdicts(octets.replace(b"\r\nDate: ", b"\r\nDate: x")) == [False]


def test_another_domains_key_signs_nothing_of_it(office: Office) -> None:
    office.sign("relay.example")
    office.submit(office.ann, ZOE, message=DRAFT)
    assert b"DKIM-Signature" not in office.sent("outside")[0]


def test_mail_under_another_name_of_the_domain_is_signed_by_that_name(office: Office) -> None:
    drive(add_domain_alias(office.desk, "other.example", "local.example"))
    office.sign("local.example")
    office.sign("other.example")
    message = DRAFT.replace(b"ann@local.example", b"ann@other.example")
    office.submit(office.ann, ZOE, message=message, sender="ann@other.example")
    (octets,) = office.sent("outside")
    assert office.verdicts(octets) == [True, True] and octets.count(b"d=other.example;") == 2


def test_what_is_stored_is_what_was_written(office: Office) -> None:
    office.sign("local.example")
    office.submit(office.ann, ZOE, "bob@local.example", message=DRAFT)
    for account, name in ((office.ann, "Sent"), (office.bob, "INBOX")):
        (row,) = office.mailbox(account, name)
        assert b"DKIM-Signature" not in office.octets(row)


def test_a_bcc_is_not_signed_and_breaks_nothing(office: Office) -> None:
    office.sign("local.example")
    office.submit(office.ann, ZOE, message=with_bcc(b"Bcc: secret@sender.example\r\n"))
    (octets,) = office.sent("outside")
    assert office.verdicts(octets) == [True, True] and b"secret" not in octets


def test_what_goes_to_a_primary_is_signed_too(office: Office) -> None:
    office.sign("local.example")
    office.submit(office.ann, "ray@relay.example", message=DRAFT)
    (octets,) = office.sent("primary")
    assert office.verdicts(octets) == [True, True]


def test_the_copy_for_the_senders_own_mailbox_is_signed_as_what_went_to_the_others(office: Office) -> None:
    office.sign("relay.example")
    message = LETTER.replace(b"Subject:", b"Bcc: secret@sender.example\r\nSubject:")
    office.submit(office.ray, ZOE, message=message)
    (octets,) = office.sent("sent")
    assert octets.startswith(b"X-Xtramail-Sent: yes\r\nDKIM-Signature:") and b"Bcc: secret" in octets
    assert office.verdicts(octets) == [True, True]


def test_a_sent_copy_over_imap_is_what_the_user_wrote(office: Office) -> None:
    office.sign("relay.example")
    office.change_domain("relay.example", settings={"sent-back-by": "imap", "primary-imap": "imap.example"})
    office.submit(office.ray, ZOE, message=LETTER)
    office.deliver(office.entry("sent"))
    ((_, _, octets),) = office.sent_mailboxes.kept
    assert octets.endswith(LETTER) and b"DKIM-Signature" not in octets


def test_each_attempt_sends_the_same_signature(office: Office) -> None:
    office.sign("local.example")
    office.submit(office.ann, ZOE, message=DRAFT)
    office.courier.script = refuse(Stage.RCPT, 450)
    office.deliver(office.entry("outside"))
    drive(dkim_keys.remove(office.desk, "local.example", "s1-rsa"))
    office.clock.advance(600)
    office.deliver(office.entry("outside"))
    first, second = (call.octets() for call in office.courier.calls)
    assert first == second and office.verdicts(second) == [True, True]


def test_mail_of_the_world_is_handed_on_as_it_came(office: Office) -> None:
    office.sign("relay.example")
    office.receive("ray@relay.example")
    assert b"DKIM-Signature" not in office.sent("primary")[0]


def test_what_a_primary_sends_through_us_is_signed_by_its_authors_domain(office: Office) -> None:
    world = OutwardWorld(engine=office.engine)
    office.sign("relay.example")
    submission = replace(world.submission, keys=office.keys)
    outward = Outward(clients=world.clients, intake=world.intake, submission=submission, rate=world.outward.rate)
    world.send(outward.begin(INSIDE), ("victim@outside.example",), LETTER, "ray@relay.example")
    (octets,) = office.sent("outside")
    assert office.verdicts(octets) == [True, True]


def test_a_notice_is_signed_by_the_domain_that_our_host_lies_in(office: Office) -> None:
    office.domain("host.example")
    office.sign("host.example")
    office.submit(office.ray, ZOE, message=LETTER)
    office.courier.script = refuse(Stage.RCPT, 550)
    office.deliver(office.entry("outside"))
    office.courier.script = accept
    (entry,) = [one for one in office.queue() if one.origin == "dsn"]
    office.deliver(entry)
    octets = office.courier.calls[-1].octets()
    assert b"From: " in octets and f"postmaster@{HOSTNAME}".encode() in octets
    assert office.verdicts(octets) == [True, True]


def test_the_story_of_a_message_names_the_keys(office: Office) -> None:
    office.sign("local.example")
    reply = office.submit(office.ann, ZOE, message=DRAFT)
    (event, *_) = office.events(id_of(reply))
    assert event.fields["dkim"] == "d=local.example s=s1-rsa,s1-ed"


def test_a_message_that_came_in_single_octets_is_signed_alike(office: Office) -> None:
    office.sign("local.example", "ed25519")
    body = b"\r\n \t x  y \r\n\r\n" + b"\xe4\r\n" * 3 + b"\r\n\r\n"
    message = DRAFT + body
    for step in (1, 7, len(message)):
        transaction = office.submission.begin(INSIDE, office.ann)
        office.send(transaction, (ZOE,), message, "ann@local.example", step=step)
    messages = office.sent("outside")
    assert [office.verdicts(octets) for octets in messages] == [[True]] * 3
    assert all(octets.endswith(message) for octets in messages)


def test_a_header_alone_is_signed(office: Office) -> None:
    office.sign("local.example")
    office.submit(office.ann, ZOE, message=DRAFT.partition(b"\r\n\r\n")[0] + b"\r\n")
    (octets,) = office.sent("outside")
    assert office.verdicts(octets) == [True, True]


def test_a_large_message_is_signed_without_being_held(office: Office) -> None:
    office.sign("local.example")
    signature = of_author(office.keys, "ann@local.example", DRAFT, 0.0)
    chunk = b"abc def \t ghi\r\n" * 4_000
    tracemalloc.start()
    for _ in range(400):
        signature.write(chunk)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10 * len(chunk)
    assert signature.finish().fields.count(b"DKIM-Signature") == 2


def test_a_message_of_our_own_without_a_key_is_left_alone(office: Office) -> None:
    assert of_own(office.keys, HOSTNAME, DRAFT, 0.0).fields == b""


def test_the_ledger_balances(office: Office) -> None:
    office.sign("local.example")
    office.submit(office.ann, ZOE, message=DRAFT)
    office.sent("outside")
    assert office.balanced()
