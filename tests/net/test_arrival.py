"""Who has arrived."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.testing import StringTransport
from zope.interface import implementer

from xtramail.model.peer import Peer
from xtramail.net.arrival import arrived


def transport(peer: Any) -> Any:
    return StringTransport(peerAddress=peer)  # type: ignore[no-untyped-call]


def test_a_peer_has_its_plain_address_and_port() -> None:
    mapped = IPv4Address("TCP", "::ffff:192.0.2.7", 4711)
    assert arrived(transport(mapped)) == Peer(address="192.0.2.7", port=4711)


def test_a_peer_without_an_internet_address_is_nobody() -> None:
    assert arrived(transport(UNIXAddress(None))) == Peer(address="", port=0)


@implementer(ITCPTransport)
class Socket(StringTransport):
    """Remembers how it was set."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.options: dict[str, bool] = {}

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.options["no delay"] = enabled

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.options["keep alive"] = enabled


def test_a_phone_that_vanishes_in_idle_is_found_out_by_its_socket() -> None:
    socket: Any = Socket()
    arrived(socket)
    assert socket.options == {"no delay": True, "keep alive": True}
