"""QUOTA (RFC 9208): its commands, their grammar, and its two answers. What is used and allowed is the session's."""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.wire.imap import responses
from xtramail.wire.imap.commands import Command
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.rules import Rules

_UNIT = 1024
"""STORAGE counts in units of 1024 octets (RFC 9208 §5.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetQuota(Command):
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetQuotaRoot(Command):
    """``mailbox`` need not exist: the answer is the root it would have (RFC 9208 §4.1.2)."""

    mailbox: str


def read_get_quota(cursor: Cursor, tag: bytes, _rules: Rules) -> Command:
    cursor.space()
    root = cursor.astring().decode("utf-8", "replace")
    cursor.finish()
    return GetQuota(tag=tag, root=root)


def read_get_quota_root(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
    cursor.space()
    mailbox = rules.mailbox(cursor.astring())
    cursor.finish()
    return GetQuotaRoot(tag=tag, mailbox=mailbox)


def quota(root: str, used: int, limit: int) -> bytes:
    """``* QUOTA "root" (STORAGE 10 512)``; both in octets, what is used rounded up."""
    name = responses.string(root.encode())
    return b"* QUOTA %b (STORAGE %d %d)\r\n" % (name, -(-used // _UNIT), limit // _UNIT)


def quota_root(mailbox: bytes, roots: tuple[str, ...]) -> bytes:
    """``mailbox`` as it goes on the wire."""
    words = b"".join(b" " + responses.string(root.encode()) for root in roots)
    return b"* QUOTAROOT %b%b\r\n" % (mailbox, words)
