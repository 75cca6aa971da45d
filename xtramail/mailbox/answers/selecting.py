"""SELECT, EXAMINE, CHECK, CLOSE, UNSELECT, STATUS."""

from __future__ import annotations

from xtramail.mailbox.answers.answer import Answer, done, mailbox_flags, selected
from xtramail.mailbox.answers.listing_line import list_line
from xtramail.mailbox.answers.quota import deleted_storage
from xtramail.mailbox.answers.resyncing import check, missed
from xtramail.mailbox.object_ids import object_id
from xtramail.mailbox.session import Session
from xtramail.mailbox.view import Access, View
from xtramail.model.errors import XtramailError
from xtramail.store import mailboxes
from xtramail.store.engine import Snapshot
from xtramail.wire.imap import commands, responses, status
from xtramail.wire.imap.commands import Resync, StatusItem


def select(session: Session, command: commands.Select) -> Answer:
    return _open(session, command, Access.READ_WRITE)


def examine(session: Session, command: commands.Examine) -> Answer:
    return _open(session, command, Access.READ_ONLY)


def _open(session: Session, command: commands.Select | commands.Examine, access: Access) -> Answer:
    if command.resync is not None:
        check(session.terms, command.resync)
    # RFC 7162 §3.2.11: what was selected is closed, also when the new mailbox cannot be had.
    closed = responses.ok("The mailbox before is closed", b"CLOSED") if session.view is not None else b""
    if command.declined is not None:
        session.close()
        return Answer(tagged=status.no(*command.declined), untagged=closed, telling=None)
    try:
        view = session.select(command.mailbox, access)
    except XtramailError as error:
        return Answer(tagged=status.refusal(error), untagged=closed, telling=None)
    return _selected(view, closed + _named(session, view, command.mailbox), command.resync)


def _named(session: Session, view: View, given: str) -> bytes:
    """The LIST of RFC 9051 §6.3.2, which a client of RFC 3501 would not expect."""
    return list_line(session, view.told.mailbox.name, given) if view.terms.rev2 else b""


def _selected(view: View, before: bytes, resync: Resync | None) -> Answer:
    """RFC 3501 §6.3.1: all of it, in the order that its examples have; what a client missed comes last."""
    mailbox = view.told.mailbox
    lines = [before, mailbox_flags(view), responses.exists(view.exists)]
    if not view.terms.rev2:
        lines.append(responses.recent(view.recent))
        unseen = view.first_unseen()
        if unseen is not None:
            lines.append(responses.ok("First unseen", responses.unseen_code(unseen)))
    lines.append(responses.ok("UIDs are valid", responses.uidvalidity_code(mailbox.uidvalidity)))
    lines.append(responses.ok("Next UID", responses.uidnext_code(mailbox.uidnext)))
    if view.terms.offers("CONDSTORE"):
        lines.append(responses.ok("Highest", responses.highestmodseq_code(view.told.modseq)))
    if view.terms.offers("OBJECTID"):
        lines.append(responses.ok("Mailbox id", responses.mailboxid_code(object_id(mailbox))))
    if resync is not None:
        lines.extend(missed(view, resync))
    code = view.access.value.encode("ascii")
    return Answer(tagged=status.ok("Selected", code), untagged=b"".join(lines), telling=None)


def checkpoint(_session: Session, _command: commands.Check) -> Answer:
    """Nothing to do: what was answered is durable."""
    return done("Checked")


async def close(session: Session, _command: commands.Close) -> Answer:
    """Expunges without telling (RFC 3501 §6.4.2)."""
    view = selected(session)
    if view.access is Access.READ_WRITE:
        await session.expunge(view)
    session.close()
    return done("Closed")


def unselect(session: Session, _command: commands.Unselect) -> Answer:
    session.close()
    return done("Unselected")


def mailbox_status(session: Session, command: commands.Status) -> Answer:
    return done("Status told", status_line(session, command.mailbox, command.items))


def status_line(session: Session, name: str, items: tuple[StatusItem, ...]) -> bytes:
    """``* STATUS``; NoSuchMailbox."""
    row = session.mailbox(name)

    def read(snap: Snapshot) -> dict[StatusItem, int | bytes | None]:
        counted = session.statuses.of(snap, row)
        values: dict[StatusItem, int | bytes | None] = {
            StatusItem.MESSAGES: counted.messages,
            StatusItem.UIDNEXT: counted.uidnext,
            StatusItem.UIDVALIDITY: counted.uidvalidity,
            StatusItem.UNSEEN: counted.unseen,
            StatusItem.HIGHESTMODSEQ: counted.highestmodseq,
            StatusItem.SIZE: counted.size,
            StatusItem.DELETED: counted.deleted,
            StatusItem.APPENDLIMIT: session.services.limits.message_octets,
            StatusItem.MAILBOXID: b"(%b)" % object_id(row),
        }
        if StatusItem.RECENT in items:
            values[StatusItem.RECENT] = mailboxes.count_recent(snap, row, session.recent_from(row.id))
        if StatusItem.DELETED_STORAGE in items:
            values[StatusItem.DELETED_STORAGE] = deleted_storage(snap, row)
        return {item: values[item] for item in items}

    return responses.status(row.name, session.read(read), session.terms.spelling)
