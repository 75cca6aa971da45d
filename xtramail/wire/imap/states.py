"""States of an IMAP connection (RFC 3501 §3) as literal tables: which command when, and where its answer leads."""

from __future__ import annotations

from enum import Enum

from xtramail.wire.imap import commands
from xtramail.wire.imap.commands import Command


class State(Enum):
    """RFC 3501 §3."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logout"

    # A member is one object; the enumeration's own hash is two calls of Python for each command that is answered.
    __hash__ = object.__hash__


_ANY = frozenset({b"CAPABILITY", b"ID", b"LOGOUT", b"NOOP"})
_AUTHENTICATED = _ANY | {
    b"APPEND",
    b"COMPRESS",
    b"CREATE",
    b"DELETE",
    b"ENABLE",
    b"EXAMINE",
    b"GETQUOTA",
    b"GETQUOTAROOT",
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
    | {b"CHECK", b"CLOSE", b"COPY", b"EXPUNGE", b"FETCH", b"MOVE", b"SEARCH", b"STORE", b"UID", b"UNSELECT"}
    | {b"REPLACE", b"SORT", b"THREAD"},
    State.LOGOUT: frozenset(),
}

COMMAND_WORDS: frozenset[bytes] = ALLOWED[State.NOT_AUTHENTICATED] | ALLOWED[State.SELECTED]

# Where an answer leads; what is in neither table keeps its state.
AFTER_OK: dict[type[Command], State] = {
    commands.Login: State.AUTHENTICATED,
    commands.Authenticate: State.AUTHENTICATED,
    commands.Select: State.SELECTED,
    commands.Examine: State.SELECTED,
    commands.Close: State.AUTHENTICATED,
    commands.Unselect: State.AUTHENTICATED,
    commands.Logout: State.LOGOUT,
}
# A failed SELECT leaves no mailbox selected (RFC 3501 §6.3.1).
AFTER_NO: dict[type[Command], State] = {
    commands.Select: State.AUTHENTICATED,
    commands.Examine: State.AUTHENTICATED,
}
