"""What must be true between rows: counters, UID ranges, message rows, queue indexes, ledger counts.

Each check looks at one snapshot, so that a server at work meanwhile cannot make it wrong. Checksums and the walk over
all rows are ``verify_walk``'s.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from msgspec import DecodeError

from xtramail.model.bucket import PERMANENT, Bucket
from xtramail.model.errors import Corrupt
from xtramail.model.flags import Flag
from xtramail.store import keys, ledger, mail_rows, mailbox_rows, outbound, queue_keys, recovered, usage
from xtramail.store.engine import Snapshot
from xtramail.store.message_row import BodyRef
from xtramail.store.records import (
    Counters,
    FlagRow,
    MailboxRow,
    QueueEntry,
    Recoverable,
    decode,
    decode_counters,
    decode_flags,
    decode_number,
)

UNREADABLE = (Corrupt, DecodeError, struct.error, ValueError)
"""What reading a damaged or foreign row can raise."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. ``kind`` is a word for scripts, ``text`` says what and where."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True, slots=True)
class MailCheck:
    """One user in one bucket."""

    messages: int
    findings: list[Finding]
    bodies: list[tuple[str, BodyRef]]
    """Bodies that present messages refer to, with the place of the message."""


def check_mail(snap: Snapshot, scope_name: str, bucket: Bucket) -> MailCheck:
    """Messages of one user in one bucket against their counters, message rows and mailboxes."""
    check = MailCheck(messages=0, findings=[], bodies=[])
    if bucket in snap.dropped():
        return check
    mailboxes = {row.id: row for row in _mailboxes(snap)}
    flags: dict[int, list[tuple[int, FlagRow]]] = {}
    low, high = keys.FLAGS, keys.after(keys.FLAGS)
    for key, value in snap.range(bucket, low, high):
        mailbox_id = int.from_bytes(key[1:5], "big")
        flags.setdefault(mailbox_id, []).append((keys.uid_of(key), decode_flags(value)))
    tallies = {
        keys.counters_mailbox(key): decode_counters(value)
        for key, value in snap.range(bucket, keys.COUNTERS, keys.after(keys.COUNTERS))
    }
    total = 0
    for mailbox_id in sorted(flags.keys() | tallies.keys() | _named(mailboxes, bucket)):
        present = flags.get(mailbox_id, [])
        place = f"{scope_name}, mailbox {mailbox_id}, bucket {bucket}"
        if mailbox_id == keys.RECOVERED:
            _check_origins(snap, bucket, [uid for uid, _ in present], place, check)
        else:
            total += len(present)
        octets = _check_rows(snap, bucket, mailbox_id, present, place, check)
        tally = tallies.get(mailbox_id)
        if tally is None:
            check.findings.append(Finding("counters", f"{place}: the counters are missing"))
        else:
            _check_tally(tally, present, octets, place, check)
        mailbox = mailboxes.get(mailbox_id)
        if mailbox is not None:
            _check_uids(mailbox, bucket, present, place, check)
        elif present:
            check.findings.append(Finding("mailbox", f"{place}: messages of a mailbox that does not exist"))
    return MailCheck(messages=total, findings=check.findings, bodies=check.bodies)


def _mailboxes(snap: Snapshot) -> list[MailboxRow]:
    """Recovered too."""
    kept = recovered.recovered(snap)
    return mailbox_rows.mailboxes(snap) + ([kept] if kept is not None else [])


def _check_origins(snap: Snapshot, bucket: Bucket, present: list[int], place: str, check: MailCheck) -> None:
    """Every message of Recovered says where it lay, and nothing else says so; from there only it is led to."""
    there = set(present)
    origins = {
        keys.recoverable_number(key): decode(value, Recoverable)
        for key, value in snap.range(bucket, keys.RECOVERABLES, keys.after(keys.RECOVERABLES))
    }
    for uid in sorted(origins.keys() ^ there):
        missing = "its flags are missing" if uid not in there else "where it lay is missing"
        check.findings.append(Finding("recovered", f"{place}: message {uid}: {missing}"))
    for key, value in snap.range(bucket, keys.RECOVERED_PLACES, keys.after(keys.RECOVERED_PLACES)):
        origin = origins.get(decode_number(value))
        if origin is None or (origin.mailbox, origin.uid) != keys.message_place(key):
            lay = "message {1} of mailbox {0}".format(*keys.message_place(key))
            check.findings.append(Finding("recovered", f"{place}: {lay} lies there, it is said, and does not"))


def _named(mailboxes: dict[int, MailboxRow], bucket: Bucket) -> set[int]:
    return {row.id for row in mailboxes.values() if any(named == bucket for named, _, _ in row.buckets)}


def _check_rows(
    snap: Snapshot, bucket: Bucket, mailbox_id: int, present: list[tuple[int, FlagRow]], place: str, check: MailCheck
) -> int | None:
    """Octets of all present messages; None when a message row is missing."""
    if not present:
        return 0
    rows = dict(mail_rows.message_rows(snap, mailbox_id, bucket, present[0][0], present[-1][0]))
    octets = 0
    complete = True
    for uid, _ in present:
        row = rows.get(uid)
        if row is None or not row.complete:
            check.findings.append(Finding("message", f"{place}: the row of message {uid} is missing or damaged"))
            complete = False
            continue
        octets += row.size
        check.bodies.append((f"{place}, message {uid}", row.body))
    return octets if complete else None


