"""STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3): changing flags and keywords of messages in one mailbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from xtramail.model.bucket import Bucket
from xtramail.store import keys, tallies
from xtramail.store.engine import Txn
from xtramail.store.mail_rows import NOWHERE, Found, locate, put_flags
from xtramail.store.mailbox_rows import keyword_ids, known_keyword_ids, require, touched
from xtramail.store.records import FlagRow, MailboxRow, encode_all_flags
from xtramail.store.tallies import CounterChange
from xtramail.store.user_clock import next_modseq

FlagMode = Literal["add", "remove", "replace"]
Flagging = tuple[int, tuple[int, ...]]
"""Flags and keyword ids."""
Wanted = dict[Flagging, Flagging]
"""What flags and keywords become, by what they are."""


class Stored(msgspec.Struct, frozen=True):
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
    homes: Mapping[int, Bucket] = NOWHERE,
) -> Stored:
    """Change what is asked in one MODSEQ; a message that is as wanted keeps its own.

    ``flags`` are bits of ``model.flags.Flag``; ``unchanged_since`` None is no condition; ``homes`` as ``locate`` has
    it. Raises NoSuchMailbox, and LimitReached for a 65th keyword.
    """
    mailbox = require(txn, mailbox_id)
    present = locate(txn, mailbox, uids, homes)
    refused: tuple[int, ...] = ()
    if unchanged_since is not None:
        refused = tuple(message.uid for message in present if message.row.modseq > unchanged_since)
    if refused:
        left_alone = frozenset(refused)
        present = [message for message in present if message.uid not in left_alone]
    if not keywords:
        named: frozenset[int] = frozenset()
    elif mode == "remove" or not present:
        named = known_keyword_ids(txn, mailbox_id, keywords)
    else:
        named = frozenset(keyword_ids(txn, mailbox_id, keywords))
    # Of many messages most have the same flags as others.
    wanted: Wanted = {}
    for message in present:
        row = message.row
        before = (row.flags, row.keywords)
        if before not in wanted:
            wanted[before] = reflagged(row, mode, flags, named)
    if all(before == after for before, after in wanted.items()):
        return Stored(changed={}, same={message.uid: message.row for message in present}, refused=refused)
    modseq = next_modseq(txn, keys.micros(now))
    changed, same = _write(txn, mailbox_id, present, wanted, modseq)
    return Stored(changed=changed, same=same, refused=refused, rows=(mailbox, touched(txn, mailbox, modseq)))


def reflagged(row: FlagRow, mode: FlagMode, flags: int, named: frozenset[int]) -> Flagging:
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
    txn: Txn, mailbox_id: int, present: Sequence[Found], wanted: Wanted, modseq: int
) -> tuple[dict[int, FlagRow], dict[int, FlagRow]]:
    """Rows that changed, and those that were as wanted, by UID."""
    changed: dict[int, FlagRow] = {}
    same: dict[int, FlagRow] = {}
    fresh: dict[Bucket, dict[int, FlagRow]] = {}
    changes: dict[tuple[int, Bucket], CounterChange] = {}
    for bucket, uid, old in present:
        before = (old.flags, old.keywords)
        after = wanted[before]
        if after == before:
            same[uid] = old
            continue
        bits, ids = after
        changed[uid] = row = FlagRow(modseq, bits, ids, old.savedate)
        inside = fresh.get(bucket)
        if inside is None:
            inside = fresh[bucket] = {}
            changes[mailbox_id, bucket] = CounterChange()
        inside[uid] = row
        if (bits ^ old.flags) & tallies.COUNTED:
            changes[mailbox_id, bucket].reflag(old.flags, bits)
    for bucket, inside in fresh.items():
        if len(inside) == 1:
            [(uid, row)] = inside.items()
            put_flags(txn, mailbox_id, bucket, uid, row)
        else:
            values = encode_all_flags(inside.values())
            txn.put_all(bucket, list(zip(keys.flags_of(mailbox_id, list(inside)), values, strict=True)))
    tallies.apply_all(txn, changes, modseq)
    return changed, same
