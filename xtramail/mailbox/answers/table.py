"""Which function answers which command."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from xtramail.mailbox.answers import changing, fetching, naming, quota, searching, selecting, sorting
from xtramail.mailbox.answers.answer import Answer
from xtramail.mailbox.session import Session
from xtramail.wire.imap import commands
from xtramail.wire.imap.commands import Command
from xtramail.wire.imap.quota_commands import GetQuota, GetQuotaRoot
from xtramail.wire.imap.sort_commands import Sort, Thread

# The command's own type stands in the key; a table of functions of different command types has no closer type.
_AtOnce = Callable[[Session, Any], Answer]
_Later = Callable[[Session, Any], Coroutine[Any, Any, Answer]]

AT_ONCE: dict[type[Command], _AtOnce] = {
    commands.Check: selecting.checkpoint,
    commands.Select: selecting.select,
    commands.Examine: selecting.examine,
    commands.Unselect: selecting.unselect,
    commands.Status: selecting.mailbox_status,
    commands.Namespace: naming.namespace,
    commands.List: naming.list_mailboxes,
    commands.Lsub: naming.lsub,
    commands.Search: searching.search,
    commands.Fetch: fetching.fetch,
    GetQuota: quota.get_quota,
    GetQuotaRoot: quota.get_quota_root,
    Sort: sorting.sort,
    Thread: sorting.thread,
}
"""Answered without waiting for a commit: from the octets to the answer in one turn."""

LATER: dict[type[Command], _Later] = {
    commands.Create: naming.create,
    commands.Delete: naming.delete,
    commands.Rename: naming.rename,
    commands.Subscribe: naming.subscribe,
    commands.Unsubscribe: naming.unsubscribe,
    commands.Close: selecting.close,
    commands.Store: changing.store,
    commands.Copy: changing.copy,
    commands.Move: changing.move,
    commands.Expunge: changing.expunge,
    commands.UidExpunge: changing.uid_expunge,
}
"""Answered once what they did is durable."""

TARGETED: tuple[type[Command], ...] = (commands.Append, commands.Copy, commands.Move)
"""Commands that name a mailbox to put mail into: a missing one is TRYCREATE (RFC 3501 §6.3.11)."""


def must_wait(session: Session, command: Command) -> bool:
    """Whether :func:`answer_later` has to answer it."""
    if isinstance(command, commands.Fetch):
        return fetching.marks_seen(session, command)
    return type(command) in LATER


def answer_now(session: Session, command: Command) -> Answer:
    """KeyError for a command that is the connection's own (LOGIN, IDLE, APPEND...); XtramailError is its refusal."""
    return AT_ONCE[type(command)](session, command)


async def answer_later(session: Session, command: Command) -> Answer:
    """As :func:`answer_now`."""
    if isinstance(command, commands.Fetch):
        return await fetching.fetch_and_mark(session, command)
    return await LATER[type(command)](session, command)
