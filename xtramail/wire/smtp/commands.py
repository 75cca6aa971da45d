"""One function for each SMTP command: what it means in this session, or why it is refused.

Owns the checks of RFC 5321 §4.1 and of each extension that come before policy, in the order in which they are told. The
functions read the session and change nothing; ``server`` does what they say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from xtramail.model.outcome import Reply
from xtramail.wire import sasl
from xtramail.wire.lines import LineFault
from xtramail.wire.smtp import codes, grammar
from xtramail.wire.smtp.events import DataStart, Hello, MailFrom, Quit, RcptTo, Reset, StartTls, Waiting
from xtramail.wire.smtp.grammar import BadCommand
from xtramail.wire.smtp.order import ORDER, State, out_of_order
from xtramail.wire.smtp.server_config import Role
from xtramail.wire.smtp.session import Session


@dataclass(frozen=True, slots=True)
class LoginBegun:
    """AUTH may start; ``initial`` is the initial response in base64, None when there was none."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class ChunkCame:
    """``octets`` of text follow; with a ``refusal`` they are read away."""

    octets: int
    last: bool
    refusal: Reply | None


@dataclass(frozen=True, slots=True)
class Spoilt:
    """The open message is void (RFC 3030 §2)."""

    reply: Reply


Meaning: TypeAlias = Waiting | Reply | LoginBegun | ChunkCame | Spoilt
Command: TypeAlias = Callable[[Session, bytes, bool], Meaning]
"""Of session, arguments, and whether more bytes wait behind the line."""


def _ordered(session: Session, verb: str) -> None:
    if verb not in ORDER[session.state]:
        raise BadCommand(out_of_order(session.state, verb))


def _ehlo(session: Session, arguments: bytes, _more: bool) -> Meaning:
    return _hello(session, arguments, extended=True)


def _helo(session: Session, arguments: bytes, _more: bool) -> Meaning:
    return _hello(session, arguments, extended=False)


def _hello(session: Session, arguments: bytes, *, extended: bool) -> Meaning:
    # RFC 2033 §4.1: whoever greets so takes us for what we are not, and would read one answer where there are many.
    if session.config.role is Role.LMTP:
        return codes.SAY_LHLO
    return Hello(name=grammar.parse_hello(arguments), extended=extended)


def _lhlo(session: Session, arguments: bytes, _more: bool) -> Meaning:
    if session.config.role is not Role.LMTP:
        return codes.UNKNOWN_COMMAND
    return Hello(name=grammar.parse_hello(arguments), extended=True)


def _mail(session: Session, arguments: bytes, _more: bool) -> Meaning:
    _ordered(session, "MAIL")
    if session.config.role is Role.SUBMISSION and not (session.authenticated or session.trusted):
        return codes.LOGIN_FIRST if session.tls_active else codes.TLS_FIRST
    path = grammar.parse_mail(arguments)
    if path.size is not None and path.size > session.config.size_limit:
        return codes.TOO_LARGE
    return MailFrom(path=path)


def _rcpt(session: Session, arguments: bytes, _more: bool) -> Meaning:
    _ordered(session, "RCPT")
    path = grammar.parse_rcpt(arguments, smtputf8=session.smtputf8)
    if session.accepted >= session.config.recipients_limit:
        return codes.TOO_MANY_RECIPIENTS
    return RcptTo(path=path)


def _data(session: Session, arguments: bytes, more: bool) -> Meaning:
    if session.state is State.CHUNKS:
        # DATA and BDAT do not mix in one transaction.
        return Spoilt(reply=codes.NOT_NOW)
    refusal = codes.NO_ARGUMENTS if arguments else _no_text(session, "DATA")
    if refusal is None:
        return DataStart(chunking=False)
    if more:
        # The text came with the command; it must not be obeyed as commands.
        raise BadCommand(codes.DATA_PIPELINED, closing="text before the go-ahead")
    return refusal


