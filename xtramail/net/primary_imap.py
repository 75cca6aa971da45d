"""The IMAP of primaries: sent copies are appended to mailboxes there, and messages looked for in them.

IMAPClient blocks, so each visit works in a thread of a small pool of its own: at most four at a time, two for one
domain, each bounded by a deadline after which it is cut. A visit that went well leaves its connection to the next one
with the same login (``kept_visits``), so that a domain never has more than two. A host that does not answer, and a
login that is refused, are left alone for a while. Owns these bounds; what is said to the server is ``imap_visit``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from xtramail.delivery.courier import Body
from xtramail.delivery.sent_back import Filed, SentCopy
from xtramail.directory.imap_access import ImapAccess, access_of
from xtramail.model.pending import Pending
from xtramail.net.adapter import start
from xtramail.net.imap_visit import Name, Visit, VisitFailed, searchable, shown_name
from xtramail.net.kept_visits import KeptVisits, Login
from xtramail.store.records import DomainRow

T = TypeVar("T")

STOPPING = "this server is stopping"
_TURN = 1 << 20
"""Octets of a message that are read from the store in one turn of the reactor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapSettings:
    """Times in seconds: ``wait`` for one's turn (who waits keeps other mail of the domain from its own), ``connect``,
    ``answer`` and ``visit`` at most; ``rest`` after a host gave no answer, twice as long each time up to ``most_rest``;
    ``rest_login`` after it refused a login; ``idle`` for which a connection is kept, ``kept`` of all domains."""

    threads: int = 4
    each: int = 2
    wait: float = 10.0
    connect: float = 10.0
    answer: float = 30.0
    visit: float = 300.0
    rest: float = 15.0
    most_rest: float = 300.0
    rest_login: float = 60.0
    idle: float = 30.0
    kept: int = 32


