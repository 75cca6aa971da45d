"""States of an IMAP connection (RFC 3501 §3) as literal tables: which command when, and where its answer leads."""

from __future__ import annotations

from enum import Enum

from xtramail.wire.imap import commands
from xtramail.wire.imap.commands import Command
from xtramail.wire.imap.status import Outcome


class State(Enum):
    """RFC 3501 §3."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logout"


_ANY = frozenset({b"CAPABILITY", b"ID", b"LOGOUT", b"NOOP"})
_AUTHENTICATED = _ANY | {
    b"APPEND",
    b"CREATE",
    b"DELETE",
    b"ENABLE",
    b"EXAMINE",
    b"IDLE",
    b"LIST",
    b"LSUB",
    b"NAMESPACE",
    b"RENAME",
    b"SELECT",
    b"STATUS",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
}

# What is not here is a bad sequence.
ALLOWED: dict[State, frozenset[bytes]] = {
    State.NOT_AUTHENTICATED: _ANY | {b"AUTHENTICATE", b"LOGIN", b"STARTTLS"},
    State.AUTHENTICATED: _AUTHENTICATED,
    State.SELECTED: _AUTHENTICATED
    | {b"CHECK", b"CLOSE", b"COPY", b"EXPUNGE", b"FETCH", b"MOVE", b"SEARCH", b"STORE", b"UID", b"UNSELECT"},
    State.LOGOUT: frozenset(),
}

COMMAND_WORDS: frozenset[bytes] = ALLOWED[State.NOT_AUTHENTICATED] | ALLOWED[State.SELECTED]

# A failed SELECT leaves no mailbox selected (RFC 3501 §6.3.1). What is not here keeps its state.
AFTER: dict[tuple[type[Command], Outcome], State] = {
    (commands.Login, Outcome.OK): State.AUTHENTICATED,
    (commands.Authenticate, Outcome.OK): State.AUTHENTICATED,
    (commands.Select, Outcome.OK): State.SELECTED,
    (commands.Select, Outcome.NO): State.AUTHENTICATED,
    (commands.Examine, Outcome.OK): State.SELECTED,
    (commands.Examine, Outcome.NO): State.AUTHENTICATED,
    (commands.Close, Outcome.OK): State.AUTHENTICATED,
    (commands.Unselect, Outcome.OK): State.AUTHENTICATED,
    (commands.Logout, Outcome.OK): State.LOGOUT,
}
