"""Who has arrived."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.testing import StringTransport

from xtramail.model.peer import Peer
from xtramail.net.arrival import arrived


def transport(peer: Any) -> Any:
    return StringTransport(peerAddress=peer)  # type: ignore[no-untyped-call]


def test_a_peer_has_its_plain_address_and_port() -> None:
    mapped = IPv4Address("TCP", "::ffff:192.0.2.7", 4711)
    assert arrived(transport(mapped)) == Peer(address="192.0.2.7", port=4711)


def test_a_peer_without_an_internet_address_is_nobody() -> None:
    assert arrived(transport(UNIXAddress(None))) == Peer(address="", port=0)
