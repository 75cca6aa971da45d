"""The rows that one accepted message leaves: each function here gives writes for one scope, joined into one commit.

Functions may run twice and read nothing but what they are given and their transaction. Which of them a message needs is
``acceptance``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from xtramail.delivery.accepted_event import INBOX, SENT
from xtramail.delivery.accepted_event import Places as Places
from xtramail.delivery.accepted_event import lots as lots
from xtramail.delivery.accepted_event import tracked as tracked
from xtramail.delivery.arrival import Arrival
from xtramail.delivery.policy import Policy, Route
from xtramail.delivery.spool import Spooled
from xtramail.model.bucket import Bucket
from xtramail.model.errors import Corrupt, NoSuchAccount, NoSuchMailbox, Refused, StoreFault, XtramailError
from xtramail.model.flags import Flag
from xtramail.model.outcome import Fate
from xtramail.store import accounts, bodies, keys, mailboxes, messages, outbound, search_texts
from xtramail.store.engine import Txn
from xtramail.store.message_row import BodyRef
from xtramail.store.messages import NewMessage
from xtramail.store.new_message import new_message
from xtramail.store.records import Account, LedgerRow, MailboxRow, QueueEntry, QueueRecipient

Part = tuple[bytes, Callable[[Txn], Any]]

AT_HOME = "delivered to the mailbox"
"""The ledger's word for mail whose way ends here."""
FORWARDED = "forwarded to"
"""And for such as goes on to others, whose rows tell the rest."""
NAMED = 5
"""Of those, so many are named."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One mailbox and the bucket of its copy."""

    account: Account
    bucket: Bucket
    must_keep: bool
    """There is no primary: the mailbox is where the message is."""
    limited: bool
    """The message is at a primary that is up, too: over twice the quota it need not be kept here."""
    mirror: bool = False
    """It is somebody else's mail: whatever is wrong with this mailbox, the message is accepted."""


class MirrorFailed(XtramailError):
    """A mailbox beside could not take its copy: the message is to be accepted without any."""


def copies(arrival: Arrival) -> Iterator[Copy]:
    """One for each mailbox, however many of its addresses were named; it lives as long as the longest of them."""
    found: dict[int, list[Route]] = {}
    owners: dict[int, Account] = {}
    for route in arrival.routes:
        for account in route.accounts:
            owners[account.id] = account
            found.setdefault(account.id, []).append(route)
    for number, routes in found.items():
        account = owners[number]
        longest = max(routes, key=lambda route: _days(route, account))  # noqa: B023
        yield Copy(
            account=account,
            bucket=arrival.bucket_of(longest, account),
            must_keep=not all(route.relay for route in routes),
            limited=all(route.relay and route.up for route in routes),
        )
    for mirror in arrival.mirrors:
        yield Copy(
            account=mirror.account, bucket=arrival.beside(mirror), must_keep=False, limited=True, mirror=True
        )


def _days(route: Route, account: Account) -> int:
    kept = route.kept_by(account)
    return 0 if kept is None else kept.days


def deliveries(
    arrival: Arrival, text: Spooled, kept: Sequence[Copy], policy: Policy, now: float, places: Places
) -> list[Part]:
    """The copies into INBOXes; the result of each: whether there was room for it."""
    by_bucket = {
        bucket: new_message(
            text.summary,
            text.ref(bucket),
            object_id=text.body_id,
            internaldate=arrival.at,
            source=arrival.origin,
        )
        for bucket in {copy.bucket for copy in kept}
    }
    merged = places if arrival.origin == "journal" else None
    return [
        (
            keys.user_scope(copy.account.id),
            places.noted(
                copy.account.address, INBOX, _delivery(by_bucket[copy.bucket], copy, policy, now, merged)
            ),
        )
        for copy in kept
    ]


def _delivery(
    message: NewMessage, copy: Copy, policy: Policy, now: float, merged: Places | None
) -> Callable[[Txn], bool]:
    """``merged``: nothing is added where a message of that Message-ID came before, be it deleted by now; it is told."""

    def deliver(txn: Txn) -> bool:
        try:
            return put(txn)
        except (Refused, Corrupt) as error:
            if copy.mirror:
                raise MirrorFailed(type(error).__name__) from error
            raise

    def put(txn: Txn) -> bool:
        account = accounts.get_account(txn)
        if account is None:
            if copy.must_keep:
                raise NoSuchAccount
            return False
        if merged is not None and messages.came_before(txn, message.row.message_id, apart_from=("\\Sent", "\\Drafts")):
            merged.before.add((copy.account.address, INBOX))
            return True
        size = message.row.size
        if copy.limited and account.quota:
            if not policy.copy_fits(account, mailboxes.used_bytes(txn), size):
                return False
        _add(txn, INBOX, "", copy.bucket, message, now)
        return True

    return deliver


def filing(arrival: Arrival, sender: Account, sent: Spooled, now: float, places: Places) -> Part:
    """The copy in Sent: none when one with its Message-ID is there (the client's own came first, or it tries again)."""
    message = new_message(
        sent.summary,
        sent.ref(arrival.home),
        object_id=sent.body_id,
        internaldate=arrival.at,
        source="submission",
        flags=Flag.SEEN,
    )

    def file(txn: Txn) -> bool:
        if accounts.get_account(txn) is None:
            raise NoSuchAccount
        mailboxes.ensure_special(txn, now)
        mailbox = mailboxes.mailbox_by_use(txn, "\\Sent")
        known = messages.by_message_id(txn, sent.summary.message_id) if sent.summary.message_id else []
        if mailbox is not None and any(place[1] == mailbox.id for place in known):
            return False
        _add(txn, SENT, "\\Sent", arrival.home, message, now)
        return True

    return keys.user_scope(sender.id), places.noted(sender.address, SENT, file)


