"""Commands on the tree of mailboxes: CREATE, DELETE, RENAME, subscriptions, LIST, LSUB, NAMESPACE."""

from __future__ import annotations

from xtramail.mailbox.answers.answer import Answer, done
from xtramail.mailbox.answers.listing_line import list_line
from xtramail.mailbox.answers.selecting import status_line
from xtramail.mailbox.listing import INBOX, Folder, Listed, list_folders, list_subscribed, pattern_of
from xtramail.mailbox.listing_extended import Selection, list_selected
from xtramail.mailbox.object_ids import object_id
from xtramail.mailbox.session import Session
from xtramail.model.errors import AlreadyExists
from xtramail.store.keys import RECOVERED
from xtramail.wire.imap import commands, responses, status
from xtramail.wire.imap.commands import ListReturn, ListSelection


async def create(session: Session, command: commands.Create) -> Answer:
    """A special use that cannot be had leaves nothing made (RFC 6154 §3)."""
    if len(command.special_use) > 1:
        return _no_use("A mailbox has one special use at most")
    try:
        row = await session.create(command.mailbox, command.special_use[0] if command.special_use else "")
    except AlreadyExists as error:
        return _no_use(error.text)
    code = responses.mailboxid_code(object_id(row)) if session.terms.offers("OBJECTID") else b""
    return done("Created", _renamed(session, row.name, command.mailbox), code)


def _renamed(session: Session, name: str, old: str) -> bytes:
    """Told to clients of RFC 9051 alone: others expect LIST lines from LIST."""
    return list_line(session, name, old) if session.terms.rev2 and name != old else b""


def _no_use(text: str) -> Answer:
    return Answer(tagged=status.no(text, b"USEATTR"))


async def delete(session: Session, command: commands.Delete) -> Answer:
    deleted = await session.delete(command.mailbox)
    view = session.view
    if view is not None and view.mailbox_id == deleted.id:
        # The client knows what it does: it is told by this answer, not by BYE. One that is refused stays selected.
        session.close()
    return done("Deleted")


async def rename(session: Session, command: commands.Rename) -> Answer:
    row = await session.rename(command.source, command.target)
    # RFC 9051 §6.3.6: INBOX gives its messages away and stays.
    return done("Renamed", b"" if command.source == INBOX else _renamed(session, row.name, command.source))


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
    spelling = session.terms.spelling
    # RFC 5819 §2: one STATUS for each chosen mailbox that can be selected, behind its line.
    counted = {row.name for row in session.mailboxes()} if command.status else frozenset()
    lines = []
    for one in listed:
        lines.append(responses.list_line(one.name, one.attributes, _child_info(one), spelling))
        if one.chosen and one.name in counted:
            lines.append(status_line(session, one.name, command.status))
    return done("Listed", b"".join(lines))


def _listed(session: Session, command: commands.List) -> list[Listed]:
    # RFC 5258 §3: an empty pattern among others means nothing.
    patterns = [pattern_of(command.reference, pattern) for pattern in command.patterns if pattern]
    subscriptions = frozenset(session.subscriptions())
    folders = [
        # Offline clients fetch whatever `*` names: what was deleted is named to them only where they asked for it.
        Folder(name=row.name, special_use=row.special_use, shy=row.id == RECOVERED and row.name not in subscriptions)
        for row in session.mailboxes()
    ]
    wanted = command.selection
    selection = Selection(
        subscribed=ListSelection.SUBSCRIBED in wanted,
        special_use=ListSelection.SPECIAL_USE in wanted,
        recursive=ListSelection.RECURSIVEMATCH in wanted,
    )
    if selection.names:
        return list_selected(folders, patterns, subscriptions, selection)
    subscribed = subscriptions if ListReturn.SUBSCRIBED in command.returns else None
    return list_folders(folders, patterns, subscribed)


def _child_info(one: Listed) -> bytes:
    """mbox-list-extended of RFC 5258 §6."""
    if not one.child_info:
        return b""
    return b'("CHILDINFO" (%b))' % b" ".join(b'"%b"' % option for option in one.child_info)


def lsub(session: Session, command: commands.Lsub) -> Answer:
    if not command.pattern:
        return done("Listed", b'* LSUB (\\Noselect) "/" ""\r\n')
    existing = frozenset(row.name for row in session.mailboxes())
    pattern = pattern_of(command.reference, command.pattern)
    listed = list_subscribed(session.subscriptions(), existing, [pattern])
    spelling = session.terms.spelling
    return done("Listed", b"".join(responses.lsub_line(one.name, one.attributes, spelling) for one in listed))
