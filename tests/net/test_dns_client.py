"""Asking a real name server on loopback: what is said, what is not, and what somebody else says."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import gatherResults

from tests.net.name_server import NameServer
from xtramail.delivery.routing import NameServiceDown
from xtramail.net.adapter import deferred
from xtramail.net.dns_client import DnsClient
from xtramail.wire.dns.answer import Address, Answer, MailHost

QUICK = (1.0, 1.0)


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        server.put("far.example", "MX", "10 a.far.example.", "20 b.far.example.").put("a.far.example", "A", "192.0.2.7")
        yield server


async def ask(names: NameServer, name: str, kind: str) -> Answer:
    return await deferred(DnsClient(reactor, [names.place], waits=QUICK).ask(name, kind))


@ensureDeferred
async def test_records_come_with_what_the_server_says_of_dnssec(names: NameServer) -> None:
    found = await ask(names, "far.example", "MX")
    assert set(found.of(MailHost)) == {MailHost(10, "a.far.example"), MailHost(20, "b.far.example")}
    assert not found.secure and found.ttl == 300
    names.secure.add("far.example")
    assert (await ask(names, "a.far.example", "A")).secure
    assert (await ask(names, "a.far.example", "AAAA")).secure


@ensureDeferred
async def test_nothing_there_and_no_such_name_are_answers(names: NameServer) -> None:
    assert (await ask(names, "far.example", "TLSA")).exists
    assert not (await ask(names, "gone.example", "MX")).exists


@ensureDeferred
async def test_servfail_and_silence_are_no_answers(names: NameServer) -> None:
    names.bad.add("far.example MX")
    with pytest.raises(NameServiceDown, match="far.example MX: SERVFAIL"):
        await ask(names, "far.example", "MX")
    names.mute.add("far.example MX")
    with pytest.raises(NameServiceDown, match=r"no answer in 1 s"):
        await ask(names, "far.example", "MX")
    assert names.asked == ["far.example MX"] * 4


@ensureDeferred
async def test_what_is_too_long_comes_over_tcp(names: NameServer) -> None:
    names.cut = True
    assert len((await ask(names, "far.example", "MX")).records) == 2 and names.over_tcp == 1


@ensureDeferred
async def test_guesses_of_others_end_nothing(names: NameServer) -> None:
    names.forged = True
    assert (await ask(names, "a.far.example", "A")).of(Address)


@ensureDeferred
async def test_the_next_server_is_asked_where_one_does_not_listen(names: NameServer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        dead = one.getsockname()
    client = DnsClient(reactor, [dead, names.place], waits=(0.5, 30))
    began = time.monotonic()
    assert (await deferred(client.ask("a.far.example", "A"))).of(Address)
    assert time.monotonic() - began < 15


@ensureDeferred
async def test_hundreds_of_questions_at_once_are_all_answered(names: NameServer) -> None:
    client = DnsClient(reactor, [names.place], waits=(5, 5))
    found = await gatherResults([deferred(client.ask("a.far.example", "A")) for _ in range(300)])
    assert all(answer.of(Address) for answer in found)


@ensureDeferred
async def test_closing_ends_what_is_waited_for(names: NameServer) -> None:
    names.mute.add("far.example")
    client = DnsClient(reactor, [names.place], waits=(30,))
    waiting = [client.ask("far.example", "MX") for _ in range(100)]
    client.close()
    for one in waiting:
        with pytest.raises(NameServiceDown):
            one.result()


@ensureDeferred
async def test_a_name_that_cannot_be_asked_for_is_no_bug(names: NameServer) -> None:
    with pytest.raises(NameServiceDown, match="is no name"):
        await ask(names, "x" * 70 + ".example", "MX")
    assert names.asked == []
