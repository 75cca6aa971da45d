"""Drills: chosen users work as in an outage for some minutes, while their primary goes on receiving everything.

Users can work here at any time; a drill makes them do so, and proves for each that it would work: a canary comes in
from outside and goes out as if he had sent it, and whether he could log in, and did, is told by name. The flow of real
mail is never touched. At its end the canaries are taken out of the queue, of his mailboxes here, and of those at the
primary where we may; what stays is the report.

Each visit looks how far one pilot is and writes what changed, so it goes on after a restart where it was. Owns no
timer: ``net/driller`` comes again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from xtramail.delivery import drill_steps as steps
from xtramail.delivery.canary import FIELD, Canaries, Canary, Sent
from xtramail.delivery.cards import Words
from xtramail.delivery.drill_steps import failed
from xtramail.delivery.outside_route import outside_route
from xtramail.delivery.own_mail import OwnMail
from xtramail.directory.directory import Directory
from xtramail.directory.domain_settings import text
from xtramail.directory.imap_access import access_of
from xtramail.model.address import key_of
from xtramail.model.bucket import CLASS_HELD
from xtramail.model.clock import Clock
from xtramail.model.ids import id_text
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.store import accounts, alerts, drills, keys
from xtramail.store.drills import DrillRow, Pilot
from xtramail.store.engine import Engine, Txn
from xtramail.store.records import Account, DomainRow
from xtramail.wire.mime.compose import Note, note
from xtramail.wire.mime.dates import format_date

KIND = "drill"
"""Of the alert that tells the result, and the mark of canaries."""
LOOK = 10.0
"""Seconds between two looks into one mailbox at the primary."""
TIDY_SECONDS = 120.0
"""So long after its end it is tried to take away what it left."""


@dataclass(frozen=True, slots=True)
class Due:
    """``account`` 0: the drill itself."""

    drill: int
    account: int = 0


class Drills:
    """``words(domain, account, ends)``: what a pilot is told at his outside address."""

    def __init__(
        self,
        *,
        engine: Engine,
        directory: Directory,
        canaries: Canaries,
        own_mail: OwnMail,
        clock: Clock,
        words: Callable[[DomainRow, Account, float], Words],
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._canaries = canaries
        self._own_mail = own_mail
        self._clock = clock
        self._words = words
        self._logins: dict[int, str] = {}
        """Account, and by which service he came."""
        self._looked: dict[tuple[int, int], float] = {}
        """When (monotonic) the mailbox of a pilot was last looked into."""

    def seen(self, account: Account, service: str) -> None:
        """Somebody logged in; one read, and nothing is written here."""
        if account.kind == "relay":
            # A host, with no mailbox and no number of its own.
            return
        now = self._clock.now()
        if self._engine.read(keys.DRILLS, partial(drills.in_drill, account_id=account.id, now=now)):
            self._logins[account.id] = service

    def due(self) -> list[Due]:
        """What is to be visited now."""
        found = []
        for row in self._engine.read(keys.DRILLS, drills.running):
            pilots = self._engine.read(keys.DRILLS, partial(drills.pilots, drill_id=row.id))
            waiting = [Due(row.id, one.account_id) for one in pilots if _waits(row, one)]
            if row.state == "running":
                found += [Due(row.id)] if self._over(row) else waiting
            else:
                found += waiting or [Due(row.id)]
        return found

    async def visit(self, due: Due) -> None:
        """Go on with it. Errors of the store pass through; the next visit goes on."""
        row = self._engine.read(keys.DRILLS, partial(drills.drill, drill_id=due.drill))
        if row is None or row.state == "over":
            return
        if due.account:
            await self._pilot(row, due.account)
        elif row.state == "running" and self._over(row):
            await self._engine.transact(keys.DRILLS, partial(drills.end, drill_id=row.id, now=self._clock.now()))
        elif row.state == "ending":
            await self._finish(row)

    def _over(self, row: DrillRow) -> bool:
        return self._clock.now() >= row.ends

    async def _finish(self, row: DrillRow) -> None:
        pilots = self._engine.read(keys.DRILLS, partial(drills.pilots, drill_id=row.id))
        passed = sum(one.passed is True for one in pilots)
        names = ", ".join(one.address for one in pilots if not one.passed)
        said = f"The drill of {row.domain} is over: {passed} of {len(pilots)} users passed"
        said += f"; not {names}" if names else ""
        said = f"{said}. See: xtramail drill report {row.id}"
        fields = {"drill": str(row.id), "users": str(len(pilots)), "passed": str(passed)}
        self._looked = {key: at for key, at in self._looked.items() if key[0] != row.id}

        def tell(txn: Txn) -> None:
            alerts.raise_alert(txn, kind=KIND, domain=row.domain, text=said, fields=fields, now=self._clock.now())

        await self._engine.transact_all([(keys.DRILLS, partial(drills.finish, drill_id=row.id)), (keys.ALERTS, tell)])

    # One pilot.

    async def _pilot(self, row: DrillRow, account_id: int) -> None:
        pilot = self._engine.read(keys.DRILLS, partial(drills.pilot, drill_id=row.id, account_id=account_id))
        if pilot is None:
            return
        account = self._engine.read(keys.user_scope(account_id), accounts.get_account)
        domain = self._directory.domain(row.domain)
        if account is None or domain is None:
            await self._write(row, pilot, steps.gone(pilot, self._clock.now()))
            return
        if row.state == "running" and not self._over(row):
            pilot = await self._told(row, pilot, account, domain)
            pilot = await self._write(row, pilot, self._login(self._credential(pilot, account)))
            pilot = await self._comes_in(row, pilot)
            pilot = await self._goes_out(row, pilot, account)
        ends = row.state == "ending"
        pilot = await self._write(row, pilot, await self._arrived(row, pilot, domain, ends=ends))
        pilot = await self._write(row, pilot, self._sent(row, pilot, domain))
        if ends:
            pilot = await self._write(row, pilot, steps.closed(self._login(pilot), row.domain, self._clock.now()))
            await self._write(row, pilot, await self._tidied(row, pilot, domain))

    async def _write(self, row: DrillRow, before: Pilot, after: Pilot) -> Pilot:
        if after != before:
            await self._engine.transact(keys.DRILLS, partial(drills.put_pilot, drill_id=row.id, row=after))
        return after

    def _credential(self, pilot: Pilot, account: Account) -> Pilot:
        now = self._clock.now()
        if account.status != "active":
            return pilot.came(steps.CREDENTIAL, "waits", "his account is disabled", at=now)
        if not self._engine.read(
            keys.user_scope(account.id), partial(accounts.can_log_in, account=account, now=now)
        ):
            return pilot.came(steps.CREDENTIAL, "waits", _wanting(account), at=now)
        if pilot.step(steps.CREDENTIAL).state == "good":
            return pilot
        return pilot.came(steps.CREDENTIAL, "good", "he has a password", at=now)

    def _login(self, pilot: Pilot) -> Pilot:
        service = self._logins.pop(pilot.account_id, "")
        if not service or pilot.step(steps.LOGIN).state == "good":
            return pilot
        return pilot.came(steps.LOGIN, "good", f"by {service}", at=self._clock.now())

    async def _told(self, row: DrillRow, pilot: Pilot, account: Account, domain: DomainRow) -> Pilot:
        now = self._clock.now()
        if pilot.step(steps.TOLD).state != "waits":
            return pilot
        if not pilot.outside:
            skipped = pilot.came(steps.TOLD, "skipped", "he has no address elsewhere", at=now)
            return await self._write(row, pilot, skipped)
        route = outside_route(self._directory, pilot.outside)
        if isinstance(route, str):
            return await self._write(row, pilot, failed(pilot, steps.TOLD, route, domain=row.domain, at=now))
        words, hostname = self._words(domain, account, row.ends), self._own_mail.hostname
        letter = Note(
            sender_address=f"postmaster@{hostname}",
            to=pilot.outside,
            subject=f"[DRILL] {words.subject}",
            text=words.text,
            date=format_date(now),
            message_id=_message_id(row, pilot, steps.TOLD, hostname),
        )
        written = await self._own_mail.write(note(letter), [route], retention_class=CLASS_HELD, now=now)
        told = pilot.came(steps.TOLD, "good", f"queued as {id_text(written.message_id)}", at=now)
        put = partial(drills.put_pilot, drill_id=row.id, row=told)
        # One commit: killed in between, nobody is told twice or not at all.
        await self._engine.transact_all([*written.parts, (keys.DRILLS, put)])
        return told

    async def _comes_in(self, row: DrillRow, pilot: Pilot) -> Pilot:
        if pilot.messages.get(steps.IN) or pilot.step(steps.IN).state != "waits":
            return pilot
        sent = await self._canaries.come_in(self._canary(row, pilot, steps.IN, pilot.address))
        return await self._write(row, pilot, self._noted(row, pilot, steps.IN, sent))

    async def _goes_out(self, row: DrillRow, pilot: Pilot, account: Account) -> Pilot:
        if pilot.messages.get(steps.OUT) or pilot.step(steps.OUT).state != "waits":
            return pilot
        sent = await self._canaries.go_out(self._canary(row, pilot, steps.OUT, _target(row, pilot)), account)
        return await self._write(row, pilot, self._noted(row, pilot, steps.OUT, sent))

    def _noted(self, row: DrillRow, pilot: Pilot, name: str, sent: Sent) -> Pilot:
        now = self._clock.now()
        if sent.reply is None:
            return replace(pilot, messages={**pilot.messages, name: sent.number})
        if sent.reply.transient and self._directory.account(key_of(pilot.address)) is not None:
            return pilot.came(name, "waits", f"not taken yet: {sent.reply.text}", at=now)
        return failed(pilot, name, f"not taken: {sent.reply.text}", domain=row.domain, at=now)

    async def _arrived(self, row: DrillRow, pilot: Pilot, domain: DomainRow, *, ends: bool) -> Pilot:
        """How far the canary from outside is."""
        number, now = pilot.messages.get(steps.IN, 0), self._clock.now()
        if not number:
            return pilot
        message_id = _message_id(row, pilot, steps.IN, self._own_mail.hostname)
        pilot = self._here(pilot, steps.IN, message_id)
        pilot = self._delivered(row, pilot, steps.IN_PRIMARY, number, pilot.address)
        if pilot.step(steps.IN_PRIMARY).state != "good" or pilot.step(steps.IN_FOUND).state != "waits":
            return pilot
        if access_of(domain) is None:
            return pilot.came(steps.IN_FOUND, "skipped", "we have no IMAP credentials of the primary", at=now)
        if not ends and not self._may_look(row, pilot):
            return pilot
        found = await self._canaries.mailboxes.has(domain, pilot.address, message_id)
        if found:
            return pilot.came(steps.IN_FOUND, "good", "found by IMAP", at=self._clock.now())
        if ends and found is None:
            return pilot.came(steps.IN_FOUND, "skipped", "its IMAP could not be asked", at=self._clock.now())
        return pilot.came(steps.IN_FOUND, "waits", "it was taken, and is not there", at=now)

    def _may_look(self, row: DrillRow, pilot: Pilot) -> bool:
        now, key = self._clock.monotonic(), (row.id, pilot.account_id)
        if now - self._looked.get(key, now - LOOK) < LOOK:
            return False
        self._looked[key] = now
        return True

    def _sent(self, row: DrillRow, pilot: Pilot, domain: DomainRow) -> Pilot:
        """How far the canary is that he sent."""
        number, now = pilot.messages.get(steps.OUT, 0), self._clock.now()
        if not number:
            return pilot
        message_id = _message_id(row, pilot, steps.OUT, self._own_mail.hostname)
        if pilot.step(steps.OUT).state == "waits":
            if not domain.continuity:
                pilot = pilot.came(steps.OUT, "good", "taken; the domain keeps no copies", at=now)
            elif "\\Sent" in self._canaries.filed(pilot.account_id, message_id):
                pilot = pilot.came(steps.OUT, "good", "taken, and filed in Sent", at=now)
            else:
                pilot = pilot.came(steps.OUT, "waits", "taken, and not in Sent", at=now)
        pilot = self._delivered(row, pilot, steps.OUT_ARRIVED, number, _target(row, pilot))
        if pilot.step(steps.SENT_BACK).state != "waits":
            return pilot
        copy = pilot.messages.get(steps.SENT_BACK, 0) or self._canaries.number_of(message_id, copy=True)
        if not copy:
            when = text(domain, "sent-back")
            return pilot.came(steps.SENT_BACK, "skipped", f"sent-back is {when}: no copy is given back", at=now)
        pilot = replace(pilot, messages={**pilot.messages, steps.SENT_BACK: copy})
        return self._delivered(row, pilot, steps.SENT_BACK, copy, pilot.address)

    def _here(self, pilot: Pilot, name: str, message_id: str) -> Pilot:
        if pilot.step(name).state != "waits":
            return pilot
        if self._canaries.filed(pilot.account_id, message_id):
            return pilot.came(name, "good", "it is there", at=self._clock.now())
        return pilot.came(name, "waits", "taken, and not in a mailbox of his", at=self._clock.now())

    def _delivered(self, row: DrillRow, pilot: Pilot, name: str, number: int, to: str) -> Pilot:
        """One step by what the ledger says of a message."""
        ledger = self._canaries.fate(number, to)
        if pilot.step(name).state != "waits" or ledger is None:
            return pilot
        if ledger.fate == Fate.DELIVERED:
            return pilot.came(name, "good", ledger.reply, at=ledger.at)
        if ledger.fate in OPEN_FATES:
            return pilot.came(name, "waits", f"{ledger.fate}: {ledger.reply or 'no answer yet'}", at=ledger.at)
        return failed(pilot, name, f"{ledger.fate}: {ledger.reply}", domain=row.domain, at=ledger.at)

    async def _tidied(self, row: DrillRow, pilot: Pilot, domain: DomainRow) -> Pilot:
        """Queue first: what its users deleted is not handed over, and would look like that."""
        late = self._clock.now() > row.ended + TIDY_SECONDS
        withdrawn = await self._canaries.withdraw(list(pilot.messages.values()), "the drill is over")
        if not withdrawn and not late:
            return pilot
        hostname = self._own_mail.hostname
        message_ids = [_message_id(row, pilot, name, hostname) for name in (steps.IN, steps.OUT)]
        there = await self._away(pilot, domain, message_ids)
        if there is None and not late and access_of(domain) is not None:
            return pilot
        here = await self._canaries.erase(pilot.account_id, message_ids)
        now, gone = self._clock.now(), f"{here} messages removed here"
        if not withdrawn:
            text = f"{gone}; one is still being handed over"
            return failed(pilot, steps.TIDY, text, domain=row.domain, at=now)
        if there is not None:
            return pilot.came(steps.TIDY, "good", f"{gone}, {there} at the primary", at=now)
        if access_of(domain) is not None:
            text = f"{gone}; the primary's IMAP could not be asked"
            return failed(pilot, steps.TIDY, text, domain=row.domain, at=now)
        text = f"{gone}; at the primary those with the field {FIELD} can be deleted"
        return pilot.came(steps.TIDY, "good", text, at=now)

    async def _away(self, pilot: Pilot, domain: DomainRow, message_ids: list[str]) -> int | None:
        if access_of(domain) is None:
            return None
        return await self._canaries.mailboxes.remove(domain, pilot.address, message_ids)

    def _canary(self, row: DrillRow, pilot: Pilot, name: str, to: str) -> Canary:
        hostname = self._own_mail.hostname
        way = "comes in" if name == steps.IN else "goes out"
        return Canary(
            message_id=_message_id(row, pilot, name, hostname),
            kind=f"canary that {way}",
            of=f"DRILL {row.id}",
            sender=f"postmaster@{hostname}" if name == steps.IN else pilot.address,
            to=to,
            text=(
                f"This message proves that mail {way} while the mail server of {row.domain} is away. It is part of a "
                f"drill for {pilot.address}, and can be deleted."
            ),
        )


def _wanting(account: Account) -> str:
    """What one who cannot log in lacks."""
    return "with two-step sign-in on, he has no device password" if account.two_step else "he has no password here"


def _waits(row: DrillRow, pilot: Pilot) -> bool:
    """Whether there is something to do for a pilot, as the drill is."""
    if row.state == "ending":
        return pilot.step(steps.TIDY).state == "waits"
    return any(one.state == "waits" and one.name != steps.TIDY for one in pilot.steps)


def _target(row: DrillRow, pilot: Pilot) -> str:
    return row.canary or pilot.address


def _message_id(row: DrillRow, pilot: Pilot, name: str, hostname: str) -> str:
    """The same each time: by it a canary is known that was sent before a crash."""
    return f"<drill.{row.id}.{pilot.account_id}.{name}@{hostname}>"

