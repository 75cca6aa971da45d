"""The courier against a host on loopback: every stage at which a host can fail, and what it says of it."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.net.descriptors import no_descriptors
from tests.net.scripted_host import DROP, HANG, HELLO, ScriptedHost, listening, passed
from xtramail.delivery.courier import Body, Carried, Hop
from xtramail.model.address import Address
from xtramail.model.envelope import Envelope, ForwardPath, ReversePath
from xtramail.model.errors import Corrupt, StoreFull
from xtramail.model.pending import Pending
from xtramail.net.adapter import deferred
from xtramail.net.smtp_client import CourierSettings, SmtpCourier
from xtramail.net.tls_client import ClientContexts

QUICK = CourierSettings(
    hostname="mx.example",
    connect=1.0,
    greeting=0.8,
    command=0.8,
    data=0.8,
    block=0.8,
    final=0.8,
    idle=1.5,
    ask=0.8,
    ask_idle=0.2,
)
"""Short for a host that hangs, long for a machine that is busy."""
MESSAGE = b"Subject: hi\r\n\r\n.Hello\r\n..\r\nbye\r\n"
BDAT = HELLO.replace(b"250-8BITMIME", b"250-CHUNKING")


class Client:
    """A courier with one host to talk to."""

    def __init__(self, host: ScriptedHost, settings: CourierSettings = QUICK) -> None:
        self.host = host
        self.courier = SmtpCourier(reactor, settings=settings, contexts=ClientContexts())
        self.dots: list[tuple[int, ...]] = []
        self.before_dot: Callable[[tuple[int, ...]], Pending[None]] = self.attempt

    def attempt(self, accepted: tuple[int, ...]) -> Pending[None]:
        self.dots.append(accepted)
        return Pending.of(None)

    def send(
        self,
        *to: str,
        chunks: Callable[[], Iterator[bytes]] | None = None,
        size: int = 0,
        within: float = 20.0,
        **hop: Any,
    ) -> Any:
        """The Deferred of what became of it, which fails when nothing does ``within`` seconds."""
        recipients = to or ("ann@host.example",)
        envelope = Envelope(
            reverse_path=ReversePath(address=Address.parse("bob@sender.example")),
            forward_paths=tuple(ForwardPath(address=Address.parse(one)) for one in recipients),
        )
        body = Body(size=size or len(MESSAGE), chunks=chunks or (lambda: iter([MESSAGE])))
        where = Hop(**{"host": "127.0.0.1", "port": self.host.port, "tls": "opportunistic", **hop})
        carried = self.courier.carry(where, envelope, body, message="m", before_dot=lambda dots: self.before_dot(dots))
        return deferred(carried).addTimeout(within, reactor)


@asynccontextmanager
async def talking(host: ScriptedHost, settings: CourierSettings = QUICK) -> AsyncIterator[Client]:
    with listening(host):
        client = Client(host, settings)
        try:
            yield client
        finally:
            client.courier.close()
            assert client.courier.lines == 0


def told(carried: Carried) -> list[tuple[str, str, int]]:
    return [(o.verdict.value, o.stage.value, o.reply.code if o.reply else 0) for o in carried.outcomes]


@ensureDeferred
async def test_a_message_arrives_as_it_is() -> None:
    async with talking(ScriptedHost()) as client:
        carried = await client.send("ann@host.example", "cy@host.example")
        assert told(carried) == [("delivered", "final", 250)] * 2
        assert client.host.messages == [MESSAGE] and client.dots == [(0, 1)]
        assert (carried.host, carried.tls, carried.fault) == (f"127.0.0.1:{client.host.port}", "", "")


@ensureDeferred
async def test_a_message_arrives_in_chunks_where_the_host_offers_them() -> None:
    text = [b"Subject: x\r\n\r\n", b"a" * 40_000, b"\r", b"\n", b".\r\nlast line"]
    for chunking in (True, False):
        settings = CourierSettings(hostname="mx.example", chunking=chunking)
        async with talking(ScriptedHost(EHLO=BDAT), settings) as client:
            carried = await client.send(chunks=lambda: iter(text), size=sum(map(len, text)))
            assert told(carried) == [("delivered", "final", 250)]
            assert client.host.messages == [b"".join(text) + (b"" if chunking else b"\r\n")]
            assert ("BDAT" in client.host.verbs()) == chunking


@ensureDeferred
async def test_without_pipelining_commands_go_one_by_one() -> None:
    async with talking(ScriptedHost(EHLO=b"250 host.example")) as client:
        assert told(await client.send("a@host.example", "b@host.example")) == [("delivered", "final", 250)] * 2
        assert client.host.verbs() == ["EHLO", "MAIL", "RCPT", "RCPT", "DATA"]


@ensureDeferred
async def test_a_host_of_old_is_greeted_with_helo() -> None:
    async with talking(ScriptedHost(EHLO=b"502 5.5.1 what?")) as client:
        assert told(await client.send()) == [("delivered", "final", 250)]


@ensureDeferred
async def test_a_machine_without_descriptors_says_nothing_of_the_host() -> None:
    async with talking(ScriptedHost()) as client:
        with no_descriptors():
            carried = await client.send()
        assert told(carried) == [("deferred", "local", 0)]
        assert carried.fault == "connect: too many open files"
        assert told(await client.send()) == [("delivered", "final", 250)]


@ensureDeferred
async def test_a_refused_connection_says_so() -> None:
    host = ScriptedHost()
    with listening(host):
        pass
    client = Client(host)
    carried = await client.send()
    assert told(carried) == [("deferred", "connect", 0)]
    assert carried.fault.startswith("connect: ") and "refused" in carried.fault


@ensureDeferred
async def test_a_name_that_is_no_host_name_is_an_outcome_too() -> None:
    async with talking(ScriptedHost()) as client:
        for name in ("a..b", "x" * 70 + ".example", "ü..example", "no such host.invalid"):
            carried = await client.send(host=name)
            assert told(carried) == [("deferred", "connect", 0)] and carried.fault.startswith("connect: ")


STAGES = [("banner", "connect"), ("EHLO", "hello"), ("MAIL", "mail"), ("RCPT", "rcpt"), ("DATA", "data")]


@pytest.mark.parametrize(("name", "stage"), [*STAGES, ("dot", "final")])
@ensureDeferred
async def test_a_host_that_hangs_is_given_up_in_time(name: str, stage: str) -> None:
    async with talking(ScriptedHost(**{name: HANG})) as client:
        carried = await client.send(within=10)
        ((verdict, where, code),) = told(carried)
        assert (verdict, code) == ("unconfirmed" if name == "dot" else "deferred", 0)
        assert where == ("connect" if name == "EHLO" else stage)
        assert carried.fault == "no answer in 0.8 s"
        assert (client.host.messages != []) == (client.dots != []) == (name == "dot")


@pytest.mark.parametrize(("name", "stage"), [*STAGES, ("dot", "final")])
@ensureDeferred
async def test_a_host_that_hangs_up_is_told_as_such(name: str, stage: str) -> None:
    async with talking(ScriptedHost(**{name: DROP})) as client:
        carried = await client.send()
        ((verdict, _, code),) = told(carried)
        assert (verdict, code) == ("unconfirmed" if name == "dot" else "deferred", 0)
        assert carried.fault and carried.fault != "closed by us"


@pytest.mark.parametrize("reply", [b"421 4.3.2 closing", b"451 4.3.0 later", b"554 5.3.2 never"])
@pytest.mark.parametrize(("name", "stage"), [*STAGES, ("dot", "final")])
@ensureDeferred
async def test_the_words_of_a_host_at_any_stage_are_the_outcome(name: str, stage: str, reply: bytes) -> None:
    answers: dict[str, Any] = {name: reply}
    if name == "EHLO":
        answers["HELO"] = reply
    async with talking(ScriptedHost(**answers)) as client:
        carried = await client.send()
        ((verdict, where, code),) = told(carried)
        assert (where, code) == (stage, int(reply[:3]))
        refused = code == 554 and stage not in ("connect", "hello")
        assert verdict == ("refused" if refused else "deferred")
        assert client.host.messages == []


@ensureDeferred
async def test_each_recipient_has_its_own_outcome() -> None:
    def judge(line: bytes) -> bytes:
        return {b"a": b"250 ok", b"b": b"550 5.1.1 who?", b"c": b"450-4.2.1 busy\r\n450 4.2.1 come again"}[line[9:10]]

    async with talking(ScriptedHost(RCPT=judge)) as client:
        carried = await client.send("a@host.example", "b@host.example", "c@host.example")
        assert told(carried) == [("delivered", "final", 250), ("refused", "rcpt", 550), ("deferred", "rcpt", 450)]
        assert carried.outcomes[2].reply is not None and carried.outcomes[2].reply.lines == ("busy", "come again")
        assert client.dots == [(0,)] and client.host.messages == [MESSAGE]


@ensureDeferred
async def test_a_host_may_take_its_time_for_each_of_many_recipients() -> None:
    def asked(_line: bytes) -> bytes:
        reactor.callLater(0.1, drip, 8)
        return HANG

    host = ScriptedHost(RCPT=asked)

    def drip(left: int) -> None:
        if left:
            host.lines[0].transport.write(b"250 2.1.5 ok\r\n")
            reactor.callLater(0.1, drip, left - 1)
        else:
            host.lines[0].text, host.lines[0].deaf = bytearray(), False
            host.lines[0].transport.write(b"354 go on\r\n")

    async with talking(host) as client:
        carried = await client.send(*(f"u{number}@host.example" for number in range(8)))
        assert [verdict for verdict, _, _ in told(carried)] == ["delivered"] * 8


@ensureDeferred
async def test_octets_that_never_end_a_reply_do_not_move_the_deadline() -> None:
    host = ScriptedHost(MAIL=HANG)

    def drip() -> None:
        if host.lines:
            host.lines[0].transport.write(b"2")
            reactor.callLater(0.05, drip)

    async with talking(host) as client:
        sent = client.send()
        reactor.callLater(0.1, drip)
        carried = await sent
        assert told(carried)[0][0] == "deferred" and carried.fault


JUNK = {
    "no reply": b"hello there",
    "endless line": b"250 " + b"x" * 5_000,
    "endless reply": b"250-more\r\n" * 500,
    "changing code": b"250-a\r\n450 b",
    "html": b"<html>",
    "a go-ahead for MAIL": b"354 go on",
}


@pytest.mark.parametrize("what", JUNK)
@ensureDeferred
async def test_junk_ends_the_connection_and_defers(what: str) -> None:
    async with talking(ScriptedHost(MAIL=JUNK[what])) as client:
        carried = await client.send()
        assert told(carried)[0][0] == "deferred" and carried.fault.startswith("junk: ")
        await passed(0.05)
        assert client.host.lines == [] and client.host.messages == []


@ensureDeferred
async def test_a_flood_of_replies_nobody_asked_for_ends_the_connection() -> None:
    host = ScriptedHost()
    host.after["dot"] = b"250 again\r\n" * 100_000
    async with talking(host) as client:
        assert told(await client.send())[0][0] == "delivered"
        await passed(0.1)
        assert host.lines == [] and client.courier.lines == 0
        assert told(await client.send())[0][0] == "delivered"


@ensureDeferred
async def test_what_the_host_does_not_take_is_refused_here_at_once() -> None:
    async with talking(ScriptedHost(EHLO=b"250-host\r\n250 SIZE 10"), CourierSettings(hostname="mx.example")) as client:
        began = reactor.seconds()
        assert told(await client.send(size=11)) == [("refused", "local", 552)]
        assert told(await client.send("Ä@host.example")) == [("refused", "local", 550)]
        assert reactor.seconds() - began < 20 and client.host.connections == 1


@ensureDeferred
async def test_an_address_that_cannot_be_said_is_an_outcome_and_not_the_hosts_fault() -> None:
    async with talking(ScriptedHost()) as client:
        envelope = Envelope(
            reverse_path=ReversePath(address=None),
            forward_paths=(ForwardPath(address=Address(local="a", domain="b> SIZE=1\r\nRSET")),),
        )
        hop = Hop(host="127.0.0.1", port=client.host.port)
        body = Body(size=1, chunks=lambda: iter([b"x"]))
        carried = await deferred(
            client.courier.carry(hop, envelope, body, message="m", before_dot=client.attempt)
        )
        assert told(carried) == [("deferred", "rcpt", 0)] and "RSET" not in client.host.verbs()


# The dot.


@ensureDeferred
async def test_without_an_attempt_row_there_is_no_dot() -> None:
    for answers in ({}, {"EHLO": BDAT}):
        async with talking(ScriptedHost(**answers)) as client:
            client.before_dot = lambda accepted: Pending.failed(StoreFull())
            carried = await client.send()
            assert told(carried) == [("deferred", "data", 0)] and "StoreFull" in carried.fault
            await passed(0.05)
            assert client.host.messages == [] and client.host.lines == []


@ensureDeferred
async def test_a_connection_that_goes_while_the_attempt_row_is_written_was_not_handed_the_message() -> None:
    async with talking(ScriptedHost()) as client:
        row: Pending[None] = Pending()
        client.before_dot = lambda accepted: row
        sent = client.send()
        await passed(0.1)
        client.host.hang_up()
        await passed(0.05)
        row.settle(None)
        assert told(await sent)[0][0] == "deferred"


@ensureDeferred
async def test_a_body_that_cannot_be_read_is_not_handed_over() -> None:
    def broken() -> Iterator[bytes]:
        yield b"Subject: x\r\n\r\n"
        raise Corrupt

    async with talking(ScriptedHost()) as client:
        carried = await client.send(chunks=broken)
        assert told(carried) == [("deferred", "data", 0)] and "Corrupt" in carried.fault
        assert client.dots == [] and client.host.messages == []


@pytest.mark.parametrize("reply", [b"552 5.3.4 too big", b"451 4.3.0 no room"])
@ensureDeferred
async def test_a_host_that_stops_in_the_middle_of_a_message_is_believed(reply: bytes) -> None:
    def much() -> Iterator[bytes]:
        for _ in range(200):
            yield (b"x" * 998 + b"\r\n") * 60

    verdict = "refused" if reply[:1] == b"5" else "deferred"
    async with talking(ScriptedHost(EHLO=BDAT, BDAT=reply)) as client:
        assert told(await client.send(chunks=much, size=12_000_000)) == [(verdict, "data", int(reply[:3]))]
        assert client.dots == [] and client.host.messages == []
    host = ScriptedHost()
    host.after["DATA"] = reply + b"\r\n"
    async with talking(host) as client:
        assert told(await client.send(chunks=much, size=12_000_000)) == [(verdict, "data", int(reply[:3]))]
        assert client.dots == []


@ensureDeferred
async def test_forty_megabytes_pass_with_bounded_memory_to_a_slow_host() -> None:
    chunk = (b"y" * 62 + b"\r\n") * 1_000
    made = 0
    ahead: list[int] = []

    def much() -> Iterator[bytes]:
        nonlocal made
        for _ in range(640):
            made += len(chunk)
            ahead.append(made - client.host.received)
            yield bytes(chunk)

    host = ScriptedHost()
    settings = CourierSettings(hostname="mx.example")
    async with talking(host, settings) as client:
        # It keeps nothing: the memory measured is ours.
        host.keeps, host.slow = False, 0.0005
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        sent = client.send(chunks=much, size=640 * len(chunk), within=300)
        peak: list[int] = []

        def look() -> None:
            if not sent.called:
                peak.append(tracemalloc.get_traced_memory()[0] - before)
                reactor.callLater(0.02, look)

        look()
        carried = await sent
        tracemalloc.stop()
        assert told(carried) == [("delivered", "final", 250)]
        assert host.received > 640 * len(chunk)
        # What is ahead of the host lies in the socket's buffers, which the kernel bounds.
        assert max(ahead) < 12_000_000 and max(peak) < 8_000_000


@ensureDeferred
async def test_a_host_that_takes_no_more_is_given_up() -> None:
    def much() -> Iterator[bytes]:
        for _ in range(2_000):
            yield b"z" * 998 + b"\r\n" + (b"z" * 62 + b"\r\n") * 1_000

    host = ScriptedHost()

    def stop_reading(line: bytes) -> bytes:
        reactor.callLater(0, host.lines[0].transport.pauseProducing)
        return b"354 go on"

    host.answers["DATA"] = stop_reading
    async with talking(host) as client:
        carried = await client.send(chunks=much, size=100_000_000, within=10)
        assert told(carried) == [("deferred", "data", 0)] and carried.fault == "nothing taken in 0.8 s"


# Connections kept.


@ensureDeferred
async def test_a_connection_is_used_again_and_closed_when_nothing_comes() -> None:
    async with talking(ScriptedHost()) as client:
        for _ in range(20):
            assert told(await client.send())[0][0] == "delivered"
        assert client.host.connections == 1
        await passed(1.9)
        assert client.host.lines == [] and client.host.verbs()[-1] == "QUIT"
        assert client.courier.lines == 0


@ensureDeferred
async def test_a_line_carries_so_many_messages() -> None:
    settings = CourierSettings(hostname="mx.example", messages_per_line=3)
    async with talking(ScriptedHost(), settings) as client:
        for _ in range(7):
            await client.send()
        assert client.host.connections == 3


@ensureDeferred
async def test_a_kept_line_that_the_host_has_closed_costs_no_message_its_turn() -> None:
    async with talking(ScriptedHost()) as client:
        await client.send()
        client.host.hang_up()
        # Before we have heard of it.
        assert told(await client.send())[0][0] == "delivered"
        assert client.host.connections == 2 and client.dots == [(0,), (0,)]


@ensureDeferred
async def test_a_kept_line_that_is_told_to_go_at_mail_is_no_answer_to_the_message() -> None:
    async with talking(ScriptedHost()) as client:
        await client.send()
        client.host.answers["MAIL"] = lambda line: (
            b"421 4.4.2 idle for too long" if client.host.connections == 1 else b"250 ok"
        )
        assert told(await client.send())[0][0] == "delivered"
        assert client.host.connections == 2


@ensureDeferred
async def test_a_fresh_line_that_dies_is_not_tried_for_ever() -> None:
    async with talking(ScriptedHost(MAIL=DROP)) as client:
        assert told(await client.send())[0][0] == "deferred"
        assert client.host.connections == 1


@ensureDeferred
async def test_after_a_refused_message_the_line_is_reset_and_good_for_the_next() -> None:
    async with talking(ScriptedHost(RCPT=b"550 5.1.1 who?")) as client:
        assert told(await client.send()) == [("refused", "rcpt", 550)]
        del client.host.answers["RCPT"]
        assert told(await client.send())[0][0] == "delivered"
        assert client.host.connections == 1


@ensureDeferred
async def test_several_messages_at_once_have_a_line_each() -> None:
    async with talking(ScriptedHost()) as client:
        sent = [client.send() for _ in range(12)]
        assert [told(await one)[0][0] for one in sent] == ["delivered"] * 12
        assert client.host.connections == 12
        await passed(0.05)
        assert client.courier.lines == QUICK.idle_per_hop


# The end.


@pytest.mark.parametrize("name", ["banner", "EHLO", "MAIL", "DATA", "dot"])
@ensureDeferred
async def test_closing_cuts_what_is_under_way_and_tells(name: str) -> None:
    settings = CourierSettings(hostname="mx.example", last_answer=0.2)
    async with talking(ScriptedHost(**{name: HANG}), settings) as client:
        sent = client.send()
        await passed(0.1)
        client.courier.close()
        # What is out to its last octet may still be answered; it was the other side's to say.
        assert sent.called == (name != "dot")
        carried = await sent
        assert told(carried)[0][0] == ("unconfirmed" if name == "dot" else "deferred")
        assert "stopping" in carried.fault
        assert told(await client.send())[0] == ("deferred", "connect", 0)
        await passed(0.05)
        assert client.host.lines == []


@ensureDeferred
async def test_closing_waits_for_the_answer_to_a_message_that_is_out() -> None:
    """Cut there, the host would get it again after the restart."""
    settings = CourierSettings(hostname="mx.example", last_answer=5)
    async with talking(ScriptedHost(dot=HANG), settings) as client:
        sent = client.send()
        await passed(0.1)
        client.courier.close()
        client.host.lines[0].transport.write(b"250 2.0.0 taken\r\n")
        assert told(await sent)[0][0] == "delivered"
        await passed(0.05)
        assert client.courier.lines == 0


@ensureDeferred
async def test_closing_cuts_what_is_being_dialled() -> None:
    settings = CourierSettings(hostname="mx.example", connect=30)
    async with talking(ScriptedHost(), settings) as client:
        # TEST-NET-1 (RFC 5737) answers nobody.
        sent = client.send(host="192.0.2.1")
        client.courier.close()
        assert sent.called
        assert told(await sent)[0] == ("deferred", "connect", 0)


@ensureDeferred
async def test_a_line_that_is_done_while_closing_is_not_kept() -> None:
    async with talking(ScriptedHost(), CourierSettings(hostname="mx.example")) as client:
        row: Pending[None] = Pending()
        client.before_dot = lambda accepted: row
        sent: Deferred[Carried] = client.send()
        await passed(0.05)
        client.courier.close()
        row.settle(None)
        assert told(await sent)[0][0] == "deferred"
        assert client.courier.lines == 0


