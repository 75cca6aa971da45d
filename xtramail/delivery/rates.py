"""How much users send to the world: counted with what is accepted, asked at RCPT, and who goes over it is blocked.

Nobody goes over a limit by sending through many connections at once: what is accepted is counted in its own commit,
which fails when there is no room left. So does a restart forget nothing. A surge of refusals (recipients whom hosts of
the world refuse for good) blocks as well: that is how lists of bought addresses look, whatever their number.

Owns what is asked and answered. Whose limit is which is ``directory/sending_limits``', the block ``directory/blocks``'.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from xtramail.delivery.route import Route
from xtramail.directory import blocks as blocking
from xtramail.directory.desk import Desk
from xtramail.directory.directory import Directory
from xtramail.directory.sending_limits import SendingLimit, limit_of
from xtramail.model.actor import SERVER
from xtramail.model.address import Address
from xtramail.model.clock import Clock
from xtramail.model.errors import Refused, XtramailError
from xtramail.model.outcome import Reply
from xtramail.store import accounts, blocks, keys, rates, sending_keys
from xtramail.store.blocks import BlockRow, Cause
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.rates import Sent
from xtramail.store.records import Account, QueueEntry

Part = tuple[bytes, Callable[[Txn], Any]]
Count = Callable[[int, float], Part]
"""The part of a commit that counts a message; octets and now (seconds) are known only then."""

TOO_MANY_AT_ONCE = Reply.of(450, "4.7.1", "Too many recipients at once, try again later")


class OverRate(Refused):
    """Another connection of the account took the room that was left."""


class SendingRates:
    """``told(row)`` hears of each block that the server makes."""

    def __init__(
        self,
        *,
        engine: Engine,
        directory: Directory,
        clock: Clock,
        told: Callable[[BlockRow], None],
        fault: Callable[[BaseException], None],
    ) -> None:
        """``fault``: a block could not be written; it is tried again with the next message."""
        self._engine = engine
        self._directory = directory
        self._clock = clock
        self._told = told
        self._fault = fault

    def refuse(self, account: Account, recipients: int) -> Reply | Coroutine[Any, Any, Reply] | None:
        """Why an account may not write to so many ``recipients`` outside, with the one that is asked about.

        A coroutine where it is blocked because of that.
        """
        if recipients == 0:
            return None
        now = self._clock.now()
        row, sent = self._read(account.id)
        if row is not None:
            return blocked_reply(row)
        limit = self._limit(account)
        if limit is None or limit.per_hour == 0 or rates.last_hour(sent, now).recipients + recipients <= limit.per_hour:
            return None
        if limit.over == "defer":
            at = rates.room_at(sent, now, limit=limit.per_hour, wanted=min(recipients, limit.per_hour))
            return deferred_reply(limit.per_hour, max(at, now + 60))
        return self._over(account, limit)

    def refuse_now(self, account: Account, routes: Sequence[Route]) -> Reply | None:
        """The same of a whole message; nobody is blocked by it."""
        if not outside(routes):
            return None
        row, _ = self._read(account.id)
        return None if row is None else blocked_reply(row)

    def user(self, account: Account, routes: Sequence[Route]) -> Count | None:
        """Counts a message of a user; the commit fails with OverRate when he is blocked, or over his limit, by now."""
        recipients = outside(routes)
        if not recipients:
            return None
        limit = self._limit(account)
        most = limit.per_hour if limit is not None else 0

        def count(txn: Txn, octets: int, now: float) -> None:
            sent = Sent(recipients=recipients, messages=1, octets=octets)
            row = rates.count(txn, sending_keys.user(account.id), sent, now)
            if blocks.get_block(txn, account.id) is not None:
                raise OverRate
            if most and rates.last_hour(row, now).recipients > most:
                raise OverRate

        return lambda octets, now: (keys.SENDING, partial(count, octets=octets, now=now))

    def host(self, domain: str, routes: Sequence[Route]) -> Count | None:
        """Counts a message of a host that sends for ``domain``; its limit is ``relay_rate``'s."""
        recipients = outside(routes)
        if not recipients:
            return None

        def count(txn: Txn, octets: int, now: float) -> None:
            sent = Sent(recipients=recipients, messages=1, octets=octets)
            rates.count(txn, sending_keys.domain(domain), sent, now)

        return lambda octets, now: (keys.SENDING, partial(count, octets=octets, now=now))

    def refused(self, entry: QueueEntry, recipients: int, now: float) -> list[Part]:
        """Counts recipients whom a host of the world refused for good, in the commit that says so."""
        if not recipients or not _submitted_outside(entry):
            return []
        who, more = sending_keys.user(entry.account_id), Sent(bounced=recipients)
        return [(keys.SENDING, lambda txn: rates.count(txn, who, more, now))]

    def stops(self, entry: QueueEntry) -> bool:
        """Whether an entry waits because who submitted it is blocked: a thief's mail does not go on from the queue."""
        if not _submitted_outside(entry):
            return False
        row = self._engine.read(keys.SENDING, lambda snap: blocks.get_block(snap, entry.account_id))
        return row is not None

    async def look(self, entry: QueueEntry) -> None:
        """After such a commit: block who had a surge of refusals. Never fails."""
        # Under whatever address he sent: it is he who is blocked.
        account = self._engine.read(keys.user_scope(entry.account_id), accounts.get_account)
        limit = None if account is None else self._limit(account)
        if account is None or limit is None or not limit.refused:
            return
        row, sent = self._read(account.id)
        bounced = rates.last_hour(sent, self._clock.now()).bounced
        if row is None and bounced >= limit.refused:
            await self._block(account, "bounces", f"{bounced} recipients were refused within an hour")

    async def _over(self, account: Account, limit: SendingLimit) -> Reply:
        row = await self._block(account, "rate", f"more than {limit.per_hour} recipients outside within an hour")
        return TOO_MANY_AT_ONCE if row is None else blocked_reply(row)

    async def _block(self, account: Account, cause: Cause, reason: str) -> BlockRow | None:
        """The block as it stands; None when it could not be written."""
        try:
            made = await blocking.put(Desk(self._engine, SERVER, self._clock), account, cause, reason)
        except XtramailError as error:
            self._fault(error)
            return None
        if made is not None:
            self._told(made)
            return made
        return self._read(account.id)[0]

    def _limit(self, account: Account) -> SendingLimit | None:
        domain = self._directory.domain(Address.parse(account.address).domain_key)
        return None if domain is None else limit_of(domain, account)

    def _read(self, account_id: int) -> tuple[BlockRow | None, rates.SendingRow]:
        def read(snap: Snapshot) -> tuple[BlockRow | None, rates.SendingRow]:
            return blocks.get_block(snap, account_id), rates.sending(snap, sending_keys.user(account_id))

        return self._engine.read(keys.SENDING, read)


def outside(routes: Sequence[Route]) -> int:
    """How many of ``routes`` the sender named in the world; whom others forward to is not his doing."""
    return sum(route.domain is None and not route.forwarder for route in routes)


def _submitted_outside(entry: QueueEntry) -> bool:
    return entry.kind == "outside" and entry.origin == "submission" and entry.account_id != 0


def blocked_reply(row: BlockRow) -> Reply:
    """One line that a mail program shows its user: why, and what to do."""
    since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(row.at))
    return Reply.of(
        550,
        "5.7.1",
        f"You are blocked from sending outside since {since} UTC: {_plain(row.reason)}. If that was not you, "
        f"change your password. Ask your administrator: xtramail blocked release {_plain(row.address)[:120]}",
    )


def deferred_reply(per_hour: int, at: float) -> Reply:
    when = time.strftime("%H:%M", time.gmtime(at + 59))
    return Reply.of(450, "4.7.1", f"You may send to {per_hour} recipients outside in an hour, try again at {when} UTC")


def _plain(text: str) -> str:
    """As a reply may have it (RFC 6531 §3.5)."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