def _add(txn: Txn, name: str, use: str, bucket: Bucket, message: NewMessage, now: float) -> None:
    mailbox = _mailbox(txn, name, use)
    if mailbox is None:
        # Who has his INBOX has the others, or is given them with his next session: looking for them each time is 2 %.
        mailboxes.ensure_special(txn, now)
        mailbox = _mailbox(txn, name, use)
    if mailbox is None:
        raise NoSuchMailbox
    messages.add(txn, mailbox.id, bucket, message, now)


def _mailbox(txn: Txn, name: str, use: str) -> MailboxRow | None:
    return mailboxes.mailbox_by_use(txn, use) if use else mailboxes.mailbox_by_name(txn, name)


def bodies_written(arrival: Arrival, text: Spooled, sent: Spooled | None, kept: Sequence[Copy]) -> Iterator[Part]:
    """The last chunks of every body, with the text to search and whose it is."""
    owners: dict[tuple[int, Bucket], set[int]] = {}
    for copy in kept:
        owners.setdefault((text.body_id, copy.bucket), set()).add(copy.account.id)
    if sent is not None:
        owners.setdefault((sent.body_id, arrival.home), set()).update(account.id for account in arrival.sent_for)
    texts = [text] if sent is None or sent is text else [text, sent]
    for spooled in texts:
        for bucket, (ref, tail) in spooled.bodies.items():
            yield keys.BODY, _body(spooled, ref, tail, sorted(owners.get((spooled.body_id, bucket), ())))


def _body(spooled: Spooled, ref: BodyRef, tail: bodies.Tail, owners: list[int]) -> Callable[[Txn], None]:
    # What no mailbox shows, nobody searches.
    text = search_texts.prepare(spooled.summary.search_text, spooled.summary.header_text) if owners else None

    def write(txn: Txn) -> None:
        bodies.put_chunks(txn, ref.bucket, ref.id, tail)
        if text is not None:
            search_texts.put_search_text(txn, ref.bucket, ref.id, text, owners)

    return write


def queued(arrival: Arrival, entries: list[tuple[QueueEntry, Bucket]]) -> Callable[[Txn], None]:
    """Queue entries (each with its message's bucket) and a ledger row for every recipient.

    StoreFault when the day at which the message began was dropped meanwhile, which takes a clock that jumped by weeks:
    nobody would ever see what is written there, and it must not be acknowledged.
    """

    def write(txn: Txn) -> None:
        days = {*(bucket for _, bucket in entries), *(arrival.bucket(route) for route in arrival.routes)}
        if days & txn.dropped().keys():
            raise StoreFault
        for entry, bucket in entries:
            outbound.enqueue(txn, entry)
            for one in entry.recipients:
                row = outbound.first_row(entry, arrival.at)
                outbound.ledger_put(txn, bucket, entry.message_id, one.address, row)
        for route in arrival.routes:
            if not route.relay:
                at_home = LedgerRow(
                    fate=Fate.DELIVERED.value,
                    at=arrival.at,
                    reply=_end(route),
                    destination=route.destination,
                )
                outbound.ledger_put(
                    txn, arrival.bucket(route), arrival.message_id, str(route.path.address), at_home
                )

    return write


def _end(route: Route) -> str:
    """Where the way of mail for a recipient ends that is not handed on."""
    if not route.forwards:
        return AT_HOME
    first = ", ".join(str(one.path.address) for one in route.forwards[:NAMED])
    rest = f" and {len(route.forwards) - NAMED} more" if len(route.forwards) > NAMED else ""
    return f"{AT_HOME}, and {FORWARDED} {first}{rest}" if route.accounts else f"{FORWARDED} {first}{rest}"


def ends_here(row: LedgerRow) -> bool:
    """Whether it was never to be handed on: it lies in mailboxes, or others' rows tell where it went."""
    return row.reply.startswith((AT_HOME, FORWARDED))


def by_destination(routes: Sequence[Route]) -> list[tuple[str, list[Route]]]:
    """Routes that are relayed, by destination, in the order in which they were named.

    Apart where their copies are kept apart: what an entry hands on lies where its recipients' copies do, so that
    whoever deleted all of them is known.
    """
    found: dict[tuple[str, int, str], list[Route]] = {}
    for route in routes:
        if route.relay:
            kept = route.kept
            # What is forwarded bears a mark, and to the world goes under another sender.
            place = (route.destination, 0 if kept is None else kept.retention_class, route.forwarder)
            found.setdefault(place, []).append(route)
    return [(destination, some) for (destination, _, _), some in found.items()]


def recipient(route: Route, at: float) -> QueueRecipient:
    """As the sender wrote it; its fate open."""
    return QueueRecipient(
        address=str(route.path.address),
        notify=",".join(route.path.notify),
        orcpt=route.path.orcpt or "",
        fate=Fate.HELD.value,
        changed=at,
    )
