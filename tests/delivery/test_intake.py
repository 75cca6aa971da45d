from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import pytest

from tests.delivery.world import HOSTNAME, MESSAGE, PEER, World, forward, id_of, rcpt, reverse
from xtramail.model.bucket import PERMANENT, Bucket, bucket_at, bucket_day
from xtramail.model.clock import SetClock, day_of
from xtramail.model.errors import StoreFault, StoreFull
from xtramail.model.ids import id_text
from xtramail.model.outcome import Fate, Reply
from xtramail.model.pending import Pending, drive
from xtramail.store import bodies, keys, messages, search_texts
from xtramail.store.memory_engine import MemoryEngine


@pytest.fixture
def world() -> World:
    return World()


def test_the_answer_names_the_message_that_every_record_names(world: World) -> None:
    reply = world.receive("ann@local.example")
    assert reply == Reply.of(250, "2.0.0", f"Ok: queued as {id_text(id_of(reply))}")
    assert [event.kind for event in world.events(id_of(reply))] == ["accepted"]
    assert b"id " + id_text(id_of(reply)).encode() in world.octets(world.mailbox(world.ann)[0])


def test_stored_octets_are_our_trace_and_then_what_came(world: World) -> None:
    every = bytes(set(range(1, 256)) - {10, 13})
    head = b"Subject: x\r\n\tfolded \t\r\nX-Odd:" + every + b"\r\n"
    message = head + b"\r\n\xffcaf\xe9\r\n.dot\r\n..\r\n \t \r\n" + every * 20 + b"\r\n\r\n  \r\n"
    world.receive("ann@local.example", message=message)
    stored = world.octets(world.mailbox(world.ann)[0])
    assert stored.endswith(message)
    trace = stored[: -len(message)].decode()
    first, second, rest = trace.split("\r\n", 2)
    assert first == "Return-Path: <zoe@sender.example>"
    assert second == "Received: from mail.sender.example ([192.0.2.7])"
    assert f"by {HOSTNAME} (xtramail) with ESMTP\r\n" in rest
    assert "\tfor <ann@local.example>;\r\n\tThu, 01 Jan 2026 00:00:00 +0000\r\n" in rest
    row = world.mailbox(world.ann)[0]
    assert row.body.return_path_length == len(first) + 2
    assert row.size == row.body.size == len(stored)


def test_several_recipients_are_not_told_of_each_other(world: World) -> None:
    world.receive("ann@local.example", "bob@local.example")
    for account in (world.ann, world.bob):
        assert b" for <" not in world.octets(world.mailbox(account)[0])
        assert b"bob@local.example" not in world.octets(world.mailbox(account)[0])


def test_a_local_recipient_is_delivered_at_once_and_nothing_is_queued(world: World) -> None:
    reply = world.receive("ann@local.example")
    assert world.queue() == []
    ledger = world.ledger(id_of(reply))
    assert {recipient: row.fate for recipient, row in ledger.items()} == {"ann@local.example": Fate.DELIVERED}
    assert world.balanced()


def test_a_relayed_recipient_has_a_copy_and_an_entry_for_the_primary(world: World) -> None:
    reply = world.receive("Ray@Relay.Example")
    (entry,) = world.queue()
    assert (entry.destination, entry.kind, entry.origin) == ("relay.example", "primary", "smtp")
    assert [recipient.address for recipient in entry.recipients] == ["Ray@Relay.Example"]
    assert entry.expires == entry.arrival + 14 * 86_400
    assert entry.header_message_id == "<m1@sender.example>"
    (row,) = world.mailbox(world.ray)
    assert row.body == entry.body
    assert world.ledger(id_of(reply))["Ray@Relay.Example"].fate == Fate.HELD
    assert world.balanced()


