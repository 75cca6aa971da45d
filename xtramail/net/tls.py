"""TLS of the server: contexts that choose by name, resume sessions, and are swapped while connections live.

Owns cipher suites, protocol versions, ALPN, session tickets, and when the certificate folder is looked at again. The
certificates are ``certificate_store.py``'s; the handshake's time limit is the listener's; our own TLS towards primaries
is ``tls_client.py``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from socket import socket
from typing import Any

from OpenSSL import SSL
from twisted.application.service import Service
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from xtramail.net.certificate_store import CertificateStore, Fault
from xtramail.net.certificates import CertificateFault, Identity, present

# Forward secrecy and authenticated encryption only; TLS 1.3's own suites all have both.
SERVER_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"

# Of TLS 1.3's suites the one that every peer has (RFC 8446 §9.1) first: it costs least, and its key is no weaker than
# the exchange that made it.
SERVER_SUITES = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

# A page that makes a browser talk to a mail port shows itself by these (ALPACA).
BROWSER_PROTOCOLS = frozenset({b"http/0.9", b"http/1.0", b"http/1.1", b"h2", b"h2c", b"h3"})

_OPTIONS = (
    SSL.OP_NO_RENEGOTIATION
    | SSL.OP_NO_COMPRESSION
    | SSL.OP_CIPHER_SERVER_PREFERENCE
    | SSL.OP_SINGLE_ECDH_USE
    # Mail protocols mark their own ends; peers that just close are not attackers.
    | SSL.OP_IGNORE_UNEXPECTED_EOF
)

_PARTIAL_WRITE = 0x1
"""SSL_MODE_ENABLE_PARTIAL_WRITE, which pyOpenSSL sets and has no name for."""
_AUTO_RETRY = 0x4
"""SSL_MODE_AUTO_RETRY: read on behind a record without text."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerContexts:
    """Makes the TLS side of accepted connections; give it to ``startTLS``, or to TLSMemoryBIOFactory for Twisted's own.

    ``alpn`` are the protocols offered (``imap``, ``pop3``, ``smtp``; RFC 7301 registry). ``tickets`` False keeps
    sessions on our side instead, for senders that fail on tickets.
    """

    def __init__(
        self,
        certificates: CertificateStore,
        *,
        alpn: tuple[bytes, ...],
        tickets: bool = True,
        lifetime: float = 43_200.0,
        asks: Callable[[], bool] = lambda: False,
    ) -> None:
        """``asks()``: whether the next client is asked for a certificate. It may have none, and any will do: whom it
        convinces is not decided here."""
        self._certificates = certificates
        self._asks = asks
        self._alpn = alpn
        self._tickets = tickets
        self._lifetime = lifetime
        self._default: SSL.Context | None = None

    def renew(self) -> SSL.Context:
        """From the next connection on: today's certificates and fresh ticket keys. Old connections live on.

        Gives the default context. Raises CertificateFault when there is nothing to serve, or OpenSSL refuses it; then
        all stays as it was.
        """
        by_identity: dict[Identity, SSL.Context] = {}
        first = self._certificates.default()
        default = self._context(first)

        def choose(connection: SSL.Connection) -> None:
            name = connection.get_servername()
            identity = self._certificates.for_host(name.decode("ascii", "replace")) if name else None
            if identity is None or identity is first:
                # RFC 6066 §3 allows an alert, but senders give up on it: the default certificate serves them.
                return
            context = by_identity.get(identity)
            if context is None:
                context = by_identity[identity] = self._context(identity)
            connection.set_context(context)

        if len(self._certificates.identities) > 1:
            # Where there is nothing to choose, nobody is asked: pyOpenSSL's way to us is 2 % of a login.
            default.set_tlsext_servername_callback(choose)
        self._default = default
        return default

    def _context(self, identity: Identity) -> SSL.Context:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(_OPTIONS if self._tickets else _OPTIONS | SSL.OP_NO_TICKET)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        # One call for many records; what is not taken is offered again unchanged.
        context.clear_mode(_PARTIAL_WRITE)
        context.set_cipher_list(SERVER_CIPHERS)
        context.set_tls13_ciphersuites(SERVER_SUITES)
        # One id for all contexts: a session begun under the default one goes on after the choice by name.
        context.set_session_id(b"xtramail")
        context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
        context.set_timeout(int(self._lifetime))
        context.set_alpn_select_callback(self._select)
        present(context, identity.chain, identity.key, identity.certificate_file)
        return context

    def _select(self, _connection: SSL.Connection, offered: list[bytes]) -> Any:
        for protocol in self._alpn:
            if protocol in offered:
                return protocol
        if not BROWSER_PROTOCOLS.isdisjoint(offered):
            return b""
        return SSL.NO_OVERLAPPING_PROTOCOLS

    def on_socket(self, accepted: socket) -> SSL.Connection:
        """``socket_transport`` asks this for each accepted connection."""
        connection = self._made(accepted)
        connection.set_accept_state()
        _read_one_record_a_call(connection)
        return connection

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """Twisted's own TLS asks this."""
        return self._made(None)

    def _made(self, accepted: socket | None) -> SSL.Connection:
        connection = SSL.Connection(self._default or self.renew(), accepted)
        if self._asks():
            connection.set_verify(SSL.VERIFY_PEER, _any_will_do)
        return connection


