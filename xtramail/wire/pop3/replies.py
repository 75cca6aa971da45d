"""What a POP3 server says: status lines, response codes, capabilities, listings. Every text here is ours, ASCII."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from xtramail.wire.sasl import MECHANISMS

END = b".\r\n"
"""Ends the lines of a multi-line answer."""
_LONGEST = 400
"""RFC 2449 §4 allows 512 octets with everything around the text."""


class Code(StrEnum):
    """Response codes (RFC 2449 §8, RFC 3206)."""

    NONE = ""
    AUTH = "AUTH"
    """The credentials are wrong: asking the user for others helps."""
    TEMPORARY = "SYS/TEMP"
    """Our trouble: trying again later helps, asking the user does not."""
    PERMANENT = "SYS/PERM"


@dataclass(frozen=True, slots=True)
class Reply:
    """The status line of one answer."""

    positive: bool
    text: str
    code: Code = Code.NONE

    @property
    def octets(self) -> bytes:
        status = "+OK" if self.positive else "-ERR"
        code = f" [{self.code}]" if self.code else ""
        clean = "".join(c if " " <= c <= "~" else "?" for c in self.text[:_LONGEST])
        return f"{status}{code} {clean}\r\n".encode("ascii")


def ok(text: str) -> Reply:
    return Reply(positive=True, text=text)


def err(text: str, code: Code = Code.NONE) -> Reply:
    return Reply(positive=False, text=text, code=code)


GREETING = ok("xtramail is ready")
UNKNOWN = err("Unknown command")
NOT_NOW = err("Not now: this command belongs to another state")
NO_ARGUMENTS = err("This command takes no arguments")
BAD_NUMBER = err("Wrong arguments: message numbers begin with 1")
TOO_LONG = err("Line is too long")
BAD_OCTETS = err("Lines end in CRLF and hold no NUL")
TLS_FIRST = err("No login without TLS: say STLS first, or use port 995")
TLS_ALREADY = err("TLS is active already")
TLS_PIPELINED = err("Nothing may follow STLS before TLS is up")
NOT_OFFERED = err("Not offered here")
MECHANISM_UNKNOWN = err("Unknown mechanism")
BAD_LOGIN_SYNTAX = err("Malformed login")
LOGIN_CANCELLED = err("Login cancelled")
NAME_TAKEN = ok("Password?")
DONE = ok("Done")
TOO_MANY_ERRORS = err("Too many errors")
TOO_MANY_IDLE = err("Too many commands that do nothing")


def capabilities(*, tls_active: bool, starttls: bool, logged_in: bool) -> bytes:
    """The whole answer to CAPA (RFC 2449 §5). What only matters before a login is not told after it."""
    lines = ["TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"]
    if not logged_in and tls_active:
        lines += ["USER", f"SASL {' '.join(MECHANISMS)}"]
    if starttls and not tls_active and not logged_in:
        lines.append("STLS")
    lines.append("IMPLEMENTATION xtramail")
    return ok("Capabilities follow").octets + _lines(lines)


def mechanisms() -> bytes:
    """The whole answer to AUTH without a mechanism: no RFC has it, Outlook asks it."""
    return ok("Mechanisms follow").octets + _lines(MECHANISMS)


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("ascii") + END


def scan_line(number: int, what: bytes) -> bytes:
    """One line of a listing: message number and size, or number and unique-id (RFC 1939 §5, §7)."""
    return b"%d %b\r\n" % (number, what)