class PrimaryImap:
    """``delivery.sent_back.SentMailboxes`` and ``delivery.primary_mail.PrimaryMail``."""

    def __init__(
        self,
        reactor: Any,
        *,
        refused: Callable[[str, str], None],
        settings: ImapSettings | None = None,
        access: Callable[[DomainRow], ImapAccess | None] = access_of,
    ) -> None:
        """``refused(domain, text)``: a login was refused; told once until it works again or is changed."""
        self._reactor = reactor
        self._access = access
        self._settings = settings or ImapSettings()
        self._refused = refused
        self._pool = ThreadPool(minthreads=0, maxthreads=self._settings.threads, name="primary-imap")
        # One that looks a name up cannot be cut, and must not keep this process from ending.
        self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]
        self._all = DeferredSemaphore(self._settings.threads)
        self._each: dict[str, DeferredSemaphore] = {}
        self._resting: dict[tuple[ImapAccess, str], tuple[float, str]] = {}
        self._silences: dict[ImapAccess, int] = {}
        """How often in a row it gave no answer."""
        self._told: dict[str, ImapAccess] = {}
        self._runs: set[_Run] = set()
        self._kept = KeptVisits(
            reactor, idle=self._settings.idle, most=self._settings.kept, close=self._close_in_thread
        )
        self._at_work = 0
        self._stopping = False

    @property
    def visits(self) -> int:
        """Connections at work or being opened."""
        return len(self._runs)

    @property
    def kept(self) -> int:
        """Connections that wait for the next visit with their login."""
        return len(self._kept)

    def close(self) -> None:
        """Cut every visit and begin none any more; what waits fails at once."""
        self._stopping = True
        for run in list(self._runs):
            run.end(STOPPING)
        for visit in self._kept.clear():
            visit.cut(STOPPING)
            self._close_in_thread(visit)
        self._stop_pool()

    def _stop_pool(self) -> None:
        """Once no thread is at work: stopping waits for them."""
        if self._stopping and not self._at_work and self._pool.started:
            self._pool.stop()

    def file(self, domain: DomainRow, copy: SentCopy, before: Callable[[], Pending[None]]) -> Pending[Filed]:
        """See ``delivery.sent_back.SentMailboxes.file``."""
        return _pending(self._file(domain, copy, before))

    def has(self, domain: DomainRow, address: str, message_id: str) -> Pending[bool | None]:
        """See ``delivery.primary_mail.PrimaryMail.has``."""
        return _pending(self._has(domain, address, message_id))

    def which(
        self, domain: DomainRow, address: str, values: Iterable[str], field: str = "Message-ID"
    ) -> Pending[frozenset[str] | None]:
        """See ``delivery.primary_mail.PrimaryMailboxes.which``."""
        return _pending(self._which(domain, address, [one for one in values if searchable(one)], field))

    def remove(self, domain: DomainRow, address: str, message_ids: Sequence[str]) -> Pending[int | None]:
        """See ``delivery.canary.CanaryMailboxes.remove``."""
        return _pending(self._remove(domain, address, [one for one in message_ids if searchable(one)]))

    async def _remove(self, domain: DomainRow, address: str, message_ids: Sequence[str]) -> int | None:
        access = self._access(domain)
        if access is None:
            return None

        def work(visit: Visit) -> int:
            visit.open()
            return visit.remove(message_ids)

        try:
            return await self._visit(domain.name, access, address, lambda run: run.do(work))
        except VisitFailed:
            return None

    async def _file(self, domain: DomainRow, copy: SentCopy, before: Callable[[], Pending[None]]) -> Filed:
        access = self._access(domain)
        if access is None:
            hint = f"set them: xtramail domain set {domain.name} primary-imap=HOST primary-imap-secret=-"
            return Filed(False, "", f"IMAP: the domain has no credentials for its primary; {hint}")
        host = str(access)
        field, value = copy.known_by

        def prepare(visit: Visit) -> Name | None:
            """The mailbox for sent mail; None when the message lies in it."""
            visit.open()
            mailbox = visit.sent_mailbox()
            return None if searchable(value) and visit.holds(mailbox, field, value) else mailbox

        async def work(run: _Run) -> Filed:
            mailbox = await run.do(prepare)
            if mailbox is None:
                return Filed(True, host, f"it lies in the mailbox for sent mail at {host} already")
            octets = await self._whole(copy.body)
            await before()
            await run.do(lambda visit: visit.append(mailbox, octets, copy.sent_at), doubtful=True)
            return Filed(True, host, f"filed in {shown_name(mailbox)} at {host}")

        try:
            return await self._visit(domain.name, access, copy.address, work)
        except VisitFailed as failed:
            return Filed(None if failed.doubtful else False, host, failed.text)
        except Exception as error:
            # The store would not write the attempt, or the octets cannot be read: nothing was appended.
            return Filed(False, host, f"not appended: {type(error).__name__}: {error}")

    async def _has(self, domain: DomainRow, address: str, message_id: str) -> bool | None:
        if not searchable(message_id):
            return None
        found = await self._which(domain, address, [message_id])
        return None if found is None else message_id in found

    async def _which(
        self, domain: DomainRow, address: str, values: list[str], field: str = "Message-ID"
    ) -> frozenset[str] | None:
        access = self._access(domain)
        if access is None:
            return None
        if not values:
            return frozenset()

        def look(visit: Visit) -> frozenset[str]:
            visit.open()
            return visit.found(values, field)

        try:
            return await self._visit(domain.name, access, address, lambda run: run.do(look))
        except VisitFailed:
            return None

    async def _visit(
        self, name: str, access: ImapAccess, address: str, work: Callable[[_Run], Coroutine[Any, Any, T]]
    ) -> T:
        """One visit, when its turn has come. VisitFailed."""
        if self._stopping:
            raise VisitFailed(STOPPING)
        each = self._each.setdefault(name, DeferredSemaphore(self._settings.each))
        await self._turn_in(each)
        try:
            await self._turn_in(self._all)
            try:
                return await self._bounded(Login(name, access, address), each, work)
            finally:
                self._all.release()
        finally:
            each.release()
            if each.tokens == each.limit and not each.waiting:
                self._each.pop(name, None)

    async def _turn_in(self, places: DeferredSemaphore) -> None:
        turn: Deferred[Any] = places.acquire()
        late = self._reactor.callLater(self._settings.wait, turn.cancel)
        try:
            await turn
        except CancelledError:
            raise VisitFailed("IMAP: others that are visited take too long") from None
        finally:
            if late.active():
                late.cancel()

    async def _bounded(
        self, login: Login, each: DeferredSemaphore, work: Callable[[_Run], Coroutine[Any, Any, T]]
    ) -> T:
        if self._stopping:
            raise VisitFailed(STOPPING)
        name, access = login.domain, login.access
        user = access.login_of(login.address)
        self._heed_rest(access, user)
        visit = await self._visit_for(login, each)
        run = _Run(visit, self._in_thread)
        late = self._reactor.callLater(self._settings.visit, run.end, f"not over in {self._settings.visit:g} s")
        self._runs.add(run)
        well = False
        try:
            done = await work(run)
        except VisitFailed as failed:
            self._failed(name, access, user, failed)
            raise
        else:
            well = True
            self._told.pop(name, None)
            self._silences.pop(access, None)
            return done
        finally:
            if late.active():
                late.cancel()
            self._runs.discard(run)
            if well and not self._stopping:
                self._kept.keep(login, visit)
            else:
                self._close_in_thread(visit)

    async def _visit_for(self, login: Login, each: DeferredSemaphore) -> Visit:
        """One that is kept, or a fresh one. VisitFailed when all was stopped meanwhile."""
        visit = self._kept.take(login)
        # What is kept has no turn of its own: it must not stand in the way of a connection at work.
        for surplus in self._kept.beyond(login.domain, each.tokens):
            await self._in_thread(surplus.close)
        if self._stopping:
            if visit is not None:
                self._close_in_thread(visit)
            raise VisitFailed(STOPPING)
        settings = self._settings
        return visit or Visit(login.access, login.address, connect=settings.connect, answer=settings.answer)

    def _close_in_thread(self, visit: Visit) -> None:
        self._in_thread(visit.close).addErrback(lambda _: None)

    def _in_thread(self, work: Callable[[], T]) -> Deferred[T]:
        if not self._pool.started:
            self._pool.start()
        self._at_work += 1
        return deferToThreadPool(self._reactor, self._pool, work).addBoth(self._worked)

    def _worked(self, result: T) -> T:
        self._at_work -= 1
        if self._stopping and not self._at_work:
            self._reactor.callLater(0, self._stop_pool)
        return result

    def _heed_rest(self, access: ImapAccess, login: str) -> None:
        now = self._reactor.seconds()
        self._resting = {key: kept for key, kept in self._resting.items() if kept[0] > now}
        for key in ((access, ""), (access, login)):
            if key in self._resting:
                raise VisitFailed(self._resting[key][1])

    def _failed(self, name: str, access: ImapAccess, login: str, failed: VisitFailed) -> None:
        if self._stopping:
            return
        now = self._reactor.seconds()
        if failed.credentials:
            self._resting[access, login] = (now + self._settings.rest_login, failed.text)
            if self._told.get(name) != access:
                self._told[name] = access
                self._refused(name, failed.text)
        elif failed.silent:
            times = self._silences[access] = self._silences.get(access, 0) + 1
            rest = min(self._settings.rest * 2 ** min(times - 1, 10), self._settings.most_rest)
            self._resting[access, ""] = (now + rest, failed.text)

    async def _whole(self, body: Body) -> bytes:
        """The message in one piece; the reactor has its turns while it is read."""
        pieces: list[bytes] = []
        fresh = 0
        for piece in body.chunks():
            pieces.append(piece)
            fresh += len(piece)
            if fresh >= _TURN:
                fresh = 0
                turn: Deferred[None] = Deferred()
                self._reactor.callLater(0, turn.callback, None)
                await turn
        return b"".join(pieces)