def test_what_dsn_asks_for_reaches_the_queue(world: World) -> None:
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example", ret="HDRS", envid="e+2B1"))
    transaction.rcpt_to(forward("ray@relay.example", notify=("SUCCESS", "FAILURE"), orcpt="rfc822;ray@relay.example"))
    transaction.chunk(MESSAGE)
    drive(transaction.commit())
    (entry,) = world.queue()
    assert (entry.ret, entry.envid) == ("HDRS", "e+2B1")
    assert (entry.recipients[0].notify, entry.recipients[0].orcpt) == ("SUCCESS,FAILURE", "rfc822;ray@relay.example")


def test_duplicates_make_one_copy_a_mailbox_and_one_recipient_as_written(world: World) -> None:
    world.receive("ray@relay.example", "RAY@relay.example", "ray@relay.example")
    assert len(world.mailbox(world.ray)) == 1
    (entry,) = world.queue()
    assert [recipient.address for recipient in entry.recipients] == ["ray@relay.example", "RAY@relay.example"]
    assert world.balanced()


def test_domains_with_classes_of_their_own_get_a_body_each(world: World) -> None:
    world.receive("ann@local.example", "ray@relay.example")
    (ann,), (ray,) = world.mailbox(world.ann), world.mailbox(world.ray)
    assert ann.body.bucket != ray.body.bucket
    assert world.octets(ann) == world.octets(ray)
    for row in (ann, ray):
        assert search_texts.search_text(world.engine, row.body) != ""
    assert search_texts.owners(world.engine, ann.body) == (world.ann.id,)


def test_recipients_of_one_class_share_a_body(world: World) -> None:
    world.receive("ann@local.example", "bob@local.example")
    (ann,), (bob,) = world.mailbox(world.ann), world.mailbox(world.bob)
    assert ann.body == bob.body
    assert search_texts.owners(world.engine, ann.body) == (world.ann.id, world.bob.id)


def test_a_list_is_relayed_and_not_stored(world: World) -> None:
    world.receive("staff@relay.example")
    (entry,) = world.queue()
    assert bodies.read(world.engine, entry.body).endswith(MESSAGE)
    assert search_texts.search_text(world.engine, entry.body) == ""


def test_without_continuity_mail_is_relayed_and_logged_only(world: World) -> None:
    world.change_domain("relay.example", continuity=False)
    reply = world.receive("ray@relay.example")
    assert world.mailbox(world.ray) == []
    assert len(world.queue()) == 1
    assert len(world.events(id_of(reply))) == 1


def test_the_null_sender_is_welcome(world: World) -> None:
    assert world.receive("ray@relay.example", sender="").code == 250
    assert world.queue()[0].reverse_path == ""
    assert world.octets(world.mailbox(world.ray)[0]).startswith(b"Return-Path: <>\r\n")


def test_midnight_inside_data_does_not_part_rows_and_body(world: World) -> None:
    world.clock.jump(-1)
    first_day = day_of(world.clock.now())
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example"))
    for recipient in ("ann@local.example", "ray@relay.example"):
        assert rcpt(transaction, recipient).code == 250
    transaction.chunk(MESSAGE[:20])
    world.clock.advance(5)
    assert day_of(world.clock.now()) == first_day + 1
    transaction.chunk(MESSAGE[20:])
    reply = drive(transaction.commit())
    for account in (world.ann, world.ray):
        (row,) = world.mailbox(account)
        assert bucket_day(row.body.bucket) == first_day
        assert day_of(row.internaldate) == first_day
        assert world.octets(row).endswith(MESSAGE)
    assert bucket_day(world.queue()[0].body.bucket) == first_day
    assert len(world.ledger(id_of(reply))) == 2


def test_an_account_in_two_classes_keeps_the_longer(world: World) -> None:
    short = world.directory.resolve(forward("ann@local.example").address)
    long = world.directory.domain("relay.example")
    assert short.domain is not None and long is not None
    world.receive("ann@local.example", "ray@relay.example")
    (row,) = world.mailbox(world.ray)
    assert row.body.bucket == bucket_at(world.clock.now(), long.retention_class)


