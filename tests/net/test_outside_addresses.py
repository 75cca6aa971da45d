"""A host that a tenant named is connected to in the world only, wherever its name leads."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.abstract import isIPAddress
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IReactorPluggableNameResolver
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from zope.interface import implementer

from tests.net.scripted_host import ScriptedHost
from tests.net.test_smtp_client import talking, told
from tests.net.test_smtp_dial import SETTINGS
from xtramail.delivery.courier import Hop
from xtramail.net.adapter import start
from xtramail.net.outside_addresses import outside_addresses
from xtramail.net.smtp_dial import Dialer
from xtramail.net.smtp_line import LineLost
from xtramail.net.tls_client import ClientContexts


class Reactor(Clock):
    """``nameResolver`` says that every host is at ``places``; None: it never answers."""

    def __init__(self, *places: str, silent: bool = False) -> None:
        super().__init__()
        self._places = places
        self._silent = silent
        self.nameResolver = self

    def resolveHostName(self, receiver: Any, name: str) -> None:
        for place in self._places:
            kind = IPv6Address if ":" in place else IPv4Address
            receiver.addressResolved(kind("TCP", place, 0))
        if not self._silent:
            receiver.resolutionComplete()


def found(reactor: Reactor, host: str = "mail.far.example") -> Any:
    results: list[Any] = []
    start(outside_addresses(reactor, host, seconds=5)).addBoth(results.append)
    reactor.advance(6)
    (result,) = results
    return getattr(result, "value", result)


def test_addresses_of_the_world_are_kept_in_their_order() -> None:
    assert found(Reactor("2606:4700::1", "10.0.0.7", "93.184.216.34")) == ["2606:4700::1", "93.184.216.34"]


@pytest.mark.parametrize(
    "place", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "fe80::1%lo",
              "fc00::1", "::ffff:10.0.0.1"],
)  # fmt: skip
def test_those_of_our_own_network_are_not(place: str) -> None:
    lost = found(Reactor(place))
    assert isinstance(lost, LineLost) and "inside-hosts=on" in lost.text


def test_what_is_not_found_or_no_name_is_told() -> None:
    assert found(Reactor()).text == "connect: mail.far.example is not found"
    assert found(Reactor(silent=True)).text == "connect: mail.far.example was not found in 5 s"
    assert "is no host name" in found(Reactor(), "é" * 100).text


@ensureDeferred
async def test_nothing_is_connected_to_where_the_name_leads_here() -> None:
    host = ScriptedHost()
    async with talking(host, SETTINGS) as client:
        carried = await client.send(host="localhost", inside=False)
        assert told(carried) == [("deferred", "connect", 0)]
        assert "localhost leads into this server's own network" in carried.fault and host.connections == 0
        assert told(await client.send(host="localhost"))[0][0] == "delivered"


@implementer(IReactorPluggableNameResolver)
class Rebinding(MemoryReactorClock):
    """A name leads into the world when it is asked for first, and here from then on."""

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = self
        self.asked: list[str] = []

    def installNameResolver(self, resolver: object) -> None: ...

    def resolveHostName(self, receiver: Any, name: str, port: int = 0, **_more: object) -> None:
        self.asked.append(name)
        first = self.asked.count(name) == 1
        place = name if isIPAddress(name) else "93.184.216.34" if first else "127.0.0.1"
        receiver.resolutionBegan(self)
        receiver.addressResolved(IPv4Address("TCP", place, port))
        receiver.resolutionComplete()


def test_what_is_connected_to_is_what_was_looked_at() -> None:
    reactor = Rebinding()
    dialer = Dialer(reactor, settings=SETTINGS, contexts=ClientContexts())
    start(dialer.connect(Hop(host="mail.far.example", port=25, inside=False))).addErrback(lambda _failure: None)
    reactor.advance(1)
    assert [place for place, *_ in reactor.tcpClients] == ["93.184.216.34"]
    assert reactor.asked.count("mail.far.example") == 1
    dialer.cut()
