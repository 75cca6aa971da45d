"""A host that a tenant named is connected to in the world only, wherever its name leads."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.task import Clock

from tests.net.scripted_host import ScriptedHost
from tests.net.test_smtp_client import talking, told
from tests.net.test_smtp_dial import SETTINGS
from xtramail.net.adapter import start
from xtramail.net.outside_addresses import outside_addresses
from xtramail.net.smtp_line import LineLost


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