@pytest.mark.parametrize(
    ("error", "code"), [(StoreFull(), "452 4.3.1"), (StoreFault(), "451 4.3.0")]
)
def test_a_commit_that_fails_is_never_250_and_leaves_nothing(world: World, error: Exception, code: str) -> None:
    world.receive("ann@local.example")
    before = world.engine.contents()
    world.engine.fail_next(error)
    reply = world.receive("ann@local.example", "ray@relay.example")
    assert reply.text.startswith(code)
    assert world.engine.contents() == before
    assert world.log.refusals[0][1] == type(error).__name__
    assert world.receive("ann@local.example").code == 250


def test_a_chunk_that_cannot_be_written_fails_the_message_at_its_end(world: World) -> None:
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example"))
    rcpt(transaction, "ann@local.example")
    transaction.chunk(b"Subject: large\r\n\r\n")
    world.engine.fail_next(StoreFull())
    for _ in range(20):
        pause = transaction.chunk(bytes(range(1, 128)) * 500)
        if pause is not None:
            pause.result()
    assert drive(transaction.commit()).text.startswith("452 4.3.1")
    assert world.mailbox(world.ann) == []


def test_an_aborted_transaction_delivers_nothing(world: World) -> None:
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example"))
    rcpt(transaction, "ann@local.example")
    transaction.chunk(MESSAGE)
    transaction.abort()
    assert world.mailbox(world.ann) == []
    assert world.balanced()


def test_everything_is_one_commit_when_the_message_is_small(world: World) -> None:
    before = world.engine.commits
    world.receive("ann@local.example", "bob@local.example", "ray@relay.example")
    assert world.engine.commits == before + 1


def test_nothing_is_visible_before_the_commit_is_durable(world: World) -> None:
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example"))
    rcpt(transaction, "ann@local.example")
    transaction.chunk(MESSAGE)
    world.engine.pause()
    coroutine = transaction.commit()
    waited: Pending[object] = coroutine.send(None)
    assert not waited.done
    assert world.mailbox(world.ann) == []
    world.engine.resume()
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    assert stop.value.value.code == 250
    assert len(world.mailbox(world.ann)) == 1


class Sink(MemoryEngine):
    """Takes body chunks and keeps none, as a disk would."""

    def append_body(self, bucket: Bucket, body_id: int, first: int, chunks: Sequence[bytes]) -> Pending[None]:
        return Pending.of(None)


