"""The usual answer to each event that waits, and which codes are a yes to it.

Owns the words a server says when policy has nothing to add: greeting, EHLO's list of extensions, the 250s.
"""

from __future__ import annotations

from typing import assert_never

from xtramail.model.outcome import Reply
from xtramail.wire import sasl
from xtramail.wire.smtp import codes
from xtramail.wire.smtp.events import (
    Auth,
    AuthAborted,
    Connected,
    DataEnd,
    DataStart,
    Hello,
    MailFrom,
    Quit,
    RcptTo,
    Reset,
    StartTls,
    Waiting,
)
from xtramail.wire.smtp.server_config import Role, SmtpServerConfig

POSITIVE: dict[type, tuple[int, ...]] = {
    Connected: (220,),
    Hello: (250,),
    MailFrom: (250,),
    RcptTo: (250, 251),
    DataStart: (354,),
    DataEnd: (250,),
    StartTls: (220,),
    Auth: (235,),
    AuthAborted: (),
    Reset: (250,),
    Quit: (221,),
}
"""Codes that answer an event with yes (RFC 5321 §4.3.2); any 4xx or 5xx is a no, and nothing else is an answer."""


def usual_reply(event: Waiting, config: SmtpServerConfig, *, tls_active: bool) -> Reply:
    """The positive answer; 501 for AuthAborted."""
    match event:
        case Connected():
            # RFC 5321 §3.1; names no software.
            return Reply.of(220, "", f"{config.hostname} {'LMTP' if config.role is Role.LMTP else 'ESMTP'}")
        case Hello():
            return hello_reply(config, extended=event.extended, tls_active=tls_active)
        case MailFrom():
            return codes.SENDER_OK
        case RcptTo():
            return codes.RECIPIENT_OK
        case DataStart():
            return codes.GO_AHEAD
        case DataEnd():
            return codes.ACCEPTED
        case StartTls():
            return codes.TLS_GO_AHEAD
        case Auth():
            return codes.AUTHENTICATED
        case AuthAborted():
            return codes.AUTH_ABORTED
        case Reset():
            return codes.RESET
        case Quit():
            return codes.BYE
        case _:
            assert_never(event)


def hello_reply(config: SmtpServerConfig, *, extended: bool, tls_active: bool) -> Reply:
    """Name and, for EHLO, extensions; no enhanced code (RFC 2034 §4)."""
    if not extended:
        return Reply.of(250, "", config.hostname)
    lines = [
        config.hostname,
        "PIPELINING",
        f"SIZE {config.size_limit}",
        "8BITMIME",
        "ENHANCEDSTATUSCODES",
        "CHUNKING",
        "SMTPUTF8",
        "DSN",
    ]
    if config.tls_available and not tls_active:
        lines.append("STARTTLS")
    if config.role is Role.SUBMISSION and tls_active:
        lines.append("AUTH " + " ".join(sasl.MECHANISMS))
    return Reply(code=250, enhanced="", lines=tuple(lines))
