"""One message of an import on its way in: scanned and cut into chunks, then linked with others by one commit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from xtramail.mailbox.transfer.entries import Found
from xtramail.mailbox.transfer.header_dates import MOST_HEADER, arrival_of
from xtramail.model.bucket import Bucket, bucket_at
from xtramail.model.clock import Clock
from xtramail.model.errors import AlreadyExists, NoSuchMailbox, UnknownEncoding
from xtramail.model.flags import MAX_KEYWORDS
from xtramail.model.ids import IdSource
from xtramail.store import bodies, keys, mailboxes, messages
from xtramail.store.engine import Engine, Txn
from xtramail.store.imported import is_imported, put_imported
from xtramail.store.messages import NewMessage
from xtramail.store.new_message import new_message
from xtramail.store.search_texts import Prepared, prepare, put_search_text
from xtramail.wire.mime import Scanner

# atom of RFC 9051 §9 and no more octets than a STORE may bring.
_KEYWORD = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~]{1,128}")


_IN_ONE_COMMIT = 100_000
"""Octets of a file up to which all of its message surely lies in the commit that links it, CRLF for LF and all."""


@dataclass(frozen=True, slots=True)
class HourAgo:
    """The clock of an import's ids. Ids of one process never repeat, those of two at the same moment might: the running
    server has long used its own of an hour ago, so that it can be seen which of them are taken."""

    clock: Clock

    def now(self) -> float:
        return self.clock.now() - 3600.0

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def worked(self) -> float:
        return self.clock.worked()


@dataclass(frozen=True, slots=True)
class Coming:
    mailbox: str
    place: str
    mark: bytes
    bucket: Bucket
    size: int
    message: NewMessage
    tail: bodies.Tail
    search_text: Prepared
    reserved: bool
    """Its id is surely its own."""

    @property
    def body_id(self) -> int:
        return self.message.row.object_id


async def prepared(
    engine: Engine, found: Found, mailbox: str, mark: bytes, *, ids: IdSource, clock: Clock, retention_class: int
) -> Coming:
    """Everything but the commit; of a large message all but the last chunks are in the store then.

    UnknownEncoding for NUL, OSError, StoreFull, StoreFault.
    """
    # Chosen once, at the first octet: the bucket of today, as APPEND does.
    now = clock.now()
    bucket = bucket_at(now, retention_class)
    reserved = found.octets > _IN_ONE_COMMIT
    body_id = await _reserved_id(engine, bucket, ids) if reserved else ids.next()
    writer = bodies.BodyWriter(engine, bucket, body_id)
    scanner = Scanner(clock=clock.worked)
    head = b""
    for chunk in found.chunks():
        if b"\0" in chunk:
            # RFC 9051 §4.3: no client could fetch it.
            raise UnknownEncoding("it has NUL octets, which mail cannot have")
        if len(head) < MOST_HEADER:
            head += chunk[:MOST_HEADER]
        scanner.feed(chunk)
        if (pending := writer.write(chunk)) is not None:
            await pending
    summary = scanner.finish()
    ref, tail = writer.finish()
    await writer.settled()
    received_at = found.received_at
    if received_at is None:
        received_at = arrival_of(head)
    message = new_message(
        summary,
        body=ref,
        object_id=body_id,
        internaldate=now if received_at is None else received_at,
        source="append",
        flags=int(found.flags),
        keywords=tuple(word for word in dict.fromkeys(found.keywords) if _KEYWORD.fullmatch(word)),
    )
    return Coming(
        mailbox=mailbox,
        place=found.place,
        mark=mark,
        bucket=bucket,
        size=summary.size,
        message=message,
        tail=tail,
        search_text=prepare(summary.search_text, summary.header_text),
        reserved=reserved,
    )


async def _reserved_id(engine: Engine, bucket: Bucket, ids: IdSource) -> int:
    """For a body whose chunks go to the store one by one: the first of them is there before."""
    while True:
        body_id = ids.next()

        def take(txn: Txn, key: bytes = keys.body_chunk(body_id, 0)) -> bool:
            free = txn.get(bucket, key) is None
            if free:
                txn.put(bucket, key, b"\0")
            return free

        if await engine.transact(keys.BODY, take):
            return body_id


async def file_in(engine: Engine, account_id: int, batch: Sequence[Coming], now: float) -> list[bool]:
    """One durable commit of all, or none: OverQuota, NoSuchMailbox, LimitReached, NoSuchMessage (its day was dropped),
    AlreadyExists, StoreFull, StoreFault. False for one that somebody else brought meanwhile."""

    def link_bodies(txn: Txn) -> None:
        for coming in batch:
            if not coming.reserved and txn.get(coming.bucket, keys.body_chunk(coming.body_id, 0)) is not None:
                raise AlreadyExists("another message took its number in the same moment; run this again")
            bodies.put_chunks(txn, coming.bucket, coming.body_id, coming.tail)
            put_search_text(txn, coming.bucket, coming.body_id, coming.search_text, [account_id])

    def link_messages(txn: Txn) -> list[bool]:
        mailboxes.check_quota(txn, sum(coming.message.row.size for coming in batch))
        return [_link(txn, coming, now) for coming in batch]

    outcome = await engine.transact_all([(keys.BODY, link_bodies), (keys.user_scope(account_id), link_messages)])
    brought: list[bool] = outcome[1]
    return brought


def _link(txn: Txn, coming: Coming, now: float) -> bool:
    if is_imported(txn, [coming.bucket], coming.mark):
        return False
    target = mailboxes.mailbox_by_name(txn, coming.mailbox)
    if target is None:
        raise NoSuchMailbox("its mailbox was deleted meanwhile; run this again")
    message = coming.message
    if message.keywords:
        message = NewMessage(
            row=message.row,
            flags=message.flags,
            keywords=_with_room(txn, target.id, message.keywords),
            references=message.references,
        )
    messages.add(txn, target.id, coming.bucket, message, now)
    put_imported(txn, coming.bucket, coming.mark)
    return True


def _with_room(txn: Txn, mailbox_id: int, words: tuple[str, ...]) -> tuple[str, ...]:
    """Those keywords for which the mailbox has room: mail is worth more than its label."""
    known = {name.lower() for name in mailboxes.keyword_names(txn, mailbox_id)}
    kept = []
    for word in words:
        if word.lower() in known or len(known) < MAX_KEYWORDS:
            known.add(word.lower())
            kept.append(word)
    return tuple(kept)