def test_forty_megabytes_need_little_memory() -> None:
    world = World(engine=Sink())
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example"))
    rcpt(transaction, "ann@local.example")
    line = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3\r\n"
    head = (
        b"From: zoe@sender.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    chunk = line * 700
    tracemalloc.start()
    transaction.chunk(head)
    sent = len(head)
    while sent < 40 << 20:
        transaction.chunk(chunk)
        sent += len(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    transaction.chunk(b"--b--\r\n")
    assert drive(transaction.commit()).code == 250
    assert world.log.accepts[0].size > 40 << 20
    assert peak < 1_500_000


def test_a_hundred_hops_are_a_loop(world: World) -> None:
    hops = b"Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n"
    assert world.receive("ann@local.example", message=hops * 100 + MESSAGE).code == 250
    assert world.receive("ann@local.example", message=hops * 101 + MESSAGE).text.startswith("554 5.4.6")


def test_the_third_time_through_us_for_the_same_recipient_is_a_loop(world: World) -> None:
    def own(recipient: str) -> bytes:
        return (
            f"Received: from a ([192.0.2.1])\r\n\tby {HOSTNAME} (xtramail) with ESMTPS\r\n\tid 0\r\n"
            f"\tfor <{recipient}>;\r\n\tThu, 1 Jan 2026 00:00:00 +0000\r\n"
        ).encode()

    ours = own("ann@local.example")
    assert world.receive("ann@local.example", message=ours * 2 + MESSAGE).code == 250
    assert world.receive("ann@local.example", message=own("x@y.example") * 3 + MESSAGE).code == 250
    assert world.receive("ann@local.example", message=ours * 3 + MESSAGE).text.startswith("554 5.4.6")
    assert len(world.mailbox(world.ann)) == 2


def test_a_copy_over_twice_the_quota_is_skipped_and_the_mail_relayed(world: World) -> None:
    world.change_account(world.ray, quota=1_500)
    size = len(MESSAGE) + 250
    fitting = 3_000 // size
    for _ in range(fitting + 3):
        assert world.receive("ray@relay.example").code == 250
    copies = len(world.mailbox(world.ray))
    assert fitting - 1 <= copies <= fitting + 1
    assert len(world.queue()) == fitting + 3
    assert world.log.skips == ["ray@relay.example"] * (fitting + 3 - copies)
    assert world.balanced()


def test_a_thousand_recipients_fit(world: World) -> None:
    names = [f"{'n' * 50}{number}@any.example" for number in range(1000)]
    reply = world.receive(*names)
    assert sum(len(entry.recipients) for entry in world.queue()) == 1000
    assert len(world.ledger(id_of(reply))) == 1000
    assert {name for event in world.events(id_of(reply)) for name in event.recipients} == set(names)
    assert world.balanced()


def test_a_recipient_that_is_removed_meanwhile_is_not_lost_silently(world: World) -> None:
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example"))
    rcpt(transaction, "ann@local.example")
    transaction.chunk(MESSAGE)
    from_accounts = keys.user_scope(world.ann.id)
    world.engine.transact(from_accounts, lambda txn: txn.delete(PERMANENT, keys.ACCOUNT)).result()
    assert drive(transaction.commit()).text.startswith("451")


def test_a_reply_joins_the_thread_it_answers(world: World) -> None:
    world.receive("ann@local.example")
    answer = b"Message-ID: <m2@x>\r\nIn-Reply-To: <m1@sender.example>\r\nSubject: Re: plans\r\n\r\nok\r\n"
    world.receive("ann@local.example", message=answer)
    first, second = world.mailbox(world.ann)
    assert first.thread_id == second.thread_id
    assert (first.subject, second.subject) == ("plans", "plans")


def test_a_message_of_no_octets_is_a_message(world: World) -> None:
    assert world.receive("ann@local.example", message=b"").code == 250
    assert len(world.mailbox(world.ann)) == 1


def test_found_by_its_message_id(world: World) -> None:
    world.receive("ann@local.example")
    found = world.engine.read(
        keys.user_scope(world.ann.id), lambda snap: messages.by_message_id(snap, "<m1@sender.example>")
    )
    assert len(found) == 1


def test_a_message_whose_day_was_dropped_while_it_came_is_not_acknowledged(world: World) -> None:
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example"))
    assert rcpt(transaction, "ann@local.example").code == 250
    transaction.chunk(MESSAGE)
    domain = world.directory.domain("local.example")
    assert domain is not None
    world.engine.drop_bucket(bucket_at(world.clock.now(), domain.retention_class), 1).result()
    assert drive(transaction.commit()).code == 451
    assert world.mailbox(world.ann) == []


def test_who_waits_for_the_processor_keeps_the_structure_of_his_mail() -> None:
    """A second passes at every look at the clock, and nothing is worked in it: a busy machine."""

    class Busy(SetClock):
        def monotonic(self) -> float:
            self.steady += 1.0
            return self.steady

        def worked(self) -> float:
            return 0.0

    world = World(clock=Busy())
    header = b"Message-ID: <parts@sender.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    world.receive("ann@local.example", message=header + b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n")
    (row,) = world.mailbox(world.ann)
    assert (row.message_id, len(row.parts)) == ("<parts@sender.example>", 3)