def _read_one_record_a_call(connection: SSL.Connection) -> None:
    """Who sends KeyUpdates without end must not keep us in one call for a second: the reactor calls again for what is
    left in the socket. (For what Twisted's own TLS keeps in memory nobody would.)

    pyOpenSSL has no public way to SSL_MODE_AUTO_RETRY. A version without this one is slower to turn to the others.
    """
    clear: Callable[[Any, int], int] | None = getattr(getattr(SSL, "_lib", None), "SSL_clear_mode", None)
    if clear is not None and hasattr(connection, "_ssl"):
        clear(connection._ssl, _AUTO_RETRY)


def _any_will_do(*_: object) -> bool:
    return True


class TlsService(Service):
    """Looks at the certificate folder, renews contexts when it changed and when ticket keys are old.

    ``check`` and ``rotate`` in seconds. ``reactor`` gives time (IReactorTime), ``now`` the wall clock. ``on_reload`` is
    told each time the folder was read, with the identities served and the faults found; ``on_error`` of a bug.
    """

    def __init__(
        self,
        certificates: CertificateStore,
        *,
        reactor: Any,
        now: Callable[[], float],
        check: float = 30.0,
        rotate: float = 43_200.0,
        on_reload: Callable[[tuple[Identity, ...], tuple[Fault, ...]], None],
    ) -> None:
        self._certificates = certificates
        self._now = now
        self._check = check
        self._rotate = rotate
        self._on_reload = on_reload
        self._contexts: list[ServerContexts] = []
        self._loops = [LoopingCall(self.look), LoopingCall(self.renew)]
        for loop in self._loops:
            loop.clock = reactor

    def contexts(
        self, *, alpn: tuple[bytes, ...], tickets: bool = True, asks: Callable[[], bool] = lambda: False
    ) -> ServerContexts:
        """Contexts for one kind of listener, renewed as long as this service runs."""
        made = ServerContexts(
            self._certificates, alpn=alpn, tickets=tickets, lifetime=self._rotate, asks=asks
        )
        self._contexts.append(made)
        return made

    def startService(self) -> None:
        """Read the folder (CertificateFault when it has nothing to serve) and begin to watch it."""
        super().startService()  # type: ignore[no-untyped-call]
        self.reload()
        self._certificates.default()
        for loop, interval in zip(self._loops, (self._check, self._rotate), strict=True):
            loop.start(interval, now=False)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        for loop in self._loops:
            if loop.running:
                loop.stop()

    def look(self) -> None:
        """Read the folder again if any file changed."""
        if self._certificates.changed():
            self.reload()

    def reload(self) -> None:
        """Read the folder again (SIGHUP). A bad file keeps the old certificate and is told to ``on_reload``."""
        faults = self._certificates.reload(self._now())
        self._on_reload(self._certificates.identities, faults)
        if self._certificates.identities:
            self.renew()

    def renew(self) -> None:
        """Fresh contexts: pyOpenSSL has no call for ticket keys, but a new context brings new ones."""
        for contexts in self._contexts:
            try:
                contexts.renew()
            except CertificateFault as fault:
                default = self._certificates.default()
                found = Fault(default.certificate_file, fault.text, "the old context is served")
                self._on_reload(self._certificates.identities, (found,))
