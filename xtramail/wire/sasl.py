"""SASL PLAIN and LOGIN, both sides, for SMTP, IMAP and POP3.

Owns the exchange and base64; not where a mechanism is offered (TLS only: the protocols' engines) nor whether a
password is right (``directory/login``).
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass

from xtramail.model.secret import Secret
from xtramail.wire.errors import ProtocolError

MECHANISMS = ("PLAIN", "LOGIN")
"""No SCRAM: one verifier cannot serve several device passwords."""

_MOST_OCTETS = 1024
"""Of a user name or password; real ones are far shorter."""


class SaslError(ProtocolError):
    """The exchange is malformed: SMTP 501 5.5.2, IMAP BAD, POP3 -ERR."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """``line``: base64 to send after the protocol's own prefix (``334 ``, ``+ ``), without CRLF; may be empty."""

    line: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """The outcome of a complete exchange; the name is not yet looked up."""

    mechanism: str
    authcid: str
    password: Secret


@dataclass(frozen=True, slots=True)
class Aborted:
    """The client sent ``*`` (RFC 4954 §4, RFC 9051 §6.2.2)."""


class SaslServerExchange:
    """One exchange. ``start`` once, then ``respond`` with each line (without CRLF) until Credentials or Aborted.

    Both raise SaslError on malformed input; the exchange is then over.
    """

    __slots__ = ("_authcid", "_mechanism")

    def __init__(self, mechanism: str) -> None:
        """``mechanism`` in any case; KeyError-free check with :func:`known` first, else SaslError."""
        self._mechanism = mechanism.upper()
        if self._mechanism not in MECHANISMS:
            raise SaslError("unknown mechanism")
        self._authcid: str | None = None

    def start(self, initial: bytes | None) -> Challenge | Credentials | Aborted:
        """``initial`` is the initial response in base64 (``=`` for an empty one), or None when there was none."""
        if initial is not None:
            return self.respond(b"" if initial == b"=" else initial)
        if self._mechanism == "LOGIN":
            # Outlook compares these two challenges letter by letter.
            return Challenge(line=encode(b"Username:"))
        return Challenge(line=b"")

    def respond(self, line: bytes) -> Challenge | Credentials | Aborted:
        """The client's next line in base64, or ``*``."""
        if line == b"*":
            return Aborted()
        octets = decode(line)
        if self._mechanism == "PLAIN":
            return parse_plain(octets)
        if self._authcid is None:
            self._authcid = _name(octets)
            return Challenge(line=encode(b"Password:"))
        return Credentials(mechanism="LOGIN", authcid=self._authcid, password=_password(octets))


def known(mechanism: str) -> bool:
    """Is this a mechanism that is spoken here? Any case."""
    return mechanism.upper() in MECHANISMS


def parse_plain(octets: bytes) -> Credentials:
    """``[authzid] NUL authcid NUL passwd`` (RFC 4616 §2); authzid must be empty or equal authcid: nobody acts for
    another.
    """
    parts = octets.split(b"\0")
    if len(parts) != 3:
        raise SaslError("PLAIN wants [authzid] NUL authcid NUL passwd")
    authzid, authcid, password = parts
    if authzid and authzid != authcid:
        raise SaslError("authzid differs from authcid")
    return Credentials(mechanism="PLAIN", authcid=_name(authcid), password=_password(password))


def plain_message(authcid: str, password: Secret) -> bytes:
    """The client's PLAIN message, in base64."""
    return encode(f"\0{authcid}\0{password.reveal()}".encode())


def encode(octets: bytes) -> bytes:
    """Base64 in one line."""
    return binascii.b2a_base64(octets, newline=False)


def decode(line: bytes) -> bytes:
    """Strict base64 (RFC 4648 §3.3: no other characters); SaslError otherwise."""
    try:
        return binascii.a2b_base64(line, strict_mode=True) if line else b""
    except binascii.Error:
        raise SaslError("not base64") from None


def _name(octets: bytes) -> str:
    name = _text(octets)
    # A control character in a user name is an attempt to write into logs or keys.
    if not name or any(ord(c) < 32 or ord(c) == 127 for c in name):
        raise SaslError("user name is empty or has control characters")
    return name


def _password(octets: bytes) -> Secret:
    if b"\0" in octets:
        raise SaslError("password has a NUL")
    return Secret(_text(octets))


def _text(octets: bytes) -> str:
    if len(octets) > _MOST_OCTETS:
        raise SaslError("user name or password is too long")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise SaslError("user name or password is not UTF-8") from None
