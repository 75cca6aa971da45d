"""How much of a message's story somebody may see: of mail that several tenants had a part in, each sees his own.

An operator sees all. An admin sees what came for addresses of his domains, whom his own aliases sent it on to, and all
of what his users or hosts sent, but for how it went inside of domains that are another's here. That a message was
somebody's says its log alone: who a stranger's MAIL named proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from xtramail.delivery.story import STATE, Story, Waiting
from xtramail.directory.desk import Desk
from xtramail.directory.resolution import MOST_ADDRESSES, resolver
from xtramail.model.actor import Role
from xtramail.model.address import Address, key_of
from xtramail.model.errors import BadInput
from xtramail.model.ids import id_seconds
from xtramail.store.records import LedgerRow, LogEvent

_LISTS = ("stored", "had", "skipped")
"""Fields of an accepted message that name mailboxes."""
_OF_THE_SENDER = ("peer", "helo", "tls", "with", "account", "relay-client", "copies", "dkim")
"""Fields that tell where and how a user or a host of this server sent it."""


class Onlooker:
    """One actor, who looks at any number of stories."""

    def __init__(self, desk: Desk) -> None:
        self._all = desk.actor.role is Role.OPERATOR
        self._since = {row.name: row.created for row in desk.domains()}
        self._known = resolver(desk.engine, desk.clock)
        self._domains: dict[str, str | None] = {}

    def sees(self, message_id: int, logged: Iterable[LogEvent]) -> bool:
        """Whether a message with these events is (also) his."""
        if self._all:
            return True
        at = id_seconds(message_id)
        return any(
            self.is_sender(event, at)
            or any(self.is_mine(one, at) for one in event.recipients)
            or any(self.is_mine(_account(one), at) for one in _listed(event.fields.get("stored", "")))
            for event in logged
        )

    def shown(self, story: Story) -> Story | None:
        """What he may see of it; None where that is nothing."""
        if self._all:
            return story
        if not self.sees(story.message_id, story.events):
            return None
        look = _Look(self, story)
        return Story(
            message_id=story.message_id,
            events=tuple(shown for event in story.events for shown in look.events(event)),
            fates={name: row for name, whole in story.fates.items() if (row := look.fate(name, whole)) is not None},
            waiting=tuple(one for whole in story.waiting if (one := look.waiting(whole)) is not None),
        )

    def is_mine(self, address: str, at: float) -> bool:
        """Whether it lies in a domain that is his, and was when the message came: of one that was removed and is
        somebody else's now, the new owner learns nothing that was before."""
        domain = self.served(address)
        return domain is not None and domain in self._since and self._since[domain] <= at

    def is_sender(self, event: LogEvent, at: float) -> bool:
        """Whether one of his users logged in to send it, or one of his hosts did."""
        account, host = event.fields.get("account", ""), event.fields.get("relay-client", "")
        return self.is_mine(account, at) or self.is_mine(f"host@{host}" if host else "", at)

    def served(self, address: str) -> str | None:
        """In its own name; None where it is not served here."""
        name = address.rpartition("@")[2].lower()
        if name not in self._domains:
            row = self._known.served(name) if name else None
            self._domains[name] = row.name if row is not None else None
        return self._domains[name]

    def led_to(self, addresses: Iterable[str], at: float) -> set[str]:
        """Keys of the targets to which aliases of his own domains lead from ``addresses``, as they stand now."""
        found: set[str] = set()
        left = [one for one in addresses if self.is_mine(one, at)]
        while left and len(found) < MOST_ADDRESSES:
            try:
                address = Address.parse(left.pop())
            except BadInput:
                continue
            domain = self._known.served(address.domain)
            if domain is None:
                continue
            for target in self._known.look(domain, address.local_key).targets:
                if key_of(target) not in found:
                    found.add(key_of(target))
                    if self.is_mine(target, at):
                        left.append(target)
        return found


class _Look:
    """At one story, of which some may be another's."""

    def __init__(self, onlooker: Onlooker, story: Story) -> None:
        self._onlooker = onlooker
        self._at = id_seconds(story.message_id)
        first = [event for event in story.events if event.kind == "accepted"]
        self._sent = any(onlooker.is_sender(event, self._at) for event in first)
        written = [one for event in first for one in event.recipients]
        self._targets = onlooker.led_to(written, self._at)
        self._inside = any(event.fields.get("account") or event.fields.get("relay-client") for event in first)
        """Somebody sent it who is served here."""

    def _sees(self, recipient: str) -> bool:
        """Whether all that became of a recipient is his to know."""
        served = self._onlooker.served(recipient) is not None
        if served:
            return self._onlooker.is_mine(recipient, self._at)
        return self._sent or key_of(recipient) in self._targets

    def events(self, event: LogEvent) -> Iterator[LogEvent]:
        """What may be seen of one."""
        seen = tuple(one for one in event.recipients if self._sees(one))
        event = replace(event, fields=self._fields(event.fields))
        if len(seen) == len(event.recipients) and (seen or self._sent):
            yield event
        elif self._sent and event.kind == "accepted":
            # His own user wrote them all.
            yield event
        elif event.kind == STATE:
            # Of those in one event each came to the same end, with the same words.
            if seen:
                yield replace(event, recipients=seen)
            if self._sent:
                others = tuple(one for one in event.recipients if one not in seen)
                yield replace(event, recipients=others, text=event.fields.get("fate", ""))
        elif seen or event.fields.get("stored"):
            # Its words may be about the others, or say how many there are.
            text = event.kind if event.kind in ("accepted", "refused") else event.fields.get("fate", event.kind)
            yield replace(event, recipients=seen, text=text)

    def fate(self, recipient: str, row: LedgerRow) -> LedgerRow | None:
        if self._sees(recipient):
            return row
        return replace(row, reply="", destination="", history=(), body=0) if self._sent else None

    def waiting(self, one: Waiting) -> Waiting | None:
        seen = tuple(recipient for recipient in one.entry.recipients if self._sees(recipient.address))
        if not seen:
            return None
        return Waiting(entry=replace(one.entry, recipients=seen), destination=one.destination)

    def _fields(self, fields: Mapping[str, str]) -> dict[str, str]:
        hidden = _OF_THE_SENDER if self._inside and not self._sent else ()
        shown = {name: value for name, value in fields.items() if name not in hidden}
        for name in _LISTS:
            if name in shown:
                mine = [one for one in _listed(shown[name]) if self._onlooker.is_mine(_account(one), self._at)]
                shown[name] = ", ".join(mine)
        return {name: value for name, value in shown.items() if value or name not in _LISTS}


def _listed(text: str) -> Sequence[str]:
    """The parts of a list of mailboxes; of one that was cut, those that are there."""
    return [one for one in text.partition(" and ")[0].split(", ") if "@" in one]


def _account(place: str) -> str:
    """The address in ``ann@example.org INBOX``."""
    return place.partition(" ")[0]
