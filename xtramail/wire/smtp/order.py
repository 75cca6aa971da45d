"""The order of SMTP commands (RFC 5321 §4.1.4), as one table.

Owns which command may come when and where it leads if it is answered positively; what is not in the table is a bad
sequence.
"""

from __future__ import annotations

from enum import Enum, auto

from xtramail.model.outcome import Reply
from xtramail.wire.smtp import codes


class State(Enum):
    CONNECTED = auto()
    """Nothing said yet: the greeting waits."""
    GREETED = auto()
    """No EHLO yet, or forgotten because TLS began."""
    READY = auto()
    """No transaction."""
    MAIL = auto()
    """A sender, no accepted recipient."""
    RCPT = auto()
    """At least one accepted recipient."""
    DATA = auto()
    """Reading text until CRLF.CRLF."""
    CHUNKS = auto()
    """Between or inside BDAT chunks."""
    SPOILT = auto()
    """A BDAT failed: only RSET, EHLO or QUIT lead on (RFC 3030 §2)."""
    TLS = auto()
    """The go-ahead for TLS is given."""
    CLOSED = auto()


_ANY: dict[str, State] = {"EHLO": State.READY, "HELO": State.READY, "RSET": State.READY, "QUIT": State.CLOSED}

ORDER: dict[State, dict[str, State]] = {
    State.GREETED: {"EHLO": State.READY, "HELO": State.READY, "RSET": State.GREETED, "QUIT": State.CLOSED},
    State.READY: _ANY | {"MAIL": State.MAIL, "STARTTLS": State.TLS, "AUTH": State.READY},
    State.MAIL: _ANY | {"RCPT": State.RCPT},
    State.RCPT: _ANY | {"RCPT": State.RCPT, "DATA": State.DATA, "BDAT": State.CHUNKS},
    State.CHUNKS: _ANY | {"BDAT": State.CHUNKS},
    State.SPOILT: _ANY,
}


def out_of_order(state: State, verb: str) -> Reply:
    """The 503 that tells what is missing."""
    if state is State.GREETED:
        return codes.HELLO_FIRST
    if state is State.SPOILT:
        return codes.CHUNKS_SPOILT
    if verb == "MAIL":
        return codes.NESTED_MAIL
    if state is State.READY:
        return codes.MAIL_FIRST
    if state is State.MAIL and verb in ("DATA", "BDAT"):
        return codes.RCPT_FIRST
    return codes.NOT_NOW
