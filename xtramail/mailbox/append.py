"""APPEND: a message that a client brings, streamed into the store and linked by one durable commit.

Owns today's bucket, quota, and the rule for Sent: a client's own copy takes the place of the one that submission filed,
without a trace. The octets are stored as they came. Does not own the literal's framing (``wire/imap``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from xtramail.mailbox.services import MailboxServices
from xtramail.mailbox.session import Session
from xtramail.model.address import domain_key
from xtramail.model.bucket import FIRST_DOMAIN_CLASS, Bucket, bucket_at
from xtramail.model.errors import NoSuchMailbox, StoreFull, TooLarge
from xtramail.model.flags import Flag
from xtramail.model.pending import Pending
from xtramail.store import bodies, domains, keys, mailboxes, messages
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.erasure import erase
from xtramail.store.mailbox_rows import require
from xtramail.store.messages import Added, NewMessage
from xtramail.store.new_message import new_message
from xtramail.store.records import Account, FlagRow, MailboxRow
from xtramail.store.search_texts import NOTHING, prepare, put_search_text
from xtramail.wire.mime import Scanner

SENT = "\\Sent"


def retention_class_of(engine: Engine, account: Account) -> int:
    """The class whose days an account's mail lives: its own where it has one, else its domain's."""
    own = account.settings.get("retention_class", "")
    if own.isdigit():
        return int(own)
    # The address was parsed when the account was made.
    domain = engine.read(keys.domain_scope(domain_key(account.address.rpartition("@")[2])), domains.get_domain)
    return domain.retention_class if domain is not None else FIRST_DOMAIN_CLASS


class Appending:
    """One message on its way in. Use :meth:`chunk` until all is there, then :meth:`finish`; or just forget it."""

    def __init__(
        self,
        session: Session,
        mailbox: str,
        size: int,
        flags: Flag,
        keywords: tuple[str, ...],
        received_at: int | None,
        beside: int = 0,
    ) -> None:
        """``size`` in octets as announced; ``beside``: octets that the same command brings too, negative if it frees
        them. NoSuchMailbox, TooLarge, OverQuota and StoreFull: nothing of it is wanted."""
        services: MailboxServices = session.services
        if services.full():
            raise StoreFull
        if size > services.limits.message_octets:
            raise TooLarge
        session.keep_out(mailbox)
        target = session.mailbox(mailbox, room_for=size + beside)
        self._session = session
        self._size = size
        self._name = target.name
        self._flags = flags
        self._keywords = keywords
        self._now = services.clock.now()
        self._received_at = int(self._now) if received_at is None else received_at
        # Chosen once, here: a message that crosses midnight on its way in keeps the day it began.
        self.bucket = bucket_at(self._now, retention_class_of(services.engine, session.account))
        self.id = services.ids.next()
        self._writer = bodies.BodyWriter(services.engine, self.bucket, self.id)
        self._scanner = Scanner(clock=services.clock.worked)
        self._message: NewMessage | None = None
        self._tail: bodies.Tail = []
        self._search_text = NOTHING
        self._aside: Pending[None] | None = None

    def chunk(self, octets: bytes) -> Pending[None] | None:
        """Some of the message. A Pending: wait until it is done before bringing much more (its failure is told by
        :meth:`finish`)."""
        self._scanner.feed(octets)
        return self._writer.write(octets)

    @property
    def size(self) -> int:
        """Octets as announced."""
        return self._size

    def end(self) -> None:
        """All octets are here."""
        summary = self._scanner.finish()
        ref, self._tail = self._writer.finish()
        self._search_text = prepare(summary.search_text, summary.header_text)
        self._message = new_message(
            summary,
            body=ref,
            object_id=self.id,
            internaldate=self._received_at,
            source="append",
            flags=int(self._flags),
            keywords=self._keywords,
        )

    def set_aside(self) -> Pending[None]:
        """After :meth:`end`: put all octets into the store before anything links them, so that the next message of a
        command finds the memory free."""
        self._aside = self._session.services.engine.transact(keys.BODY, self._body_link())
        return self._aside

    async def settled(self) -> None:
        """What went to the store beforehand is durable; StoreFull and StoreFault."""
        await self._writer.settled()
        if self._aside is not None:
            await self._aside

    def body_links(self) -> list[Callable[[Txn], None]]:
        """What is still to be done in the scope of bodies, with :meth:`link`. Ask once."""
        return [self._body_link()] if self._aside is None else []

    def link(self, txn: Txn) -> Added:
        """In the account's scope; NoSuchMailbox, OverQuota, LimitReached."""
        message = self._message
        assert message is not None, "a message is linked once it has ended"
        target = mailboxes.mailbox_by_name(txn, self._name)
        if target is None:
            raise NoSuchMailbox
        if target.special_use == SENT:
            erase(txn, target.id, _filed_copies(txn, target.id, message.row.message_id), self._now)
        mailboxes.check_quota(txn, message.row.size)
        return messages.add(txn, target.id, self.bucket, message, self._now)

    async def finish(self) -> Added:
        """:meth:`end`, and file it: durable once this returns. NoSuchMailbox, OverQuota, LimitReached, StoreFull and
        StoreFault: nothing of it is in the mailbox."""
        self.end()
        return (await file_all(self._session, [self]))[0]

    def _body_link(self) -> Callable[[Txn], None]:
        bucket, body_id, tail, text = self.bucket, self.id, self._tail, self._search_text
        account = self._session.account.id
        self._tail, self._search_text = [], NOTHING

        def link(txn: Txn) -> None:
            bodies.put_chunks(txn, bucket, body_id, tail)
            put_search_text(txn, bucket, body_id, text, [account])

        return link


