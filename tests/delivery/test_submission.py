from __future__ import annotations

import pytest

from tests.delivery.world import PEER, World, id_of, rcpt, reverse
from xtramail.directory.domains import parse_change, set_domain
from xtramail.directory.users import set_user
from xtramail.model.address import Address
from xtramail.model.bucket import PERMANENT, bucket_at
from xtramail.model.flags import Flag
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.store import bodies, keys, mailboxes, messages
from xtramail.store.engine import Txn
from xtramail.store.new_message import new_message
from xtramail.store.records import Account
from xtramail.wire.mime.scanner import summarise

DRAFT = (
    b"From: Ann <ann@local.example>\r\nTo: bob@local.example\r\nMessage-ID: <d1@local.example>\r\n"
    b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nSubject: hi\r\n\r\nHi Bob.\r\n"
)
BARE = b"From: ann@local.example\r\n\r\nHi.\r\n"


@pytest.fixture
def world() -> World:
    return World()


def with_bcc(bcc: bytes) -> bytes:
    return DRAFT.replace(b"Subject:", bcc + b"Subject:")


def text_of(message: bytes, stored: bytes) -> bytes:
    """What is stored behind our trace."""
    at = stored.index(b"+0000\r\n") + 7
    assert stored.startswith(b"Return-Path: <")
    return stored[at:]


def test_a_colleague_has_it_at_once_and_it_is_filed_in_sent(world: World) -> None:
    reply = world.submit(world.ann, "bob@local.example", message=DRAFT)
    (inbox,), (sent,) = world.mailbox(world.bob), world.mailbox(world.ann, "Sent")
    assert text_of(DRAFT, world.octets(inbox)) == DRAFT
    assert text_of(DRAFT, world.octets(sent)) == DRAFT
    assert inbox.body == sent.body
    assert sent.source == "submission"
    assert b"with ESMTPA\r\n" in world.octets(inbox)
    assert world.ledger(id_of(reply))["bob@local.example"].fate == Fate.DELIVERED
    assert world.balanced()


def test_the_sent_copy_is_seen(world: World) -> None:
    world.submit(world.ann, "bob@local.example", message=DRAFT)

    def flags(snap: object) -> list[int]:
        row = mailboxes.mailbox_by_use(snap, "\\Sent")  # type: ignore[arg-type]
        assert row is not None
        return [
            flag.flags
            for bucket in messages.counters(snap, row)  # type: ignore[arg-type]
            for _, flag in messages.bucket_look(snap, row.id, bucket).rows  # type: ignore[arg-type]
        ]

    assert world.engine.read(keys.user_scope(world.ann.id), flags) == [Flag.SEEN]


def test_served_recipients_are_delivered_and_queued_others_go_outside(world: World) -> None:
    world.submit(world.ann, "bob@local.example", "ray@relay.example", "zoe@Sender.Example", message=DRAFT)
    assert len(world.mailbox(world.ray)) == 1
    found = {(entry.kind, entry.destination, entry.recipients[0].address) for entry in world.queue()}
    assert found == {
        ("primary", "relay.example", "ray@relay.example"),
        ("outside", "sender.example", "zoe@Sender.Example"),
    }
    assert {entry.origin for entry in world.queue()} == {"submission"}
    assert {entry.account_id for entry in world.queue()} == {world.ann.id}
    assert world.balanced()


def test_mail_to_oneself_is_in_both_mailboxes(world: World) -> None:
    world.submit(world.ann, "ann@local.example", message=DRAFT)
    assert len(world.mailbox(world.ann)) == len(world.mailbox(world.ann, "Sent")) == 1


@pytest.mark.parametrize("bcc", [b"Bcc: zoe@sender.example\r\n", b"BCC:\r\n zoe@sender.example,\r\n\tbob@x\r\n"])
def test_bcc_never_leaves_and_the_sent_copy_keeps_it(world: World, bcc: bytes) -> None:
    message = with_bcc(bcc)
    world.submit(world.ann, "bob@local.example", "zoe@sender.example", message=message)
    (inbox,), (sent,) = world.mailbox(world.bob), world.mailbox(world.ann, "Sent")
    assert text_of(message, world.octets(inbox)) == DRAFT
    assert text_of(message, world.octets(sent)) == message
    assert bodies.read(world.engine, world.queue()[0].body).endswith(DRAFT)
    assert inbox.object_id != sent.object_id
    assert sent.message_id == inbox.message_id


def test_bcc_is_kept_from_those_of_another_class_too(world: World) -> None:
    world.submit(world.ann, "ray@relay.example", message=with_bcc(b"Bcc: ray@relay.example\r\n"))
    assert b"Bcc" not in world.octets(world.mailbox(world.ray)[0])
    assert b"Bcc" in world.octets(world.mailbox(world.ann, "Sent")[0])


def test_date_and_message_id_are_added_on_top_when_missing(world: World) -> None:
    world.submit(world.ann, "bob@local.example", message=BARE)
    (inbox,) = world.mailbox(world.bob)
    stored = world.octets(inbox)
    assert stored.endswith(
        b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: " + inbox.message_id.encode() + b"\r\n" + BARE
    )
    assert inbox.message_id.endswith("@local.example>")


