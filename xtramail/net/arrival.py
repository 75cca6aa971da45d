"""A connection as it arrives: how its socket is set, who is at the other end, and under which TLS."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.interfaces import ITCPTransport

from xtramail.model.certificate import ClientCertificate
from xtramail.model.peer import Peer, plain_address


def arrived(transport: Any) -> Peer:
    """Set the socket for dialogues; the peer, without TLS. ``transport`` is an ITransport."""
    if ITCPTransport.providedBy(transport):
        # An answer is complete when it is written: waiting for more of it only adds round trips.
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
    host = transport.getPeer()
    return Peer(address=plain_address(getattr(host, "host", "")), port=getattr(host, "port", 0))


def tls_text(transport: Any) -> str:
    """Version and cipher, once the handshake is completed."""
    handle = transport.getHandle()
    return f"{handle.get_protocol_version_name()} {handle.get_cipher_name()}"


def certificate_shown(transport: Any) -> ClientCertificate | None:
    """What the client showed in its handshake; None where it was not asked or had none."""
    handle = transport.getHandle()
    own = handle.get_peer_certificate(as_cryptography=True)
    if own is None:
        return None
    # A resumed session knows the certificate and has forgotten its chain.
    chain = handle.get_peer_cert_chain(as_cryptography=True) or []
    others = [one for one in chain if one != own]
    return ClientCertificate(chain=tuple(one.public_bytes(Encoding.DER) for one in (own, *others)))
