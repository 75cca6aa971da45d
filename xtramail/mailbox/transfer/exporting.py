"""One account's mail into files: every message of its mailboxes, counted against what is there.

Owns the order of work and what came of it. A row in the audit log says it before the first octet is read, because who
reads another's mail is not to be able to do it unseen. Nothing in the mailboxes changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from xtramail.directory.desk import Change, Desk
from xtramail.mailbox.transfer import export_state
from xtramail.mailbox.transfer.eml_writer import EmlWriter
from xtramail.mailbox.transfer.entries import WHOLE, Chunks, Format, Outgoing, Trouble
from xtramail.mailbox.transfer.export_state import State
from xtramail.mailbox.transfer.folder_names import levels_of
from xtramail.mailbox.transfer.maildir_writer import MaildirWriter
from xtramail.mailbox.transfer.mbox_writer import MboxWriter
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.bucket import Bucket
from xtramail.model.errors import BadInput, Corrupt, NoSuchMessage
from xtramail.model.flags import Flag
from xtramail.store import bodies, keys, mailboxes, messages
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.mailbox_names import canonical
from xtramail.store.message_row import BodyRef, MessageRow
from xtramail.store.records import FlagRow, MailboxRow

_AT_ONCE = 200
"""Message rows read at once."""
_PROGRESS = 50


class Writer(Protocol):
    """One mailbox in files of one format."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    def has(self, message: Outgoing) -> bool:
        """Whether an export that was cut off wrote it already."""

    def put(self, message: Outgoing) -> None:
        """All of it or, when its octets cannot be had, nothing. Corrupt, NoSuchMessage, OSError."""

    def finish(self) -> None:
        """Whole and durable."""

    def give_up(self) -> None:
        """It will be gone on with, or not."""


_WRITERS: dict[Format, Callable[[Path, tuple[str, ...]], Writer]] = {
    "mbox": MboxWriter,
    "maildir": MaildirWriter,
    "eml": EmlWriter,
}


@dataclass(slots=True)
class Exported:
    """``mailboxes``: messages written; ``expected``: those that were there."""

    mailboxes: Counter[str] = field(default_factory=Counter)
    expected: Counter[str] = field(default_factory=Counter)
    octets: int = 0
    total_octets: int = 0
    """Of everything that is to be written, for progress."""
    unnamed: int = 0
    """Messages of a Maildir with keywords that had no letter left: there are 26."""
    troubles: list[Trouble] = field(default_factory=list)
    stopped: str = ""

    @property
    def messages(self) -> int:
        return self.mailboxes.total()

    @property
    def complete(self) -> bool:
        return self.mailboxes == self.expected and not self.stopped


Progress = Callable[[Exported], None]


@dataclass(frozen=True, slots=True)
class _Listed:
    """A mailbox as it was when the export began."""

    row: MailboxRow
    present: list[tuple[int, Bucket]]
    keywords: tuple[str, ...]
    octets: int


async def export_mail(
    desk: Desk,
    address: Address,
    folder: Path,
    format: Format,
    *,
    mailbox: str = "",
    since: float = 0.0,
    progress: Progress = lambda so_far: None,
    stop: Callable[[], bool] = lambda: False,
) -> Exported:
    """Write the messages of all mailboxes, or of ``mailbox``, that came at ``since`` (INTERNALDATE) or later.

    ``folder`` is new, empty, or what the same export left that was cut off: it goes on there. What cannot be read is
    named and left out (``complete`` is False then). NoSuchAccount, NotPermitted, BadInput, OSError.
    """
    account = desk.account(address, Role.USER)
    scope = keys.user_scope(account.id)
    wanted = canonical(mailbox)
    listed = desk.engine.read(scope, partial(_listed, mailbox=wanted, since=since))
    if wanted and not listed:
        raise BadInput(f"mailbox {mailbox!r}: {account.address} has none of this name")
    state = export_state.begin(
        folder, State(account=account.address, format=format, mailbox=wanted, since=since)
    )
    result = Exported(total_octets=sum(one.octets for one in listed))
    for one in listed:
        result.expected[one.row.name] = len(one.present)
    await desk.change(
        Change(
            what="mail export",
            object=address.key,
            domain=address.domain_key,
            after={
                "to": str(folder).encode("utf-8", "backslashreplace").decode("utf-8"),
                "format": format,
                "mailbox": wanted,
                "since": since,
                "messages": result.expected.total(),
                "octets": result.total_octets,
            },
        ),
        [],
    )
    for one in listed:
        known = state.done.get(one.row.name)
        if known is not None:
            # Finished already; what came since is not in it.
            written, octets, result.expected[one.row.name] = known
            result.mailboxes[one.row.name] = written
            result.octets += octets
            continue
        octets = result.octets
        _write(desk.engine, scope, folder, format, one, result, progress, stop)
        if result.stopped:
            return result
        name = one.row.name
        state.done[name] = (result.mailboxes[name], result.octets - octets, result.expected[name])
        export_state.write(folder, state)
    state.finished = True
    export_state.write(folder, state)
    return result


