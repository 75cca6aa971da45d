"""One authenticated account at work: what it may do with its mailboxes and the messages in them.

Owns which mailbox is selected and every change a client can make, each durable when its coroutine returns. Knows no
protocol: IMAP's wording is ``answers``', the store's rows are ``store``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar
from unicodedata import normalize

import msgspec
from msgspec.structs import replace

from xtramail.mailbox import recovered
from xtramail.mailbox.look import OwnChange
from xtramail.mailbox.services import MailboxServices
from xtramail.mailbox.statuses import Statuses
from xtramail.mailbox.terms import PLAIN, Terms
from xtramail.mailbox.view import Access, View
from xtramail.model.bucket import Bucket
from xtramail.model.errors import NoSuchMailbox, NotPermitted, OverQuota, StoreFull, Unavailable
from xtramail.model.flags import Flag
from xtramail.store import accounts, keys, mailboxes, messages
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.mailbox_names import INBOX
from xtramail.store.mailbox_rows import require
from xtramail.store.messages import FlagMode, Stored
from xtramail.store.records import Account, FlagRow, MailboxRow
from xtramail.store.recovered import recovered as recovered_row
from xtramail.wire.imap.utf7 import Spelling

T = TypeVar("T")
_NOTHING: Mapping[int, Any] = MappingProxyType({})


class Placed(msgspec.Struct, frozen=True):
    """Result of COPY and MOVE: pairs of old and new UID, ascending, in a mailbox of this UIDVALIDITY."""

    uidvalidity: int
    pairs: tuple[tuple[int, int], ...]


class Session:
    """Ends with :meth:`close`; :attr:`view` is the selected mailbox, None when there is none."""

    def __init__(self, services: MailboxServices, account: Account, *, as_of: int = 0) -> None:
        """``as_of``: a commit (``Engine.newest_commit``) before ``account`` was read; 0 when that is not known."""
        self.services = services
        self.account = account
        self.view: View | None = None
        self.terms: Terms = PLAIN
        self.statuses = Statuses()
        self._scope = keys.user_scope(account.id)
        self.under_way = 0
        """Messages that are being changed, all of them by one commit that has not come yet."""
        self._last_commit = 0
        """Of this session's own doing alone."""
        self._valid_as_of = as_of

    # The account

    async def open(self) -> None:
        """Make the special mailboxes that are missing; writes nothing when none is.

        A store that cannot write leaves them missing, as long as there is an INBOX to read.
        """
        rows, kept = self.read(lambda snap: (mailboxes.mailboxes(snap), recovered_row(snap)))
        if kept is not None and not mailboxes.missing_special(rows):
            return
        now = self.services.clock.now()
        try:
            await self.services.engine.transact(self._scope, lambda txn: mailboxes.ensure_special(txn, now))
        except Unavailable:
            if all(row.name != INBOX for row in rows):
                raise

    def still_valid(self) -> bool:
        """What this session logged in with would still open the account."""
        newest = self.services.engine.newest_commit()
        if newest == self._valid_as_of and not self.account.device:
            # Nothing was written since. (A device's time may be over without that.)
            return True
        now = self.services.clock.now()
        valid = self.read(lambda snap: accounts.standing(snap, self.account, now)) is not None
        if valid:
            self._valid_as_of = newest
        return valid

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Hints that something of this account changed, but for what this session alone did; gives the function that
        ends them."""
        engine = self.services.engine

        def hinted() -> None:
            if not self._last_commit or self._last_commit != engine.lone_commit():
                callback()

        return engine.watch(self._scope, hinted)

    def committed(self) -> int:
        """To be called when a transaction of this session is settled: its number, 0 when others had a part in it."""
        self._last_commit = self.services.engine.lone_commit()
        return self._last_commit

    def close(self) -> None:
        """Let go of the selected mailbox. May be called again."""
        view, self.view = self.view, None
        if view is not None:
            self._keep_recent(view)
            self.services.looks.release(view.shared)

    def read(self, function: Callable[[Snapshot], T]) -> T:
        """A read of this account's rows."""
        return self.services.engine.read(self._scope, function)

    def speak(self, terms: Terms) -> None:
        """From now on the client is spoken to on these terms."""
        self.terms = terms
        if self.view is not None:
            self.view.terms = terms

    # Mailboxes

    def mailboxes(self) -> list[MailboxRow]:
        """All that can be selected; Recovered is the last, where it is there."""
        found = self._recovered()
        return self.read(mailboxes.mailboxes) + ([found] if found is not None else [])

    def _recovered(self) -> MailboxRow | None:
        """Recovered under its name; None where the domain has it switched off."""
        if not recovered.is_on(self.services.engine, self.account):
            return None
        name, row = self.read(lambda snap: (recovered.free_name(snap), recovered_row(snap)))
        return replace(row, name=name) if row is not None and name else None

    def _check_new(self, name: str) -> None:
        """MailboxExists and OnlyToCopyFrom for what is to be called as Recovered is, or to be below it."""
        if recovered.may_be(name) and (found := self._recovered()) is not None:
            recovered.check_new(name, found.name)

    def _recovered_as(self, name: str) -> MailboxRow | None:
        """Recovered, where this is its name."""
        found = self._recovered() if recovered.may_be(name) else None
        return found if found is not None and found.name == name else None

    def check_there(self, view: View) -> None:
        """NoSuchMailbox when it is Recovered and the domain has switched that off meanwhile."""
        if view.mailbox_id == keys.RECOVERED and not recovered.is_on(self.services.engine, self.account):
            raise NoSuchMailbox("The mailbox was switched off")

    def keep_out(self, name: str) -> None:
        """OnlyToCopyFrom for Recovered: nothing is put into it, and it stays what it is."""
        if self._recovered_as(name) is not None:
            raise recovered.OnlyToCopyFrom

    def subscriptions(self) -> list[str]:
        return self.read(mailboxes.subscriptions)

    def mailbox(self, name: str, *, room_for: int | None = None) -> MailboxRow:
        """NoSuchMailbox when there is none of this name, OverQuota when so many octets do not fit."""

        def look(snap: Snapshot) -> MailboxRow | None:
            found = mailboxes.mailbox_by_name(snap, self._known(snap, name))
            if found is not None and room_for is not None:
                mailboxes.check_quota(snap, room_for)
            return found

        row = self.read(look) or self._recovered_as(name)
        if row is None:
            raise NoSuchMailbox
        if room_for is not None:
            self._domain_takes(room_for)
        return row

    def _domain_takes(self, octets: int) -> None:
        if not self.services.room(self.account, octets):
            raise OverQuota("The mailboxes of this domain are full")

    def normal(self, name: str) -> str:
        """How a new mailbox is called: names in UTF-8 are in normal form C (RFC 9051 §5.1); in modified UTF-7 they stay
        exactly as they were written (RFC 3501 §5.1.3)."""
        if name.isascii() or self.terms.spelling is Spelling.UTF7:
            return name
        return normalize("NFC", name)

    def _known(self, snap: Snapshot, name: str) -> str:
        """The name itself where there is such a mailbox, else its normal form."""
        normal = self.normal(name)
        return name if normal == name or mailboxes.mailbox_by_name(snap, name) is not None else normal

    def select(self, name: str, access: Access) -> View:
        """Select ``name`` in place of what was selected; NoSuchMailbox leaves nothing selected."""
        looks = self.services.looks
        try:
            mailbox_id = self.mailbox(name).id
            shared = looks.hold(self.account.id, mailbox_id)
        finally:
            # Only now: selecting the same mailbox again must not forget its look.
            self.close()
        try:
            self.view = view = View(shared, Access.READ_ONLY if mailbox_id == keys.RECOVERED else access)
        except NoSuchMailbox:
            looks.release(shared)
            raise
        view.terms = self.terms
        self._keep_recent(view)
        return view

    def _keep_recent(self, view: View) -> None:
        """Write down what this session was told as \\Recent.

        Not waited for: were it lost, the next session would be told once more, which is allowed (RFC 3501 §2.3.2).
        The look is held until then, since it knows.
        """
        if view.takes_recent():
            looks, mailbox_id = self.services.looks, view.mailbox_id
            shared = looks.hold(self.account.id, mailbox_id)
            written = self.services.engine.transact(self._scope, lambda txn: mailboxes.take_recent(txn, mailbox_id))
            written.when_done(lambda _: looks.release(shared))

    def recent_from(self, mailbox_id: int) -> int:
        """UIDs below it have been \\Recent in a session, though the store may not know it yet."""
        return self.services.looks.recent_from(self.account.id, mailbox_id)

    async def create(self, name: str, special_use: str = "") -> MailboxRow:
        self._check_new(name)
        now, normal = self.services.clock.now(), self.normal(name)
        return await self._transact(lambda txn: mailboxes.create(txn, normal, special_use, now=now))

    async def delete(self, name: str) -> MailboxRow:
        self.keep_out(name)
        now, by = self.services.clock.now(), self.account.address
        return await self._transact(lambda txn: mailboxes.delete(txn, self._known(txn, name), now=now, by=by))

    async def rename(self, old: str, new: str) -> MailboxRow:
        self.keep_out(old)
        self._check_new(new)
        now, normal = self.services.clock.now(), self.normal(new)
        return await self._transact(lambda txn: mailboxes.rename(txn, self._known(txn, old), normal, now=now))

    async def subscribe(self, name: str) -> None:
        await self._transact(lambda txn: mailboxes.subscribe(txn, self._known(txn, name)))

    async def unsubscribe(self, name: str) -> None:
        normal = self.normal(name)
        await self._transact(lambda txn: mailboxes.unsubscribe(txn, name) or mailboxes.unsubscribe(txn, normal))

    # Messages of the selected mailbox

    async def store_flags(
        self,
        view: View,
        uids: Sequence[int],
        mode: FlagMode,
        flags: Flag,
        keywords: Sequence[str],
        unchanged_since: int | None = None,
    ) -> Stored:
        """NotPermitted in a mailbox selected read-only; else as ``store.messages.store_flags``."""
        self.writable(view)
        mailbox_id, now, homes = view.mailbox_id, self.services.clock.now(), view.told.homes
        bits = int(flags)

        def work(txn: Txn) -> tuple[Stored, int]:
            stored = messages.store_flags(
                txn, mailbox_id, uids, mode, bits, keywords, unchanged_since, now=now, homes=homes
            )
            return stored, txn.newest_drop()

        stored, drops = await self._transact(work, len(uids))
        if stored.rows is not None:
            self.follow(view, stored.rows, drops, flags=stored.changed)
        return stored

    async def copy(self, view: View, uids: Sequence[int], target: str) -> Placed:
        """NoSuchMailbox, OverQuota, LimitReached, StoreFull: then nothing was copied.

        What is copied out of Recovered is restored: it leaves that mailbox.
        """
        self.keep_out(target)
        self._domain_takes(0)
        # Clients without MOVE delete by a copy into Trash.
        if self.services.full() and self.mailbox(target).special_use != mailboxes.TRASH:
            raise StoreFull
        source, now, homes = view.mailbox_id, self.services.clock.now(), view.told.homes

        def work(txn: Txn) -> tuple[int, Placed]:
            row = _target(txn, self._known(txn, target))
            if source == keys.RECOVERED:
                return row.id, Placed(row.uidvalidity, tuple(messages.restore(txn, row.id, uids, now)))
            pairs = messages.copy_between(txn, require(txn, source), row, uids, now, homes)
            return row.id, Placed(row.uidvalidity, tuple(pairs))

        home, placed = await self._transact(work, len(uids))
        if source != keys.RECOVERED:
            self.wrote_into(home)
        return placed

    async def move(self, view: View, uids: Sequence[int], target: str) -> Placed:
        """NoSuchMailbox, LimitReached: then nothing was moved."""
        self.writable(view)
        self.keep_out(target)
        source, now, homes = view.mailbox_id, self.services.clock.now(), view.told.homes

        def work(txn: Txn) -> tuple[Placed, tuple[MailboxRow, MailboxRow], int]:
            row = _target(txn, self._known(txn, target))
            moved = messages.move_between(txn, require(txn, source), row, uids, now, homes)
            return Placed(row.uidvalidity, tuple(moved.pairs)), moved.rows, txn.newest_drop()

        placed, rows, drops = await self._transact(work, len(uids))
        if placed.pairs and rows[0].uidnext == rows[1].uidnext:
            # Within one mailbox messages come as well as go.
            self.follow(view, rows, drops, gone=[old for old, _ in placed.pairs])
        return placed

    async def expunge(self, view: View, uids: Iterable[int] | None = None) -> None:
        """Expunge what has \\Deleted, of ``uids`` or of the whole mailbox; writes nothing when nothing has."""
        self.writable(view)
        doomed = view.shared.now().deleted()
        if uids is not None:
            doomed = sorted(set(doomed).intersection(uids))
        if not doomed:
            return
        mailbox_id, now, by = view.mailbox_id, self.services.clock.now(), self.account.address
        gone, rows, drops = await self._transact(
            lambda txn: _watched(
                txn, mailbox_id, lambda: messages.expunge(txn, mailbox_id, doomed, by, now, deleted_only=True)
            ),
            len(doomed),
        )
        if gone:
            self.follow(view, rows, drops, gone=gone)

    def wrote_into(self, mailbox_id: int) -> None:
        """What this session committed last concerned this one mailbox."""
        if self.view is not None and self.view.mailbox_id != mailbox_id:
            self.view.shared.untouched(self._last_commit)

    def follow(
        self,
        view: View,
        rows: tuple[MailboxRow, MailboxRow],
        drops: int,
        *,
        flags: Mapping[int, FlagRow] = _NOTHING,
        gone: Sequence[int] = (),
        came: Mapping[int, Bucket] = _NOTHING,
    ) -> None:
        """What this session committed last did to the selected mailbox (``OwnChange``)."""
        before, after = rows
        commit = self._last_commit
        view.shared.follow(
            OwnChange(before=before, after=after, flags=flags, gone=gone, came=came, newest_drop=drops, commit=commit)
        )

    async def _transact(self, function: Callable[[Txn], T], count: int = 0) -> T:
        """``count``: messages that it is about."""
        self.under_way = count
        try:
            result = await self.services.engine.transact(self._scope, function)
        finally:
            self.under_way = 0
        self.committed()
        return result

    def writable(self, view: View) -> None:
        """NotPermitted in a mailbox selected read-only, OnlyToCopyFrom in Recovered."""
        if view.mailbox_id == keys.RECOVERED:
            raise recovered.OnlyToCopyFrom
        if view.access is Access.READ_ONLY:
            raise NotPermitted("The mailbox is selected read-only")


def _target(snap: Snapshot, name: str) -> MailboxRow:
    row = mailboxes.mailbox_by_name(snap, name)
    if row is None:
        raise NoSuchMailbox
    return row


def _watched(
    txn: Txn, mailbox_id: int, work: Callable[[], T]
) -> tuple[T, tuple[MailboxRow, MailboxRow], int]:
    """What ``work`` gives, the mailbox's own row before and after it, and the newest drop stamp."""
    before = require(txn, mailbox_id)
    result = work()
    return result, (before, require(txn, mailbox_id)), txn.newest_drop()