def _check_tally(
    tally: Counters, present: list[tuple[int, FlagRow]], octets: int | None, place: str, check: MailCheck
) -> None:
    counted = {
        "messages": (tally.messages, len(present)),
        "unseen": (tally.unseen, sum(not row.flags & Flag.SEEN for _, row in present)),
        "deleted": (tally.deleted, sum(bool(row.flags & Flag.DELETED) for _, row in present)),
    }
    if octets is not None:
        counted["octets"] = (tally.bytes, octets)
    for name, (stored, found) in counted.items():
        if stored != found:
            check.findings.append(Finding("counters", f"{place}: {name} counted as {stored}, found {found}"))
    newest = max((row.modseq for _, row in present), default=0)
    if newest > tally.modseq:
        check.findings.append(Finding("counters", f"{place}: a message has a newer MODSEQ than the counters tell"))


def _check_uids(
    mailbox: MailboxRow, bucket: Bucket, present: list[tuple[int, FlagRow]], place: str, check: MailCheck
) -> None:
    if not present:
        return
    first, last = present[0][0], present[-1][0]
    ranges = [(low, high) for named, low, high in mailbox.buckets if named == bucket]
    if last >= mailbox.uidnext:
        check.findings.append(Finding("uids", f"{place}: message {last}, but UIDNEXT is {mailbox.uidnext}"))
    if not ranges:
        check.findings.append(Finding("uids", f"{place}: the mailbox does not name this bucket"))
    elif first < ranges[0][0] or last > ranges[0][1]:
        check.findings.append(Finding("uids", f"{place}: messages outside of UIDs {ranges[0][0]} to {ranges[0][1]}"))


def check_user(snap: Snapshot, scope_name: str) -> list[Finding]:
    """A user's mailboxes, whose buckets may have lost every row: no walk would come past them."""
    findings: list[Finding] = []
    try:
        mailboxes = _mailboxes(snap)
    except UNREADABLE as error:
        return [Finding("mailbox", f"{scope_name}: a mailbox cannot be read: {error}")]
    for row in mailboxes:
        if row.id != keys.RECOVERED and mailbox_rows.mailbox_by_name(snap, row.name) is None:
            findings.append(Finding("mailbox", f"{scope_name}, mailbox {row.id}: it cannot be found by its name"))
        for bucket, _, _ in mailbox_rows.live_ranges(snap, row):
            try:
                lost = snap.get(bucket, keys.counters(row.id)) is None
            except Corrupt:
                lost = True
            if lost:
                place = f"{scope_name}, mailbox {row.id}, bucket {bucket}"
                findings.append(Finding("counters", f"{place}: the counters are missing"))
    held = usage.stored(snap)
    if held is not None and sum(held.values()) != (counted := sum(usage.counted(snap, ()).values())):
        findings.append(
            Finding("usage", f"{scope_name}: {sum(held.values())} octets held, but {counted} by the counters")
        )
    return findings


def check_entries(snap: Snapshot, entries: list[QueueEntry]) -> list[Finding]:
    """Queue entries that their indexes do not show. ``entries`` may be a moment old; they are looked at again."""
    findings: list[Finding] = []
    for entry in entries:
        current = outbound.find(snap, entry.id)
        if current is None:
            continue
        place = f"queue entry {current.id} for {current.destination}"
        if snap.get(PERMANENT, queue_keys.by_destination(current.destination, current.arrival, current.id)) is None:
            findings.append(Finding("queue", f"{place}: not in the order of its destination"))
        if not current.held and snap.get(PERMANENT, outbound.due_key(current)) is None:
            findings.append(Finding("queue", f"{place}: it has no due time, so nobody would look at it"))
        if current.held and snap.get(PERMANENT, outbound.due_key(current)) is not None:
            findings.append(Finding("queue", f"{place}: it is held and has a due time"))
    return findings


def check_index(snap: Snapshot, low: bytes, high: bytes, limit: int) -> tuple[bytes | None, list[Finding]]:
    """Index rows (t or x) without an entry, at most ``limit`` rows from ``low`` on; where to go on, None at the end."""
    rows = snap.range(PERMANENT, low, high, limit=limit)
    number = queue_keys.due_entry if low[:1] == queue_keys.DUE else queue_keys.by_destination_entry
    findings = [
        Finding("queue", f"an index names queue entry {number(key)}, which does not exist")
        for key, _ in rows
        if outbound.find(snap, number(key)) is None
    ]
    return (rows[-1][0] + b"\0" if len(rows) == limit else None), findings


def check_ledger(snap: Snapshot, bucket: Bucket) -> list[Finding]:
    """The fates of one bucket against its counts."""
    if bucket in snap.dropped():
        return []
    stored, found = ledger.counts(snap, bucket), ledger.recount(snap, bucket)
    if (stored.accepted, stored.fates) == (found.accepted, found.fates):
        return []
    return [
        Finding(
            "ledger",
            f"bucket {bucket}: counted as {stored.accepted} accepted {stored.fates}, "
            f"found {found.accepted} accepted {found.fates}",
        )
    ]
