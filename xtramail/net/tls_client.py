"""Our TLS towards primaries, smarthosts and mail exchangers.

Owns how much is asked of the peer's certificate; the words for what is wrong with it are ``peer_names``' and
``dane``'s. Whether a connection without TLS will do is the courier's decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from OpenSSL import SSL
from OpenSSL.crypto import X509, X509StoreFlags
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from zope.interface import implementer

from xtramail.model.host import is_address
from xtramail.net.certificates import CertificateFault
from xtramail.net.dane import dane_fault
from xtramail.net.peer_names import chain_fault, name_fault
from xtramail.wire.dns.answer import Tlsa


class TlsMode(StrEnum):
    """What a route asks for; the words of ``--primary-tls``."""

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    """When it is offered; any certificate will do (RFC 7435)."""
    REQUIRED = "required"
    """No mail without it; any certificate will do."""
    VERIFY = "verify"
    """No mail without a certificate whose chain and name are good."""


# Unverified TLS is better than none, so it takes what old servers have; the least is TLS 1.2 all the same.
_UNVERIFIED_CIPHERS = b"HIGH:!aNULL:!eNULL:!3DES:!MD5:@SECLEVEL=0"
_VERIFIED_CIPHERS = b"HIGH:!aNULL:!eNULL:!3DES:!MD5:!kRSA"


@implementer(IOpenSSLClientConnectionCreator)
class ClientTls:
    """TLS for one connection to one host; give it to ``startTLS``.

    After a failed handshake ``fault`` says what was wrong with the certificate; empty when it was something else.
    """

    def __init__(self, context: SSL.Context, *, mode: TlsMode, hostname: str) -> None:
        self._context = context
        self._mode = mode
        self._hostname = hostname.rstrip(".")
        self.fault = ""

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        """Twisted asks this when the handshake begins."""
        connection = SSL.Connection(self._context, None)
        if not is_address(self._hostname):
            # RFC 6066 §3: names only, never addresses.
            connection.set_tlsext_host_name(self._hostname.encode("idna" if not self._hostname.isascii() else "ascii"))
        if self._mode is TlsMode.VERIFY:
            connection.set_verify(SSL.VERIFY_PEER, self._judge)
        return connection

    def judge_shown(self, connection: SSL.Connection) -> str:
        """To be asked after the handshake, before anything is said: what is wrong with the peer; empty: nothing."""
        return self.fault

    def _judge(self, _connection: SSL.Connection, certificate: X509, number: int, depth: int, good: int) -> bool:
        """Called for each certificate, the peer's own last: a refusal ends the handshake before any mail is said."""
        if not good:
            self.fault = self.fault or chain_fault(number, certificate)
            return False
        if depth == 0:
            self.fault = name_fault(certificate, (self._hostname,))
        return not self.fault


class DaneTls(ClientTls):
    """The same for a host that is held to TLSA records."""

    def __init__(self, context: SSL.Context, *, records: Sequence[Tlsa], names: Sequence[str]) -> None:
        super().__init__(context, mode=TlsMode.REQUIRED, hostname=names[0])
        self._records = records
        self._names = names

    def judge_shown(self, connection: SSL.Connection) -> str:
        self.fault = dane_fault(connection.get_peer_cert_chain() or (), self._records, self._names)
        return self.fault


class ClientContexts:
    """One context for each kind of trust, made once: reading the machine's trusted authorities takes milliseconds."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[bool, Path | None, int], SSL.Context] = {}

    def for_host(self, hostname: str, *, mode: TlsMode, ca_file: Path | None = None) -> ClientTls:
        """TLS for one new connection to ``hostname`` (a name or an address).

        ``ca_file`` (PEM) replaces the machine's authorities; it may hold the peer's own certificate. Raises
        CertificateFault when it cannot be used, ValueError when ``mode`` is NONE.
        """
        if mode is TlsMode.NONE:
            raise ValueError("no TLS was asked for")
        verified = mode is TlsMode.VERIFY
        return ClientTls(self._context(verified, ca_file if verified else None), mode=mode, hostname=hostname)

    def for_dane(self, records: Sequence[Tlsa], names: Sequence[str]) -> DaneTls:
        """TLS for one new connection to a host with usable TLSA ``records``; ``names`` as Hop has them."""
        # RFC 7672 §3.1: no authority of this machine has a say.
        return DaneTls(self._context(False, None), records=records, names=names)

    def _context(self, verified: bool, trust: Path | None) -> SSL.Context:
        try:
            key = (verified, trust, trust.stat().st_mtime_ns if trust is not None else 0)
            context = self._contexts.get(key)
            if context is None:
                context = self._contexts[key] = _client_context(trust, verified)
        except (OSError, SSL.Error):
            raise CertificateFault(f"{trust}: holds no PEM certificate that can be trusted") from None
        return context


def _client_context(trust: Path | None, verified: bool) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION | SSL.OP_IGNORE_UNEXPECTED_EOF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_cipher_list(_VERIFIED_CIPHERS if verified else _UNVERIFIED_CIPHERS)
    if not verified:
        return context
    if trust is None:
        context.set_default_verify_paths()
    else:
        context.load_verify_locations(str(trust))
        # The file may hold just the primary's certificate, whose issuer nobody has.
        context.get_cert_store().set_flags(X509StoreFlags.PARTIAL_CHAIN)  # type: ignore[union-attr]
    return context
