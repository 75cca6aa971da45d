"""STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3): changing flags and keywords of messages in one mailbox."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from xtramail.model.bucket import Bucket
from xtramail.store import keys, tallies
from xtramail.store.engine import Txn
from xtramail.store.mail_rows import Found, locate, put_flags
from xtramail.store.mailbox_rows import keyword_ids, known_keyword_ids, require, touched
from xtramail.store.records import FlagRow, MailboxRow
from xtramail.store.tallies import CounterChange
from xtramail.store.user_clock import next_modseq

FlagMode = Literal["add", "remove", "replace"]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a STORE did, by UID: rows that changed, rows that were as wanted already, and messages it left alone.

    ``refused`` are those changed since ``unchanged_since``. UIDs that are not there appear nowhere.
    """

    changed: dict[int, FlagRow]
    same: dict[int, FlagRow]
    refused: tuple[int, ...]
    rows: tuple[MailboxRow, MailboxRow] | None = None
    """The mailbox's own row before and after; None when nothing changed."""


def store_flags(
    txn: Txn,
    mailbox_id: int,
    uids: Iterable[int],
    mode: FlagMode,
    flags: int,
    keywords: Sequence[str],
    unchanged_since: int | None = None,
    *,
    now: float,
) -> Stored:
    """Change what is asked in one MODSEQ; a message that is as wanted keeps its own.

    ``flags`` are bits of ``model.flags.Flag``; ``unchanged_since`` None is no condition. Raises NoSuchMailbox, and
    LimitReached for a 65th keyword.
    """
    mailbox = require(txn, mailbox_id)
    present = locate(txn, mailbox, uids)
    refused = tuple(
        message.uid for message in present if unchanged_since is not None and message.row.modseq > unchanged_since
    )
    if refused:
        left_alone = frozenset(refused)
        present = [message for message in present if message.uid not in left_alone]
    if not keywords:
        named: frozenset[int] = frozenset()
    elif mode == "remove" or not present:
        named = known_keyword_ids(txn, mailbox_id, keywords)
    else:
        named = frozenset(keyword_ids(txn, mailbox_id, keywords))
    wanted = [(message, *reflagged(message.row, mode, flags, named)) for message in present]
    same = {m.uid: m.row for m, bits, ids in wanted if bits == m.row.flags and ids == m.row.keywords}
    if len(same) == len(wanted):
        return Stored(changed={}, same=same, refused=refused)
    modseq = next_modseq(txn, keys.micros(now))
    changed = _write(txn, mailbox_id, [entry for entry in wanted if entry[0].uid not in same], modseq)
    return Stored(changed=changed, same=same, refused=refused, rows=(mailbox, touched(txn, mailbox, modseq)))


def reflagged(row: FlagRow, mode: FlagMode, flags: int, named: frozenset[int]) -> tuple[int, tuple[int, ...]]:
    """Flags and keyword ids of a message once ``mode`` was done to it; ``named`` are the ids of the keywords."""
    match mode:
        case "add":
            ids = tuple(sorted(named.union(row.keywords))) if named else row.keywords
            return row.flags | flags, ids
        case "remove":
            return row.flags & ~flags, tuple(number for number in row.keywords if number not in named)
        case "replace":
            return flags, tuple(sorted(named))


def _write(
    txn: Txn, mailbox_id: int, wanted: list[tuple[Found, int, tuple[int, ...]]], modseq: int
) -> dict[int, FlagRow]:
    changed: dict[int, FlagRow] = {}
    changes: dict[Bucket, CounterChange] = {}
    for message, bits, ids in wanted:
        row = FlagRow(modseq=modseq, flags=bits, keywords=ids, savedate=message.row.savedate)
        put_flags(txn, mailbox_id, message.bucket, message.uid, row)
        changes.setdefault(message.bucket, CounterChange()).reflag(message.row.flags, bits)
        changed[message.uid] = row
    for bucket, change in changes.items():
        tallies.apply(txn, mailbox_id, bucket, change, modseq)
    return changed