async def file_all(
    session: Session, appendings: Sequence[Appending], beforehand: Callable[[Txn], None] | None = None
) -> list[Added]:
    """Put messages that have ended into their mailbox, in order, by one durable commit: all of them or none.

    ``beforehand`` is done before them in the same commit. Raises as :meth:`Appending.finish`.
    """
    for appending in appendings:
        await appending.settled()
    links = [link for appending in appendings for link in appending.body_links()]

    def link_bodies(txn: Txn) -> None:
        for link in links:
            link(txn)

    view = session.view

    def link_messages(txn: Txn) -> tuple[list[Added], _Came | None]:
        if beforehand is not None:
            beforehand(txn)
        before = mailboxes.mailbox_by_id(txn, view.mailbox_id) if view is not None else None
        added = [appending.link(txn) for appending in appendings]
        if before is None or before.id != added[0].mailbox_id or before.special_use == SENT or beforehand is not None:
            return added, None
        return added, _came(txn, before, appendings, added)

    scope = keys.user_scope(session.account.id)
    outcome = await session.services.engine.transact_all([(keys.BODY, link_bodies), (scope, link_messages)])
    session.committed()
    filed: list[Added]
    filed, came = outcome[1]
    if came is not None and view is not None and view is session.view:
        session.follow(view, came.rows, came.drops, flags=came.flags, came=came.homes)
    if beforehand is None:
        session.wrote_into(filed[0].mailbox_id)
    return filed


class _Came(NamedTuple):
    """What was put into the selected mailbox, where nothing else was done to it."""

    rows: tuple[MailboxRow, MailboxRow]
    """The mailbox's own, before and after it."""
    flags: dict[int, FlagRow]
    homes: dict[int, Bucket]
    drops: int


def _came(txn: Txn, before: MailboxRow, appendings: Sequence[Appending], added: Sequence[Added]) -> _Came | None:
    flags: dict[int, FlagRow] = {}
    homes: dict[int, Bucket] = {}
    for appending, one in zip(appendings, added, strict=True):
        row = messages.flag_row(txn, before.id, appending.bucket, one.uid)
        if row is None:
            return None
        flags[one.uid] = row
        homes[one.uid] = appending.bucket
    return _Came((before, require(txn, before.id)), flags, homes, txn.newest_drop())


def _filed_copies(snap: Snapshot, mailbox_id: int, message_id: str) -> list[int]:
    """UIDs of what submission itself filed in this mailbox under this Message-ID."""
    if not message_id:
        return []
    found = []
    for bucket, home, uid, _ in messages.by_message_id(snap, message_id):
        row = messages.message_row(snap, home, bucket, uid) if home == mailbox_id else None
        if row is not None and row.source == "submission":
            found.append(uid)
    return found