class _Run:
    """One visit at work, a step at a time; nobody waits for a thread longer than for the visit."""

    def __init__(self, visit: Visit, in_thread: Callable[[Callable[[], Any]], Deferred[Any]]) -> None:
        self._visit = visit
        self._in_thread = in_thread
        self._waiting: Deferred[Any] | None = None
        self._doubtful = False

    async def do(self, step: Callable[[Visit], T], *, doubtful: bool = False) -> T:
        """``step`` in a thread. VisitFailed; ``doubtful`` when it is ended meanwhile."""
        answer: Deferred[T] = Deferred()
        self._waiting, self._doubtful = answer, doubtful
        working = self._in_thread(lambda: step(self._visit))
        working.addCallbacks(lambda done: self._answered(answer, done), lambda failure: self._answered(answer, failure))
        return await answer

    def end(self, why: str) -> None:
        """Cut the visit, and give up waiting for it."""
        self._visit.cut(why)
        if self._waiting is not None:
            self._answered(self._waiting, Failure(VisitFailed(why, silent=True, doubtful=self._doubtful)))  # type: ignore[no-untyped-call]

    def _answered(self, answer: Deferred[Any], result: Any) -> None:
        if self._waiting is answer:
            self._waiting = None
            answer.callback(result)


def _pending(coroutine: Coroutine[Any, Any, T]) -> Pending[T]:
    pending: Pending[T] = Pending()
    start(coroutine).addCallbacks(pending.settle, lambda failure: pending.fail(failure.value))
    return pending
