"""What is known of an IMAP client beyond its login: what it calls itself, and what it chokes on.

Owns the words of ID (RFC 2971) and the capabilities hidden for them or for the account. What is offered and enabled is
the engine's.
"""

from __future__ import annotations

from dataclasses import replace

from xtramail.directory.users import HIDDEN_CAPABILITIES
from xtramail.mailbox.session import Session
from xtramail.net.imap_line import Line
from xtramail.net.imap_service import ImapService
from xtramail.wire.imap.client_masks import capability_names, hidden_from
from xtramail.wire.imap.commands import Id


class ImapClient:
    """One connection's."""

    def __init__(self, service: ImapService, line: Line) -> None:
        self._service = service
        self._line = line
        self._hidden: frozenset[str] = frozenset()
        """From what calls itself so, whoever logs in."""
        self._name = ""
        self._masked: frozenset[str] = frozenset()
        """What is hidden now: mostly nothing, and then there is nothing to do."""

    def identify(self, command: Id, session: Session | None) -> None:
        """``session`` where there is one already."""
        self._hidden = hidden_from(self._service.masks, command.fields)
        said = dict(command.fields)
        self._name = " ".join(filter(None, (said.get("name"), said.get("version"))))
        self.meet(session)

    def forget(self) -> None:
        """RFC 3501 §6.2.1: nothing that was said before TLS counts."""
        self._hidden, self._name = frozenset(), ""
        self._masked = frozenset()

    def meet(self, session: Session | None) -> None:
        """Hide what this client or its account chokes on, and note which client it is."""
        connection = self._line.connection
        hidden = self._hidden
        if session is not None:
            # Set by the account's administrator.
            hidden |= capability_names(session.account.settings.get(HIDDEN_CAPABILITIES, ""))
        if hidden != self._masked:
            connection.mask(hidden)
            self._masked = hidden
        if session is None:
            return
        if session.terms.offered != connection.offered:
            session.speak(replace(session.terms, offered=connection.offered))
        if self._name:
            self._service.collaborators.login.client_named(session.account, self._line.peer, "imap", self._name)
