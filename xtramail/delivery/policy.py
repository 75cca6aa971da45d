"""Policy: whether a sender or a recipient is taken, and what will become of mail for it.

Owns the verdicts at MAIL and RCPT, and their replies. Does not own who is served (``directory``) nor what is written
when a message is accepted (``acceptance``). A verdict is a Route (accept) or a Reply (defer with 4yz, reject with 5yz).
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from xtramail.delivery.forwarding import Forwarding
from xtramail.delivery.route import Route as Route
from xtramail.directory.directory import Directory, Resolution, Standing
from xtramail.directory.domain_room import DomainRoom
from xtramail.directory.mirrors import Beside
from xtramail.directory.rewriting import Rewriting
from xtramail.model.address import Address
from xtramail.model.clock import Clock
from xtramail.model.envelope import ForwardPath
from xtramail.model.errors import BadInput, PrimaryDown, Unavailable
from xtramail.model.outcome import Reply
from xtramail.store import domains, keys, mailboxes
from xtramail.store.engine import Engine
from xtramail.store.records import Account

RELAY_DENIED = Reply.of(550, "5.7.1", "Relaying denied")
NOT_PROVED = Reply.of(450, "4.7.1", "This domain is not set up here yet, try again later")
"""Its MX may point here before DNS shows whose it is: a 550 would lose mail that a day later is welcome. Our own users'
mail to it goes out into the world meanwhile: who adds another's domain gets none of it."""
NO_SUCH_USER = Reply.of(550, "5.1.1", "No such user here")
BAD_ADDRESS = Reply.of(501, "5.1.3", "Bad recipient address")
CANNOT_ASK = Reply.of(450, "4.4.1", "Recipient cannot be verified now, try again later")
REPORTS_ONLY = Reply.of(550, "5.7.1", "This address takes reports of forwarded mail, with the null sender")
NOT_FORWARDED = Reply.of(550, "5.1.1", "No mail was forwarded under this address lately")
TOO_MANY_QUESTIONS = Reply.of(450, "4.5.3", "Too many recipients to verify in one message, send the rest again")
TOO_MANY_BEHIND = Reply.of(452, "4.5.3", "Too many are behind the recipients of one message, send the rest again")
OVER_QUOTA = Reply.of(452, "4.2.2", "Mailbox is full")
STORE_FULL = Reply.of(452, "4.3.1", "Not enough space, try again later")
STORE_FAULT = Reply.of(451, "4.3.0", "Could not be stored, try again later")
SERVER_FAULT = Reply.of(451, "4.3.0", "Server fault, try again later")
TOO_LARGE = Reply.of(552, "5.3.4", "Message is too large")
_PLENTY = 1 << 30
_PLENTY_SECONDS = 0.05
"""Where so many octets more than the reserve are free, that is believed for so long: asking the disk is 2 % of a
message, and no network brings as much meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """Sizes in octets, times in seconds."""

    hostname: str
    message_size: int = 50 << 20
    reserve_percent: int = 5
    questions: int = 10
    """Most recipients of one message that are put to a primary."""
    question_seconds: float = 30.0
    """All questions of one message together."""
    copy_quotas: int = 2
    """A copy of mail that goes to a primary anyway is kept up to so many times the quota, and without limit while that
    primary is not up."""


@dataclass(slots=True)
class Questions:
    """How many recipients of one message were put to a primary, and how long that took (seconds)."""

    asked: int = 0
    spent: float = 0.0


class Policy:
    """The rules of one server; stateless between messages."""

    def __init__(
        self,
        *,
        engine: Engine,
        directory: Directory,
        rewriting: Rewriting,
        clock: Clock,
        settings: PolicySettings,
    ) -> None:
        self._domain_room = DomainRoom(engine, clock)
        self.beside = Beside(engine)
        self.forwarding = Forwarding(directory=directory, rewriting=rewriting)
        self._engine = engine
        self._directory = directory
        self._clock = clock
        self._plenty_until = 0.0
        self.settings = settings

    def space(self) -> Reply | None:
        """452 below the reserve of free space: refused at MAIL, long before the store is full."""
        now = self._clock.monotonic()
        if now < self._plenty_until:
            return None
        free, reserve = self.free_and_reserve()
        if free > reserve + _PLENTY:
            self._plenty_until = now + _PLENTY_SECONDS
        return STORE_FULL if free < reserve else None

    def free_and_reserve(self) -> tuple[int, int]:
        """Free octets, and how many must stay free for mail to be taken."""
        free = self._engine.free_bytes()
        total = free + self._engine.used_bytes()
        return free, max(total * self.settings.reserve_percent // 100, 2 * self.settings.message_size)

    def recipient(
        self, path: ForwardPath, *, size: int, questions: Questions, outside: bool, null_sender: bool = False
    ) -> Route | Reply | Coroutine[Any, Any, Route | Reply]:
        """The verdict on one RCPT; a coroutine of it when a primary has to be asked.

        ``size`` as declared by MAIL (0: not declared). ``outside``: the sender may write to the whole world.
        ``null_sender``: it is a report.
        """
        local = path.address.local
        # user%host@us, host!user@us and "user@host"@us asked the relays of old to pass mail on. A primary might still
        # do it, so they are refused for relayed domains too.
        if any(mark in local for mark in "%!@"):
            return RELAY_DENIED
        if not path.address.domain:
            return self._postmaster(path, size)
        try:
            key = path.address.domain_key
        except BadInput:
            return BAD_ADDRESS
        resolution = self._directory.resolve(path.address)
        if resolution.standing is Standing.ELSEWHERE:
            if not outside and self._directory.awaited(key):
                return NOT_PROVED
            if not outside or key.startswith("["):
                return RELAY_DENIED
            return Route(path=path, domain=None, accounts=(), relay=True, destination=key)
        if self.forwarding.may_be_report(path.address, resolution):
            found = self.forwarding.reported(path.address, resolution)
            if found is None and not resolution.relay:
                return NOT_FORWARDED
            if found is not None and not null_sender:
                return REPORTS_ONLY
            resolution = found or resolution
        unknown = self.forwarding.unasked(path.address, resolution)
        return self._ask(path, resolution, unknown, size, questions) if unknown else self._route(path, resolution, size)

    def copy_fits(self, account: Account, used: int, size: int) -> bool:
        """Whether the copy of a message that goes to a primary is kept too; ``used`` and ``size`` in octets."""
        return account.quota == 0 or used + size <= self.settings.copy_quotas * account.quota

    def domain_fits(self, account: Account, size: int) -> bool:
        """The same by the quota of its whole domain; asked outside of transactions."""
        return self._domain_room.fits(account, size, times=self.settings.copy_quotas)

    def room(self, route: Route, size: int) -> bool:
        """Whether each mailbox of ``route`` has room for a copy that goes nowhere else; ``size`` in octets.

        In a domain with a primary, as for copies of mail that is on its way there.
        """
        with_primary = route.domain is not None and bool(route.domain.primaries)
        for account in route.accounts:
            if not with_primary and self._over_quota(account, size):
                return False
            used = self._engine.read(keys.user_scope(account.id), mailboxes.used_bytes)
            fits = self.copy_fits(account, used, size) and self.domain_fits(account, size)
            if with_primary and route.up and not fits:
                return False
        return True

    async def _ask(
        self, path: ForwardPath, resolution: Resolution, unknown: tuple[Address, ...], size: int, questions: Questions
    ) -> Route | Reply:
        """Put ``unknown`` to their primaries: the recipient himself, or those to whom its mail is forwarded."""
        for address in unknown:
            if questions.asked >= self.settings.questions or questions.spent >= self.settings.question_seconds:
                return TOO_MANY_QUESTIONS
            known = await self._answer(address, questions)
            if isinstance(known, Reply):
                return known
            if not known and address == path.address:
                return NO_SUCH_USER
        # Asking may have made a mailbox for it.
        again = self._directory.resolve(path.address) if path.address in unknown else resolution
        return self._route(path, again, size)

    async def _answer(self, address: Address, questions: Questions) -> bool | Reply:
        questions.asked += 1
        began = self._clock.monotonic()
        try:
            return await self._directory.ask(address)
        except PrimaryDown:
            return CANNOT_ASK
        except Unavailable:
            return STORE_FAULT
        finally:
            questions.spent += self._clock.monotonic() - began

    def _route(self, path: ForwardPath, resolution: Resolution, size: int) -> Route | Reply:
        domain, accounts = resolution.domain, resolution.accounts
        if domain is None or resolution.standing is Standing.UNKNOWN:
            return NO_SUCH_USER
        forwards = self.forwarding.forwards(path, resolution)
        if not resolution.relay:
            # Without a primary the mailbox is the only place where the message could be.
            if not accounts and not forwards:
                return NO_SUCH_USER
            if any(self._over_quota(account, size) for account in accounts):
                return OVER_QUOTA
        return Route(
            path=path,
            domain=domain,
            accounts=accounts,
            relay=resolution.relay,
            destination=resolution.destination,
            up=resolution.up,
            keeping=resolution.keeping,
            keepings=resolution.keepings,
            forwards=forwards,
        )

    def _postmaster(self, path: ForwardPath, size: int) -> Route | Reply:
        """``RCPT TO:<postmaster>`` (RFC 5321 §4.5.1): of the domain our host name lies in, else of the first served.

        Like postmaster@ that domain: to its primary, or to the mailbox of its contact or first user where it has none.
        Refused only while no domain here has anybody.
        """
        if path.address.local_key != "postmaster":
            return BAD_ADDRESS
        name = self.settings.hostname
        while name and self._directory.domain(name) is None:
            name = name.partition(".")[2]
        if not name:
            name = next((one.name for one in domains.domain_rows(self._engine) if not one.unverified), "")
        if not name:
            return NO_SUCH_USER
        whole = ForwardPath(address=Address(local="postmaster", domain=name), notify=path.notify, orcpt=path.orcpt)
        return self._route(whole, self._directory.resolve(whole.address), size)

    def _over_quota(self, account: Account, size: int) -> bool:
        if not self._domain_room.fits(account, size):
            return True
        if account.quota == 0:
            return False
        used = self._engine.read(keys.user_scope(account.id), mailboxes.used_bytes)
        return used >= account.quota or used + size > account.quota