def _listed(snap: Snapshot, mailbox: str, since: float) -> list[_Listed]:
    found = []
    for row in mailboxes.mailboxes(snap):
        if mailbox and row.name != mailbox:
            continue
        tallies = messages.counters(snap, row)
        present = [
            (uid, bucket)
            for bucket in tallies
            for uid, _ in messages.bucket_look(snap, row.id, bucket).rows
            if not since or _came(snap, row.id, bucket, uid) >= since
        ]
        octets = sum(tally.bytes for tally in tallies.values())
        found.append(_Listed(row, sorted(present), mailboxes.keyword_names(snap, row.id), octets))
    return found


def _came(snap: Snapshot, mailbox_id: int, bucket: Bucket, uid: int) -> float:
    row = messages.message_row(snap, mailbox_id, bucket, uid)
    # One that is damaged is tried, and named then.
    return row.internaldate if row is not None else float("inf")


def _write(
    engine: Engine,
    scope: bytes,
    folder: Path,
    format: Format,
    listed: _Listed,
    result: Exported,
    progress: Progress,
    stop: Callable[[], bool],
) -> None:
    name = listed.row.name
    writer = _WRITERS[format](folder, levels_of(name))
    result.mailboxes[name] = 0
    try:
        for number, (uid, row, flags) in enumerate(_rows(engine, scope, listed)):
            if stop():
                result.stopped = "it was interrupted"
                writer.give_up()
                return
            if flags is None:
                # Its user expunged it while we were at work.
                result.expected[name] -= 1
                continue
            if row is None:
                result.troubles.append(Trouble(f"{name}, message {uid}", "its row is damaged"))
                continue
            message = _outgoing(engine, listed, uid, row, flags)
            try:
                if not writer.has(message):
                    writer.put(message)
            except (Corrupt, NoSuchMessage) as error:
                result.troubles.append(Trouble(f"{name}, message {uid}", error.text))
                continue
            result.mailboxes[name] += 1
            result.octets += row.size
            if number % _PROGRESS == 0:
                progress(result)
        writer.finish()
    except OSError:
        writer.give_up()
        raise
    if isinstance(writer, MaildirWriter):
        result.unnamed += writer.unnamed
    progress(result)


_Row = tuple[int, MessageRow | None, FlagRow | None]


def _rows(engine: Engine, scope: bytes, listed: _Listed) -> Iterator[_Row]:
    """By UID, read in steps; what was expunged meanwhile has no flags."""
    for start in range(0, len(listed.present), _AT_ONCE):
        step = listed.present[start : start + _AT_ONCE]

        def look(snap: Snapshot, step: list[tuple[int, Bucket]] = step) -> list[_Row]:
            return [
                (
                    uid,
                    messages.message_row(snap, listed.row.id, bucket, uid),
                    messages.flag_row(snap, listed.row.id, bucket, uid),
                )
                for uid, bucket in step
            ]

        yield from engine.read(scope, look)


def _outgoing(engine: Engine, listed: _Listed, uid: int, row: MessageRow, flags: FlagRow) -> Outgoing:
    names = listed.keywords
    return Outgoing(
        uid=uid,
        uidvalidity=listed.row.uidvalidity,
        received_at=row.internaldate,
        size=row.size,
        chunks=_chunks(engine, row.body),
        flags=Flag(flags.flags),
        keywords=tuple(names[number] for number in flags.keywords if number < len(names)),
    )


def _chunks(engine: Engine, ref: BodyRef) -> Chunks:
    if ref.size > WHOLE:
        return partial(bodies.chunks, engine, ref)
    held: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        if not held:
            held.append(bodies.read(engine, ref))
        return iter(held)

    return chunks
