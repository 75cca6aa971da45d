"""One AUTHENTICATE dialogue (RFC 3501 §6.2.2, RFC 4959): SASL put into IMAP's continuation lines.

Owns how the exchange is spoken in IMAP. The mechanisms are ``wire/sasl``'s; whether it may begin is ``server``'s.
"""

from __future__ import annotations

from xtramail.wire.imap.commands import Authenticate
from xtramail.wire.imap.faults import BadSyntax, Declined
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.sasl import Aborted, Challenge, Credentials, SaslError, SaslServerExchange


def read_authenticate(
    cursor: Cursor, tag: bytes, mechanisms: tuple[str, ...], offered: frozenset[str]
) -> tuple[Authentication, bytes | None]:
    """``AUTHENTICATE mechanism [SP initial-response]`` (RFC 3501 §6.2.2, RFC 4959 §3): the dialogue, and what it
    starts with. BadSyntax; Declined for a mechanism that is not in ``mechanisms``."""
    cursor.space()
    mechanism = cursor.word().decode("ascii")
    initial: bytes | None = None
    if cursor.take(b" "):
        initial = cursor.octets[cursor.at :]
        if "SASL-IR" not in offered:
            raise BadSyntax("SASL-IR is not offered")
    if mechanism not in mechanisms:
        raise Declined("Mechanism is not offered", b"CANNOT")
    return Authentication(tag, mechanism), initial


class Authentication:
    """``start`` once, then ``respond`` with each line; both give a continuation line to write, or the command.

    Both raise BadSyntax when the client cancels or is malformed: RFC 3501 §6.2.2 wants BAD, and the dialogue is over.
    """

    __slots__ = ("_exchange", "_mechanism", "tag")

    def __init__(self, tag: bytes, mechanism: str) -> None:
        """``mechanism`` in capitals, one that is spoken here."""
        self.tag = tag
        self._mechanism = mechanism
        self._exchange = SaslServerExchange(mechanism)

    def start(self, initial: bytes | None) -> bytes | Authenticate:
        """``initial``: the initial response in base64, ``=`` for an empty one; None when there was none."""
        try:
            return self._step(self._exchange.start(initial))
        except SaslError:
            raise BadSyntax("Malformed SASL response") from None

    def respond(self, line: bytes) -> bytes | Authenticate:
        try:
            return self._step(self._exchange.respond(line))
        except SaslError:
            raise BadSyntax("Malformed SASL response") from None

    def _step(self, step: Challenge | Credentials | Aborted) -> bytes | Authenticate:
        if isinstance(step, Challenge):
            return b"+ " + step.line + b"\r\n"
        if isinstance(step, Credentials):
            return Authenticate(tag=self.tag, mechanism=self._mechanism, user=step.authcid, password=step.password)
        raise BadSyntax("Authentication cancelled")
