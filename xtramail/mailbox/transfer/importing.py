"""Mail out of files into one account's mailboxes: each message once, however often it is run or cut off.

Owns the choice of mailbox, the batches, and what came of it. A message is filed as by APPEND: it lives the days of its
domain from today on, whatever its own date says; its octets are as they came; nothing of it is queued, relayed,
mirrored or entered into the ledger. It has a mark beside it (``store/imported``), written in the same commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from hashlib import blake2b

from xtramail.directory.desk import Change, Desk
from xtramail.directory.domain_room import DomainRoom
from xtramail.mailbox.append import retention_class_of
from xtramail.mailbox.transfer.coming import Coming, HourAgo, file_in, prepared
from xtramail.mailbox.transfer.entries import WHOLE, Entry, Folder, Found, LeftOut, Trouble
from xtramail.mailbox.transfer.header_dates import arrival_of
from xtramail.mailbox.transfer.opening import Source
from xtramail.mailbox.transfer.outcome import Imported, Progress, Terms
from xtramail.mailbox.transfer.target_names import TargetNames
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.bucket import Bucket
from xtramail.model.errors import BadInput, NoSuchMailbox, NotPermitted, OverQuota, Refused, TooLarge, Unavailable
from xtramail.model.ids import IdSource
from xtramail.store import keys, mailboxes
from xtramail.store.engine import Txn
from xtramail.store.imported import is_imported, mark_of
from xtramail.store.mailbox_names import INBOX, canonical, checked
from xtramail.store.mailbox_rows import live_buckets
from xtramail.store.records import Account
from xtramail.telemetry.crashpoint import reach

BATCH = 64
BATCH_OCTETS = 2 << 20
"""Messages, and octets of them, in one commit: it holds the store's one write lock."""


class _NoRoom(Unavailable):
    """Says where there is none, and what to do."""


async def import_mail(
    desk: Desk,
    address: Address,
    source: Source,
    terms: Terms,
    *,
    progress: Progress = lambda so_far: None,
    stop: Callable[[], bool] = lambda: False,
) -> Imported:
    """Bring everything in ``source`` that is not there yet.

    ``progress`` is told after each commit, ``stop`` asked before each message. It ends early (``stopped``) when it is
    told to, when the quota is full, or when the store cannot be written; run again it goes on. What cannot be taken is
    named and passed over. One row of the audit log is there before the first message, whatever becomes of this
    process, and another tells what was brought. NoSuchAccount, NotPermitted, BadInput.
    """
    account = desk.account(address, Role.USER)
    if account.kind == "list":
        raise BadInput(f"{account.address} is a list, which has no mailboxes; name one of its members")
    if desk.actor.read_only:
        raise NotPermitted(f"mail import: {desk.actor.name} may only read; use a login or token that may change")
    if terms.into:
        _check_into(desk, account, terms.into)
    work = _Import(desk, account, source, terms)
    await work.run(progress, stop)
    result = work.result
    try:
        await _write_down(desk, address, source, terms, result)
    except Unavailable as error:
        result.stopped = f"{result.stopped or error.text.rstrip('.').lower()}; it is not in the log of changes"
    return result


async def _write_down(desk: Desk, address: Address, source: Source, terms: Terms, result: Imported) -> None:
    if (result.messages or result.made) and not terms.dry_run:
        await desk.change(
            Change(
                what="mail import",
                object=address.key,
                domain=address.domain_key,
                after={
                    **_told(source),
                    "messages": result.messages,
                    "octets": result.octets,
                    "already": result.already,
                    "refused": result.refused,
                    "stopped": result.stopped,
                },
            ),
            [],
        )


def _told(source: Source) -> dict[str, str]:
    return {"from": str(source.path).encode("utf-8", "backslashreplace").decode("utf-8"), "format": source.format}


def _check_into(desk: Desk, account: Account, into: str) -> None:
    try:
        checked(into)
        TargetNames(desk, account, "").keep_out(canonical(into))
    except Refused as error:
        raise BadInput(f"mailbox {into!r}: {error.text}; choose another name") from None