def test_a_message_id_is_ascii_whatever_the_senders_domain_is_called(world: World) -> None:
    world.domain("b\u00fccher.example")
    eve = world.user("eve@b\u00fccher.example")
    for author in ("eve@b\u00fccher.example", "eve@xn--bcher-kva.example"):
        assert world.submit(eve, "bob@local.example", message=f"From: {author}\r\n\r\nHi.\r\n".encode()).code == 250
    assert all(row.message_id.endswith("@xn--bcher-kva.example>") for row in world.mailbox(world.bob))


@pytest.mark.parametrize("sender", ["bob@local.example", "zoe@sender.example", "ann@relay.example"])
def test_the_envelope_sender_must_be_ones_own(world: World, sender: str) -> None:
    reply = world.submission.begin(PEER, world.ann).mail_from(reverse(sender))
    assert reply.text.startswith("553 5.7.1")


@pytest.mark.parametrize(
    "header",
    [
        b"From: bob@local.example\r\n",
        b"From: ann@local.example, bob@local.example\r\n",
        b"From: ann@local.example\r\nFrom: bob@local.example\r\n",
        b"From: ann@local.example\r\nfrom : ann@local.example\r\n",
        b"Subject: none\r\n",
        b"From: Ann\r\n",
        b"From: undisclosed:;\r\n",
        b'From: "ann@local.example" <boss@local.example>\r\n',
        b"From: =?utf-8?q?ann?=@local.example\r\n",
        # What one reader passes over, another shows.
        b"From: " + b"ann@local.example, " * 1100 + b"boss@local.example\r\n",
        b"From: ann@local.example " + b"(" * 30 + b")" * 30 + b", boss@local.example\r\n",
        b"From: <ann@local.example> <boss@local.example>\r\n",
        b"From: ann@local.example (, boss@local.example\r\n",
    ],
)
def test_the_from_field_must_be_one_and_ones_own(world: World, header: bytes) -> None:
    reply = world.submit(world.ann, "bob@local.example", message=header + b"\r\nhi\r\n")
    assert reply.text.startswith("550 5.7.1")
    assert world.mailbox(world.bob) == []
    assert world.mailbox(world.ann, "Sent") == []


@pytest.mark.parametrize("address", [b"ann@local.example", b"ANN@LOCAL.EXAMPLE", b'"ann"@local.example'])
def test_ones_own_address_in_any_spelling_will_do(world: World, address: bytes) -> None:
    message = b"From: " + address + b"\r\n\r\nhi\r\n"
    assert world.submit(world.ann, "bob@local.example", message=message).code == 250


def test_the_null_sender_may_be_used_with_ones_own_from(world: World) -> None:
    assert world.submit(world.ann, "bob@local.example", message=DRAFT, sender="").code == 250
    other = DRAFT.replace(b"ann@", b"bob@")
    assert world.submit(world.ann, "bob@local.example", message=other, sender="").code == 550


@pytest.mark.parametrize(
    "bomb", [b"X: " + b"y" * 70 + b"\r\n", b"X-Very-Long: " + b"z" * 900 + b"\r\n", b"A:\r\n"]
)
def test_a_header_bomb_is_refused(world: World, bomb: bytes) -> None:
    message = b"From: ann@local.example\r\n" + bomb * 100_000 + b"\r\nhi\r\n"
    assert world.submit(world.ann, "bob@local.example", message=message[: 8 << 20]).text.startswith("550 5.6.0")


@pytest.mark.parametrize(("fields", "code"), [(2_000, 250), (2_001, 550)])
def test_a_header_of_two_thousand_fields_passes_and_one_more_does_not(world: World, fields: int, code: int) -> None:
    message = b"From: ann@local.example\r\n" + b"A: b\r\n" * (fields - 1) + b"\r\nhi\r\n"
    reply = world.submit(world.ann, "bob@local.example", message=message)
    assert (reply.code, len(world.mailbox(world.bob))) == (code, int(code == 250))


@pytest.mark.parametrize("fold", [b" ", b"\t"])
def test_a_header_that_begins_folded_is_refused_for_it_could_hide_a_bcc(world: World, fold: bytes) -> None:
    reply = world.submit(world.ann, "bob@local.example", message=fold + b"Bcc: zoe@else.example\r\n" + DRAFT)
    assert reply.text.startswith("550 5.6.0")
    assert world.mailbox(world.bob) == []


def test_a_header_without_end_is_the_whole_message(world: World) -> None:
    assert world.submit(world.ann, "bob@local.example", message=b"From: ann@local.example\r\n").code == 250
    (inbox,) = world.mailbox(world.bob)
    assert world.octets(inbox).endswith(b"\r\nFrom: ann@local.example\r\n")


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 10_000])
def test_how_the_text_was_cut_does_not_matter(world: World, step: int) -> None:
    message = with_bcc(b"Bcc: zoe@sender.example\r\n")
    transaction = world.submission.begin(PEER, world.ann)
    world.send(transaction, ("bob@local.example",), message, "ann@local.example", step)
    assert text_of(message, world.octets(world.mailbox(world.bob)[0])) == DRAFT


