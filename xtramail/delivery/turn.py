"""What is settled for an entry when its turn comes, before its host is asked.

* What its user deleted meanwhile is *suppressed*, and nobody is told.
* Where the answer to a final dot never came, the mailbox at the primary is looked into, if that can be done. There: it
  was *delivered*. Not there: it goes again. Not to be known: it goes again once, as a possible duplicate, and after
  that a person decides.
* Both at once: what the primary may have and the user deleted stays *unconfirmed*, and a person decides.

Owns these rules. Reads only; writing is ``review``'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from xtramail.delivery.attempt import Part
from xtramail.delivery.outgoing_envelope import open_recipients, to_primary
from xtramail.delivery.primary_mail import PrimaryMail
from xtramail.delivery.sent_back import by_imap
from xtramail.delivery.suppression import Deletion, Suppression
from xtramail.directory.directory import Directory
from xtramail.model.address import key_of
from xtramail.model.outcome import Fate
from xtramail.store.records import QueueEntry, QueueRecipient

WAITED = 1.0
"""Seconds after which somebody may have deleted what came; a first attempt at once asks nobody."""
MOST_LOST = 2
"""So many answers to the dot are lost for one recipient before a person decides."""
FOUND = "found in the mailbox at the primary; the answer to the dot had been lost"
NOT_FOUND = "not in the mailbox at the primary: sent again"
STOPPED = "the server stopped before the answer to the dot came"


@dataclass(frozen=True, slots=True)
class Look:
    """``decided``: recipients that are not what they were, by address. ``parked``: why a person has to decide."""

    decided: dict[str, QueueRecipient] = field(default_factory=dict)
    parked: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    """Of the commit that writes it; CopyReturned when it came out otherwise."""

    def __bool__(self) -> bool:
        return bool(self.decided or self.parked)


class Turn:
    def __init__(self, *, directory: Directory, suppression: Suppression, primary_mail: PrimaryMail) -> None:
        self._directory = directory
        self._suppression = suppression
        self._primary_mail = primary_mail

    async def look(self, entry: QueueEntry, now: float) -> Look:
        """Before an attempt. Costs nothing at a first one, and asks the primary only after a lost answer."""
        doubtful = [one for one in open_recipients(entry) if _doubtful(one)]
        if not to_primary(entry) or not (doubtful or entry.attempts or entry.arrival + WAITED <= now):
            return Look()
        deleted = self._suppression.deletions(entry, open_recipients(entry))
        # An append looks first by itself, in the one mailbox that it is for, as often as it takes.
        appended = entry.kind == "sent" and by_imap(self._directory.domain(entry.destination))
        there = {} if appended else await self._looked_for(entry, doubtful)
        decided: dict[str, QueueRecipient] = {}
        parked: dict[str, str] = {}
        for old in open_recipients(entry):
            deletion = deleted.get(old.address)
            if appended and _doubtful(old) and deletion is None:
                continue
            if _doubtful(old):
                new, reason = _resolved(old, there.get(old.address), deletion, now)
                if reason:
                    parked[old.address] = reason
            else:
                new = old if deletion is None else _suppressed(old, str(deletion), now)
            if new != old:
                decided[old.address] = new
        gone = {name: deleted[name] for name, one in decided.items() if one.fate == Fate.SUPPRESSED}
        return Look(decided=decided, parked=parked, parts=self._suppression.still(entry, gone))

    async def at_end(self, entry: QueueEntry, now: float) -> Look:
        """Before it is given up: of what a user had and deleted nobody is told that it failed."""
        if not to_primary(entry):
            return Look()
        deleted = self._suppression.deletions(entry, open_recipients(entry))
        decided = {
            one.address: _suppressed(
                one, f"{deleted[one.address]}{'; the primary may have it' if _doubtful(one) else ''}", now
            )
            for one in open_recipients(entry)
            if one.address in deleted
        }
        return Look(decided=decided, parts=self._suppression.still(entry, deleted))

    async def withdrawn(self, entry: QueueEntry, now: float, *, reason: str) -> Look:
        """Of mail of our own that nobody is to have any more."""
        decided = {
            one.address: _suppressed(one, f"{reason}{'; the primary may have it' if _doubtful(one) else ''}", now)
            for one in open_recipients(entry)
        }
        return Look(decided=decided)

    async def _looked_for(self, entry: QueueEntry, doubtful: Iterable[QueueRecipient]) -> dict[str, bool | None]:
        """Whether each has it; without a Message-ID nobody can say."""
        domain = self._directory.domain(entry.destination)
        found: dict[str, bool | None] = {}
        if domain is None or not entry.header_message_id:
            return found
        for recipient in doubtful:
            if entry.reverse_path and key_of(recipient.address) == key_of(entry.reverse_path):
                # What people write to themselves may lie there as what they sent.
                continue
            has = await self._primary_mail.has(domain, recipient.address, entry.header_message_id)
            found[recipient.address] = has
            if has is None:
                # Who gives no answer for one gives none for the next, and each takes its time.
                break
        return found


def _resolved(
    old: QueueRecipient, there: bool | None, deletion: Deletion | None, now: float
) -> tuple[QueueRecipient, str]:
    """A doubtful recipient after the look, and why a person has to decide."""
    if there:
        return replace(old, fate=Fate.DELIVERED.value, reply=FOUND, code=0, changed=now), ""
    if there is False:
        if deletion is not None:
            return _suppressed(old, str(deletion), now), ""
        return replace(old, fate=Fate.UNCONFIRMED.value, reply=NOT_FOUND, changed=now, lost=0), ""
    new = old
    if old.fate == Fate.ATTEMPTED:
        new = replace(old, fate=Fate.UNCONFIRMED.value, reply=STOPPED, changed=now, lost=old.lost + 1)
    if deletion is not None:
        return new, f"it may have been delivered, and was {deletion}"
    if new.lost >= MOST_LOST:
        return new, f"the answer to its dot was lost {new.lost} times: it may have been delivered"
    return new, ""


def _doubtful(recipient: QueueRecipient) -> bool:
    return recipient.fate in (Fate.UNCONFIRMED, Fate.ATTEMPTED)


def _suppressed(recipient: QueueRecipient, why: str, now: float) -> QueueRecipient:
    return replace(recipient, fate=Fate.SUPPRESSED.value, reply=why, code=0, changed=now)