class _Import:
    def __init__(self, desk: Desk, account: Account, source: Source, terms: Terms) -> None:
        self._desk = desk
        self._engine = desk.engine
        self._account = account
        self._scope = keys.user_scope(account.id)
        self._source = source
        self._terms = terms
        self._names = TargetNames(desk, account, terms.into, alone=source.is_file)
        self._room = DomainRoom(desk.engine, desk.clock)
        self._ids = IdSource(HourAgo(desk.clock))
        self._class = retention_class_of(desk.engine, account)
        self._buckets: set[Bucket] = set(desk.engine.read(self._scope, live_buckets))
        self._existing = set(
            desk.engine.read(self._scope, lambda snap: [row.name for row in mailboxes.mailboxes(snap)])
        )
        self._equals: Counter[bytes] = Counter()
        self._batch: list[Coming] = []
        self._batch_octets = 0
        self._begun = False
        self.result = Imported()

    async def run(self, progress: Progress, stop: Callable[[], bool]) -> None:
        result = self.result
        try:
            try:
                await self._read(progress, stop)
            except OSError as error:
                result.stopped = f"{self._source.path} cannot be read: {error.strerror or error}"
            await self._commit()
        except OverQuota:
            result.stopped = (
                f"the quota is full; raise it (xtramail user set {self._account.address} quota=SIZE)"
            )
        except _NoRoom as error:
            result.stopped = error.text
        except Unavailable as error:
            result.stopped = error.text.rstrip(".").lower()
        progress(result)

    async def _read(self, progress: Progress, stop: Callable[[], bool]) -> None:
        with closing(self._source.entries()) as entries:
            for entry in entries:
                if stop():
                    self.result.stopped = "it was interrupted"
                    break
                await self._take(entry)
                if len(self._batch) >= BATCH or self._batch_octets >= BATCH_OCTETS:
                    await self._commit()
                    progress(self.result)

    async def _take(self, entry: Entry) -> None:
        match entry:
            case Folder():
                await self._folder(entry)
            case Trouble():
                self._refuse(entry.place, entry.text, entry.octets)
            case LeftOut():
                self.result.left_out += 1
                self.result.read += entry.octets
            case Found():
                await self._found(entry)

    def _refuse(self, place: str, text: str, octets: int = 0) -> None:
        self.result.refused += 1
        self.result.read += octets
        self.result.trouble(Trouble(place, text))

    async def _folder(self, folder: Folder) -> None:
        try:
            await self._make(self._names.mailbox(folder.levels))
        except Refused as error:
            self._refuse(folder.place, f"no mailbox can be made of this: {error.text}")

    async def _make(self, name: str) -> None:
        if name in self._existing:
            return
        if not self._terms.dry_run:
            await self._begin()
            await self._engine.transact(self._scope, partial(_make, name=name, now=self._desk.now()))
        if name != INBOX:
            self.result.made.append(name)
        self._existing.add(name)

    async def _found(self, found: Found) -> None:
        try:
            name = self._names.mailbox(found.levels)
            if found.octets > 2 * self._terms.octets + WHOLE:
                # Whatever is unescaped or taken off, too much is left of it: not even read.
                raise TooLarge(f"it has {found.octets} octets, and max-message-size is {self._terms.octets}")
            found = _held(found)
            digest, size = _digest(found)
        except Refused as error:
            self._refuse(found.place, error.text, found.octets)
            return
        except OSError as error:
            self._refuse(found.place, f"cannot be read: {error.strerror or error}", found.octets)
            return
        if size == 0 or size > self._terms.octets:
            rule = "it is empty" if size == 0 else f"it has {size} octets, and max-message-size is {self._terms.octets}"
            self._refuse(found.place, rule, found.octets)
            return
        mark = self._mark(name, digest)
        self.result.read += found.octets
        if self._terms.since and (_came(found) or self._desk.now()) < self._terms.since:
            self.result.older += 1
            return
        if self._engine.read(self._scope, partial(is_imported, buckets=self._buckets, mark=mark)):
            self.result.already += 1
            return
        if size > WHOLE and not self._terms.dry_run:
            # Most of its octets go to the store before it is filed: not when there is no room for it.
            await self._commit()
            self._engine.read(self._scope, partial(mailboxes.check_quota, more=size))
            self._look_for_room(size)
        if found.doubt:
            self.result.doubtful += 1
            self.result.trouble(Trouble(found.place, f"{found.doubt}; it was taken"))
        if self._terms.dry_run:
            self.result.mailboxes[name] += 1
            self.result.octets += size
            return
        try:
            await self._make(name)
            coming = await prepared(
                self._engine, found, name, mark, ids=self._ids, clock=self._desk.clock, retention_class=self._class
            )
        except (Refused, OSError) as error:
            text = error.text if isinstance(error, Refused) else f"cannot be read: {error.strerror or error}"
            self._refuse(found.place, text)
            return
        self._buckets.add(coming.bucket)
        self._batch.append(coming)
        self._batch_octets += coming.size

    def _mark(self, mailbox: str, digest: bytes) -> bytes:
        first = mark_of(mailbox, digest, 0)
        ordinal = self._equals[first]
        self._equals[first] += 1
        return mark_of(mailbox, digest, ordinal) if ordinal else first

    async def _commit(self) -> None:
        batch, octets = self._batch, self._batch_octets
        self._batch, self._batch_octets = [], 0
        if batch:
            self._look_for_room(octets)
            await self._begin()
            reach("import.before-commit")
            await self._file(batch)
            reach("import.after-commit")

    async def _begin(self) -> None:
        """Who kills us leaves a trace all the same."""
        if self._begun:
            return
        self._begun = True
        address = Address.parse(self._account.address)
        told = _told(self._source)
        await self._desk.change(Change("mail import begin", address.key, address.domain_key, after=told), [])

    def _look_for_room(self, octets: int) -> None:
        if not self._room.fits(self._account, octets):
            name = self._account.address.rpartition("@")[2]
            raise _NoRoom(f"the quota of domain {name} is full; raise it (xtramail domain set {name} quota=SIZE)")
        free = self._engine.free_bytes()
        reserve = (free + self._engine.used_bytes()) * self._terms.reserve_percent // 100
        if free < max(reserve, 2 * self._terms.octets):
            raise _NoRoom("the disk has no more free room than the server keeps in reserve; make some")

    async def _file(self, batch: list[Coming]) -> None:
        """In halves where all of it cannot be filed: OverQuota for the first that does not fit; others are refused."""
        try:
            brought = await file_in(self._engine, self._account.id, batch, self._desk.now())
        except (OverQuota, Refused) as error:
            if len(batch) > 1:
                half = len(batch) // 2
                await self._file(batch[:half])
                await self._file(batch[half:])
                return
            if isinstance(error, OverQuota):
                raise
            if isinstance(error, NoSuchMailbox):
                # A client deleted it meanwhile.
                self._existing.discard(batch[0].mailbox)
            self._refuse(batch[0].place, error.text)
            return
        for coming, new in zip(batch, brought, strict=True):
            if new:
                self.result.mailboxes[coming.mailbox] += 1
                self.result.octets += coming.size
                self._room.took(self._account, coming.size)
            else:
                self.result.already += 1


def _make(txn: Txn, name: str, now: float) -> None:
    """With the usual ones, subscribed, so that clients show it."""
    mailboxes.ensure_special(txn, now)
    if mailboxes.mailbox_by_name(txn, name) is None:
        mailboxes.create(txn, name, now=now)
        mailboxes.subscribe(txn, name)


def _came(found: Found) -> int | None:
    if found.received_at is not None:
        return found.received_at
    return arrival_of(next(found.chunks(), b""))


def _held(found: Found) -> Found:
    """With its octets in memory where they are few: they are gone through twice."""
    if found.octets > WHOLE:
        return found
    octets = b"".join(found.chunks())
    return replace(found, chunks=lambda: iter((octets,)))


def _digest(found: Found) -> tuple[bytes, int]:
    """Of the message's octets, and how many they are."""
    digest, size = blake2b(digest_size=16), 0
    for chunk in found.chunks():
        digest.update(chunk)
        size += len(chunk)
    return digest.digest(), size
