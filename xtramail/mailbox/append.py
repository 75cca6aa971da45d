"""APPEND: a message that a client brings, streamed into the store and linked by one durable commit.

Owns today's bucket, quota, and the rule for Sent: a client's own copy takes the place of the one that submission filed,
without a trace. The octets are stored as they came. Does not own the literal's framing (``wire/imap``).
"""

from __future__ import annotations

from xtramail.mailbox.session import MailboxServices, Session
from xtramail.model.address import Address
from xtramail.model.bucket import FIRST_DOMAIN_CLASS, bucket_at
from xtramail.model.errors import NoSuchMailbox, TooLarge
from xtramail.model.flags import Flag
from xtramail.model.pending import Pending
from xtramail.store import bodies, domains, keys, mailboxes, messages
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.erasure import erase
from xtramail.store.messages import Added
from xtramail.store.new_message import new_message
from xtramail.store.records import Account
from xtramail.store.search_texts import put_search_text
from xtramail.wire.mime import Scanner

SENT = "\\Sent"


def retention_class_of(engine: Engine, account: Account) -> int:
    """The class whose days an account's mail lives: its own where it has one, else its domain's."""
    own = account.settings.get("retention_class", "")
    if own.isdigit():
        return int(own)
    domain = engine.read(keys.domain_scope(Address.parse(account.address).domain_key), domains.get_domain)
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
    ) -> None:
        """``size`` in octets as announced. NoSuchMailbox, TooLarge and OverQuota: nothing of it is wanted."""
        services: MailboxServices = session.services
        if size > services.limits.message_octets:
            raise TooLarge
        target = session.mailbox(mailbox)
        session.read(lambda snap: mailboxes.check_quota(snap, size))
        self._session = session
        self._name = target.name
        self._flags = flags
        self._keywords = keywords
        self._now = services.clock.now()
        self._received_at = int(self._now) if received_at is None else received_at
        # Chosen once, here: a message that crosses midnight on its way in keeps the day it began.
        self._bucket = bucket_at(self._now, retention_class_of(services.engine, session.account))
        self.id = services.ids.next()
        self._writer = bodies.BodyWriter(services.engine, self._bucket, self.id)
        self._scanner = Scanner(clock=services.clock.monotonic)

    def chunk(self, octets: bytes) -> Pending[None] | None:
        """Some of the message. A Pending: wait until it is done before bringing much more (its failure is told by
        :meth:`finish`)."""
        self._scanner.feed(octets)
        return self._writer.write(octets)

    async def finish(self) -> Added:
        """All octets are here: durable once this returns. NoSuchMailbox, OverQuota, LimitReached, StoreFull and
        StoreFault: nothing of it is in the mailbox."""
        summary = self._scanner.finish()
        ref, tail = self._writer.finish()
        await self._writer.settled()
        message = new_message(
            summary,
            body=ref,
            object_id=self.id,
            internaldate=self._received_at,
            source="append",
            flags=int(self._flags),
            keywords=self._keywords,
        )
        now, bucket, account = self._now, self._bucket, self._session.account.id

        def link_body(txn: Txn) -> None:
            bodies.put_chunks(txn, bucket, ref.id, tail)
            put_search_text(txn, bucket, ref.id, summary.search_text, [account])

        def link_message(txn: Txn) -> Added:
            target = mailboxes.mailbox_by_name(txn, self._name)
            if target is None:
                raise NoSuchMailbox
            if target.special_use == SENT:
                erase(txn, target.id, _filed_copies(txn, target.id, summary.message_id), now)
            mailboxes.check_quota(txn, summary.size)
            return messages.add(txn, target.id, bucket, message, now)

        scope = keys.user_scope(account)
        outcome = await self._session.services.engine.transact_all([(keys.BODY, link_body), (scope, link_message)])
        added: Added = outcome[1]
        return added


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
