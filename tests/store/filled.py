"""A store with mail as deliveries leave it: bodies, mailbox rows, a queue and its ledger."""

from __future__ import annotations

from xtramail.model.bucket import Bucket, bucket_of
from xtramail.model.outcome import Fate
from xtramail.store import bodies, keys, mailboxes, messages, outbound, schema
from xtramail.store.accounts import put_account
from xtramail.store.engine import Engine, Txn
from xtramail.store.message_row import BodyRef, MessageRow
from xtramail.store.messages import NewMessage
from xtramail.store.records import Account, LedgerRow, QueueEntry, QueueRecipient

NOW = 1_767_225_600.0
USER = keys.user_scope(1)
DAYS = (bucket_of(2190, 16), bucket_of(2191, 16))


def fill(engine: Engine, count: int = 6) -> None:
    """``count`` messages in INBOX of account 1, over two days, each also queued for its primary."""
    schema.open_format(engine)
    account = Account(
        id=1,
        address="ann@example.org",
        password="",
        quota=0,
        status="active",
        kind="user",
        created=NOW,
        password_changed=NOW,
    )

    def begin(txn: Txn) -> None:
        put_account(txn, account)
        mailboxes.ensure_special(txn, NOW)

    engine.transact(USER, begin).result()
    for number in range(1, count + 1):
        deliver(engine, number, DAYS[number % 2])


def deliver(engine: Engine, number: int, bucket: Bucket, size: int = 70_000) -> None:
    """One message with a body of two chunks and more."""
    writer = bodies.BodyWriter(engine, bucket, number)
    head = b"Subject: %d\r\nMessage-ID: <%d@example.net>\r\n\r\n" % (number, number)
    writer.write(head + b"x" * (size - len(head)))
    ref, tail = writer.finish()
    row = MessageRow(
        size=size,
        internaldate=int(NOW),
        body=ref,
        object_id=number,
        header_length=len(head),
        envelope=b"()",
        bodystructure=b"()",
        body_structure_plain=b"()",
        message_id=f"<{number}@example.net>",
    )

    def put_mail(txn: Txn) -> None:
        inbox = mailboxes.mailbox_by_name(txn, "INBOX")
        assert inbox is not None
        messages.add(txn, inbox.id, bucket, NewMessage(row=row), NOW + number)

    def put_body(txn: Txn) -> None:
        bodies.put_chunks(txn, bucket, number, tail)

    def put_queue(txn: Txn) -> None:
        outbound.enqueue(txn, queued(number, ref))
        outbound.ledger_put(
            txn, bucket, number, "ann@example.org", LedgerRow(fate=Fate.HELD, at=NOW, destination="example.org")
        )

    engine.transact_all([(keys.BODY, put_body), (USER, put_mail), (keys.QUEUE, put_queue)]).result()


def queued(number: int, ref: BodyRef) -> QueueEntry:
    return QueueEntry(
        id=number,
        message_id=number,
        destination="example.org",
        kind="primary",
        body=ref,
        reverse_path="sender@example.net",
        arrival=NOW + number,
        due=NOW + number,
        expires=NOW + 14 * 86_400,
        recipients=(QueueRecipient(address="ann@example.org"),),
    )
