"""STORE, COPY, MOVE, EXPUNGE: commands that change messages of the selected mailbox."""

from __future__ import annotations

from msgspec.structs import replace

from xtramail.mailbox.answers.answer import (
    Answer,
    changes_text,
    chosen,
    done,
    flag_lines,
    modseq_lines,
    selected,
    telling_of,
)
from xtramail.mailbox.session import Placed, Session
from xtramail.mailbox.view import Telling, View
from xtramail.model.errors import NoSuchMessage
from xtramail.model.sequence import SequenceSet
from xtramail.store.messages import FlagMode, Stored
from xtramail.wire.imap import commands, responses, status
from xtramail.wire.imap.commands import StoreMode

_MODES: dict[StoreMode, FlagMode] = {
    StoreMode.ADD: "add",
    StoreMode.REMOVE: "remove",
    StoreMode.REPLACE: "replace",
}


_STORED = status.ok("Stored")


async def store(session: Session, command: commands.Store) -> Answer:
    """The new flags of every message are told, unless silent (RFC 3501 §6.4.6); changes by others always are.

    A client that knows MODSEQ is told the new ones also when silent (RFC 7162 §3.1.3).
    """
    view = selected(session)
    uids = chosen(view, command.numbers, uid=command.uid)
    if not uids:
        return _stored(command, b"", Stored(changed={}, same={}, refused=()), view)
    stored = await session.store_flags(
        view, uids, _MODES[command.mode], command.flags, command.keywords, command.unchanged_since
    )
    view.quieten(stored.changed)
    others = view.sync(telling_of(command.uid))
    done_with = {**stored.changed, **stored.same}
    if others.flags and not command.silent:
        others = replace(others, flags=tuple(change for change in others.flags if change.uid not in done_with))
    told = [uid for uid in uids if uid in done_with]
    if view.untold:
        told = [uid for uid in told if not view.expunged(uid)]
        if command.unchanged_since is None:
            told += view.reflag_gone(uids, _MODES[command.mode], command.flags, command.keywords)
            told.sort()
    untagged = changes_text(view, others, with_uid=command.uid)
    if not command.silent:
        untagged += flag_lines(view, told, with_uid=command.uid)
    elif view.terms.condstore:
        untagged += modseq_lines(view, told)
    return _stored(command, untagged, stored, view)


def _stored(command: commands.Store, untagged: bytes, stored: Stored, view: View) -> Answer:
    tagged = _STORED
    if stored.refused:
        numbers = stored.refused if command.uid else [view.number(uid) for uid in stored.refused]
        tagged = status.ok("Some changed meanwhile", responses.modified_code(SequenceSet.of_numbers(numbers)))
    # What changed was told a moment ago, in the same turn, and HIGHESTMODSEQ is of concern to QRESYNC alone: to look
    # again costs a STORE 4 %.
    telling = telling_of(command.uid) if view.terms.qresync or not stored.rows else None
    return Answer(tagged=tagged, untagged=untagged, telling=telling)


async def copy(session: Session, command: commands.Copy) -> Answer:
    view = selected(session)
    uids = _all_there(view, chosen(view, command.numbers, uid=command.uid), uid=command.uid)
    placed = await session.copy(view, uids, command.mailbox)
    return done("Copied", code=_copyuid(placed))


async def move(session: Session, command: commands.Move) -> Answer:
    """COPYUID comes before the EXPUNGEs, untagged, so that the client knows the new UIDs first (RFC 6851 §4.3)."""
    view = selected(session)
    uids = _all_there(view, chosen(view, command.numbers, uid=command.uid), uid=command.uid)
    placed = await session.move(view, uids, command.mailbox)
    untagged = responses.ok("Moved", _copyuid(placed)) if placed.pairs else b""
    return _removed(view, "Moved", untagged)


def _copyuid(placed: Placed) -> bytes:
    if not placed.pairs:
        return b""
    return responses.copyuid_code(
        placed.uidvalidity, [old for old, _ in placed.pairs], [new for _, new in placed.pairs]
    )


def _all_there(view: View, uids: list[int], *, uid: bool) -> list[int]:
    """By number, all messages are copied or none (RFC 3501 §6.4.7); by UID, those that are gone are passed over."""
    there = [one for one in uids if not view.expunged(one)] if view.untold else uids
    if len(there) < len(uids) and not uid:
        raise NoSuchMessage("Some messages no longer exist")
    return there


async def expunge(session: Session, _command: commands.Expunge) -> Answer:
    view = selected(session)
    await session.expunge(view)
    return _removed(view, "Expunged")


async def uid_expunge(session: Session, command: commands.UidExpunge) -> Answer:
    view = selected(session)
    await session.expunge(view, view.select_uids(command.numbers))
    return _removed(view, "Expunged")


def _removed(view: View, text: str, before: bytes = b"") -> Answer:
    """What went is told, and to a client that knows MODSEQ the mailbox's new one (RFC 7162 §3.2.7): everything that
    happened up to it has been told then."""
    changes = view.sync(Telling.EVERYTHING)
    aware = bool(changes.expunged) and view.terms.condstore
    code = responses.highestmodseq_code(view.told.modseq) if aware else b""
    return Answer(tagged=status.ok(text, code), untagged=before + changes_text(view, changes), telling=None)
