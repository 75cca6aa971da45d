"""Commands on the tree of mailboxes: CREATE, DELETE, RENAME, subscriptions, LIST, LSUB, NAMESPACE."""

from __future__ import annotations

from collections.abc import Iterator

from xtramail.mailbox.answers.answer import Answer, done
from xtramail.mailbox.answers.selecting import status_line
from xtramail.mailbox.listing import Folder, Listed, list_folders, list_subscribed, pattern_of
from xtramail.mailbox.session import Session
from xtramail.model.errors import NotPermitted
from xtramail.wire.imap import commands, responses
from xtramail.wire.imap.commands import ListReturn, ListSelection


async def create(session: Session, command: commands.Create) -> Answer:
    if len(command.special_use) > 1:
        raise NotPermitted("A mailbox has one special use at most")
    await session.create(command.mailbox, command.special_use[0] if command.special_use else "")
    return done("Created")


async def delete(session: Session, command: commands.Delete) -> Answer:
    view = session.view
    if view is not None and view.told.mailbox.name == command.mailbox:
        # The client knows what it does: it is told by this answer, not by BYE.
        session.close()
    await session.delete(command.mailbox)
    return done("Deleted")


async def rename(session: Session, command: commands.Rename) -> Answer:
    await session.rename(command.source, command.target)
    return done("Renamed")


async def subscribe(session: Session, command: commands.Subscribe) -> Answer:
    """A name that does not exist is kept: its mailbox may come back (RFC 3501 §6.3.6)."""
    await session.subscribe(command.mailbox)
    return done("Subscribed")


async def unsubscribe(session: Session, command: commands.Unsubscribe) -> Answer:
    await session.unsubscribe(command.mailbox)
    return done("Unsubscribed")


def namespace(_session: Session, _command: commands.Namespace) -> Answer:
    return done("Namespace told", responses.namespace())


def list_mailboxes(session: Session, command: commands.List) -> Answer:
    if command.patterns == ("",) and not command.extended:
        return done("Listed", responses.list_root())
    listed = _listed(session, command)
    lines = [responses.list_line(one.name, one.attributes) for one in listed]
    if command.status:
        lines.extend(_status_lines(session, command, listed))
    return done("Listed", b"".join(lines))


def _listed(session: Session, command: commands.List) -> list[Listed]:
    patterns = [pattern_of(command.reference, pattern) for pattern in command.patterns]
    rows = session.mailboxes()
    subscribed_only = ListSelection.SUBSCRIBED in command.selection
    wants_subscribed = subscribed_only or ListReturn.SUBSCRIBED in command.returns
    subscribed = frozenset(session.subscriptions()) if wants_subscribed else None
    folders = [Folder(name=row.name, special_use=row.special_use) for row in rows]
    listed = list_folders(folders, patterns, subscribed)
    if ListSelection.SPECIAL_USE in command.selection:
        special = {row.name for row in rows if row.special_use}
        listed = [one for one in listed if one.name in special]
    if subscribed_only and subscribed is not None:
        listed = _subscribed_only(listed, subscribed, patterns)
    return listed


def _subscribed_only(listed: list[Listed], subscribed: frozenset[str], patterns: list[str]) -> list[Listed]:
    """Subscribed names that do not exist are told with \\NonExistent (RFC 5258 §3)."""
    found = {one.name: one for one in listed}
    names = [one.name for one in list_subscribed(subscribed, frozenset(found), patterns) if one.name in subscribed]
    return [found.get(name) or Listed(name, (b"\\NonExistent", b"\\Subscribed")) for name in names]


def _status_lines(session: Session, command: commands.List, listed: list[Listed]) -> Iterator[bytes]:
    """RFC 5819 §2: one STATUS for each mailbox that can be selected."""
    existing = {row.name for row in session.mailboxes()}
    for one in listed:
        if one.name in existing:
            yield status_line(session, one.name, command.status)


def lsub(session: Session, command: commands.Lsub) -> Answer:
    if not command.pattern:
        return done("Listed", b'* LSUB (\\Noselect) "/" ""\r\n')
    existing = frozenset(row.name for row in session.mailboxes())
    pattern = pattern_of(command.reference, command.pattern)
    listed = list_subscribed(session.subscriptions(), existing, [pattern])
    return done("Listed", b"".join(responses.lsub_line(one.name, one.attributes) for one in listed))
