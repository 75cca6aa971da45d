"""The states of RFC 1939 §3 and what may be said in each, as one table; what is not in it is a bad sequence."""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    AUTHORIZATION = auto()
    NAMED = auto()
    """USER was said: PASS may follow (RFC 1939 §7)."""
    TRANSACTION = auto()
    UPDATE = auto()
    """QUIT after a login: the deletions are being made."""
    TLS = auto()
    """The go-ahead for TLS is given."""
    CLOSED = auto()


_BEFORE_LOGIN: dict[str, State] = {
    "CAPA": State.AUTHORIZATION,
    "USER": State.NAMED,
    "AUTH": State.TRANSACTION,
    "STLS": State.TLS,
    "QUIT": State.CLOSED,
}

ORDER: dict[State, dict[str, State]] = {
    State.AUTHORIZATION: _BEFORE_LOGIN,
    State.NAMED: _BEFORE_LOGIN | {"CAPA": State.NAMED, "PASS": State.TRANSACTION},
    State.TRANSACTION: {
        **dict.fromkeys(("CAPA", "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "RSET", "NOOP"), State.TRANSACTION),
        "QUIT": State.UPDATE,
    },
}
"""Where each command leads when it is answered +OK; a refused login leads back to AUTHORIZATION."""
