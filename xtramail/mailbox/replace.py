"""REPLACE (RFC 8508): which message goes when the new one is filed, and that neither happens alone."""

from __future__ import annotations

from xtramail.mailbox.answers.answer import chosen, selected
from xtramail.mailbox.rows import read_rows
from xtramail.mailbox.session import Session
from xtramail.model.errors import NoSuchMessage
from xtramail.store import messages
from xtramail.store.engine import Txn
from xtramail.wire.imap.append_commands import Replace


class Replacement:
    """The message of the selected mailbox that is replaced."""

    def __init__(self, session: Session, command: Replace) -> None:
        """NotPermitted in a mailbox selected read-only; NoSuchMessage, BadInput for a number that is not there."""
        view = selected(session)
        session.writable(view)
        uids = chosen(view, command.number, uid=command.uid)
        if not uids or view.expunged(uids[0]):
            raise NoSuchMessage
        self._uid = uids[0]
        self._mailbox_id = view.mailbox_id
        self._by = session.account.address
        self._now = session.services.clock.now()
        rows = read_rows(session.services.engine, session.account.id, view.mailbox_id, view.places(uids))
        self.size = rows[self._uid].size if self._uid in rows else 0
        """Octets that its going frees."""

    def expunge(self, txn: Txn) -> None:
        """NoSuchMessage when somebody else expunged it meanwhile."""
        gone = messages.expunge(txn, self._mailbox_id, [self._uid], self._by, self._now, deleted_only=False)
        if not gone:
            raise NoSuchMessage