def _bdat(session: Session, arguments: bytes, _more: bool) -> Meaning:
    try:
        octets, last = grammar.parse_bdat(arguments)
    except BadCommand as bad:
        # Without a count nobody can tell where the text ends and commands begin again.
        raise BadCommand(bad.reply, closing="malformed BDAT") from None
    if octets > 2 * session.config.size_limit:
        raise BadCommand(codes.TOO_LARGE, closing="message far too large")
    return ChunkCame(octets=octets, last=last, refusal=_no_text(session, "BDAT"))


def _no_text(session: Session, verb: str) -> Reply | None:
    """Why no text may come now, or None when it may."""
    # RFC 2033 §4.2 wants 503 in any case.
    if session.state is State.MAIL and session.declined and session.config.role is not Role.LMTP:
        return codes.NO_VALID_RECIPIENTS
    return None if verb in ORDER[session.state] else out_of_order(session.state, verb)


def _starttls(session: Session, arguments: bytes, more: bool) -> Meaning:
    if arguments:
        return codes.NO_ARGUMENTS
    if session.tls_active:
        return codes.TLS_ALREADY
    if not session.config.tls_available:
        return codes.NOT_OFFERED
    _ordered(session, "STARTTLS")
    if more:
        raise BadCommand(codes.TLS_PIPELINED, closing="plain text behind STARTTLS")
    return StartTls()


def _auth(session: Session, arguments: bytes, _more: bool) -> Meaning:
    if session.config.role is not Role.SUBMISSION:
        return codes.AUTH_NOT_HERE
    if not session.tls_active:
        return codes.AUTH_NEEDS_TLS
    if session.authenticated:
        return codes.AUTH_ALREADY
    _ordered(session, "AUTH")
    words = arguments.split()
    if not 1 <= len(words) <= 2:
        return codes.AUTH_MALFORMED
    mechanism = words[0].decode("ascii", "replace")
    if not sasl.known(mechanism):
        return codes.AUTH_MECHANISM
    return LoginBegun(mechanism=mechanism, initial=words[1] if len(words) == 2 else None)


def _rset(_session: Session, _arguments: bytes, _more: bool) -> Meaning:
    return Reset()


def _quit(_session: Session, _arguments: bytes, _more: bool) -> Meaning:
    return Quit()


def _noop(_session: Session, _arguments: bytes, _more: bool) -> Meaning:
    return codes.NOOP


def _help(_session: Session, _arguments: bytes, _more: bool) -> Meaning:
    return codes.HELP


def _vrfy(_session: Session, arguments: bytes, _more: bool) -> Meaning:
    # RFC 5321 §7.3: who exists is nobody's business.
    return codes.VRFY if arguments else codes.VRFY_SYNTAX


def _not_offered(_session: Session, _arguments: bytes, _more: bool) -> Meaning:
    return codes.NOT_OFFERED


COMMANDS: dict[str, Command] = {
    "EHLO": _ehlo,
    "HELO": _helo,
    "LHLO": _lhlo,
    "MAIL": _mail,
    "RCPT": _rcpt,
    "DATA": _data,
    "BDAT": _bdat,
    "RSET": _rset,
    "QUIT": _quit,
    "STARTTLS": _starttls,
    "AUTH": _auth,
    "NOOP": _noop,
    "HELP": _help,
    "VRFY": _vrfy,
    "EXPN": _not_offered,
    "ETRN": _not_offered,
    "TURN": _not_offered,
}

IDLE = frozenset({"EHLO", "HELO", "LHLO", "RSET", "STARTTLS", "AUTH", "NOOP", "HELP", "VRFY", "EXPN", "ETRN", "TURN"})
"""Commands that bring no mail nearer."""

# Browsers can be made to post to a mail port (ALPACA); the first word of a request or of its fields gives them away.
HTTP = frozenset({"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE", "PRI"})

# What is said to a line that is none, and why the dialogue ends, if it does.
LINE_FAULTS: dict[LineFault, tuple[Reply, str]] = {
    LineFault.TOO_LONG: (codes.LINE_TOO_LONG, ""),
    LineFault.ENDLESS: (codes.LINE_TOO_LONG, "endless line"),
    LineFault.BAD_OCTETS: (codes.BAD_OCTETS, "bare CR, bare LF or NUL in a command"),
}