def file_by_hand(world: World, account: Account, message: bytes) -> None:
    """As a client's APPEND into Sent does."""
    body_id = world.ids.next()
    domain = world.directory.domain("local.example")
    assert domain is not None
    writer = bodies.BodyWriter(world.engine, bucket_at(world.clock.now(), domain.retention_class), body_id)
    writer.write(message)
    ref, tail = writer.finish()
    new = new_message(
        summarise(message), ref, object_id=body_id, internaldate=world.clock.now(), source="append"
    )

    def add(txn: Txn) -> None:
        row = mailboxes.mailbox_by_use(txn, "\\Sent")
        assert row is not None
        messages.add(txn, row.id, ref.bucket, new, world.clock.now())

    world.engine.transact_all(
        [
            (keys.BODY, lambda txn: bodies.put_chunks(txn, ref.bucket, ref.id, tail)),
            (keys.user_scope(account.id), add),
        ]
    ).result()


def test_the_clients_own_copy_in_sent_wins(world: World) -> None:
    file_by_hand(world, world.ann, DRAFT)
    world.submit(world.ann, "bob@local.example", message=DRAFT)
    (sent,) = world.mailbox(world.ann, "Sent")
    assert sent.source == "append"
    assert world.octets(sent) == DRAFT


def test_sending_the_same_message_again_files_one_copy(world: World) -> None:
    for _ in range(2):
        world.submit(world.ann, "bob@local.example", message=DRAFT)
    assert len(world.mailbox(world.ann, "Sent")) == 1
    assert len(world.mailbox(world.bob)) == 2


def test_without_continuity_nothing_is_filed(world: World) -> None:
    world.change_domain("relay.example", continuity=False)
    message = DRAFT.replace(b"ann@local", b"ray@relay")
    assert world.submit(world.ray, "zoe@sender.example", message=message).code == 250
    assert world.mailbox(world.ray, "Sent") == []
    assert bodies.read(world.engine, world.queue()[0].body).endswith(message)


def test_an_account_has_its_own_size_limit_and_else_its_domains(world: World) -> None:
    ann, server = Address.parse("ann@local.example"), 50 << 20

    def is_largest(size: int) -> bool:
        codes = []
        for octets in (size, size + 1):
            transaction = world.submission.begin(PEER, world.desk.account(ann))
            codes.append(transaction.mail_from(reverse("ann@local.example", size=octets)).code)
        return codes == [250, 552]

    assert is_largest(server)
    drive(set_domain(world.desk, "local.example", [parse_change("message-size", "4KiB")]))
    assert is_largest(4096)
    drive(set_user(world.desk, ann, own={"message-size": "1TiB"}))
    assert is_largest(server), "never more than the server's"
    drive(set_user(world.desk, ann, own={"message-size": ""}))
    assert is_largest(4096)
    drive(set_domain(world.desk, "local.example", [parse_change("message-size", "")]))
    assert is_largest(server)
    drive(set_user(world.desk, ann, own={"message-size": "2000"}))
    limited = world.desk.account(ann)
    transaction = world.submission.begin(PEER, limited)
    assert transaction.mail_from(reverse("ann@local.example", size=2001)).text.startswith("552 5.3.4")
    reply = world.submit(limited, "bob@local.example", message=DRAFT + b"x" * 2000)
    assert reply.text.startswith("552 5.3.4")


@pytest.mark.parametrize("change", [{"status": "disabled"}, {"password_changed": 5.0}])
def test_a_login_that_is_no_longer_valid_sends_nothing(world: World, change: dict[str, object]) -> None:
    ended: list[int] = []
    unwatch = world.submission.watch(world.ann, lambda: ended.append(1))
    world.submit(world.ann, "ann@local.example", message=DRAFT)
    assert ended == []
    world.change_account(world.ann, **change)
    assert ended != []
    unwatch()
    reply = world.submission.begin(PEER, world.ann).mail_from(reverse("ann@local.example"))
    assert reply.code == 421


def test_an_unknown_colleague_is_refused_while_writing(world: World) -> None:
    transaction = world.submission.begin(PEER, world.ann)
    transaction.mail_from(reverse("ann@local.example"))
    assert rcpt(transaction, "nobody@local.example").text.startswith("550 5.1.1")
    assert rcpt(transaction, "user%far.example@sender.example").text.startswith("550 5.7.1")
    assert rcpt(transaction, "user@[192.0.2.1]").text.startswith("550 5.7.1")


def test_a_failed_commit_files_nothing(world: World) -> None:
    transaction = world.submission.begin(PEER, world.ann)
    transaction.mail_from(reverse("ann@local.example"))
    rcpt(transaction, "bob@local.example")
    transaction.chunk(DRAFT)
    world.engine.transact(keys.user_scope(world.bob.id), lambda txn: txn.delete(PERMANENT, keys.ACCOUNT)).result()
    assert drive(transaction.commit()).text.startswith("451")
    assert world.mailbox(world.ann, "Sent") == []
    assert world.queue() == []
