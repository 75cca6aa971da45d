"""Questions about recipients: one after another over one kept line, each in its time, nobody waiting for ever."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor

from tests.net.scripted_host import DROP, HANG, HELLO, ScriptedHost, listening, passed
from tests.net.test_smtp_client import Client, talking
from xtramail.delivery.courier import Hop
from xtramail.model.address import Address
from xtramail.model.errors import PrimaryDown
from xtramail.net.adapter import deferred
from xtramail.net.smtp_client import CourierSettings

SETTINGS = CourierSettings(hostname="mx.example", ask=1.2, ask_idle=1.0, ask_turn=2.0, ask_waiting=20)
"""Short for a host that hangs, long for a machine that is busy."""


def ask(client: Client, address: str = "ann@host.example") -> Any:
    hop = Hop(host="127.0.0.1", port=client.host.port)
    return deferred(client.courier.ask(hop, Address.parse(address)))


async def answered(client: Client) -> bool:
    """Whether it answers, within a few tries of a busy machine."""
    for _ in range(9):
        with suppress(PrimaryDown):
            return bool((await ask(client)).code == 250)
    return False


async def fault(question: Any) -> str:
    with pytest.raises(PrimaryDown) as caught:
        await question
    return caught.value.text


@ensureDeferred
async def test_the_answer_to_rcpt_is_the_answer() -> None:
    host = ScriptedHost(RCPT=lambda line: b"250 ok" if b"ann" in line else b"550 5.1.1 who?")
    async with talking(host, SETTINGS) as client:
        assert (await ask(client)).code == 250
        assert (await ask(client, "eve@host.example")).text == "550 5.1.1 who?"
        assert host.verbs() == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "RSET"]
        assert b"MAIL FROM:<>" in host.commands


@ensureDeferred
async def test_many_questions_go_one_after_another_over_one_line() -> None:
    async with talking(ScriptedHost(), SETTINGS) as client:
        questions = [ask(client, f"u{number}@host.example") for number in range(15)]
        assert [(await question).code for question in questions] == [250] * 15
        assert client.host.connections == 1


@ensureDeferred
async def test_the_line_is_kept_for_a_while_after_the_last_question() -> None:
    async with talking(ScriptedHost(), SETTINGS) as client:
        for _ in range(3):
            await ask(client)
            await passed(0.4)
        assert client.host.connections == 1 and len(client.host.lines) == 1
        await passed(1.5)
        assert client.host.lines == [] and client.host.verbs()[-1] == "QUIT" and client.courier.lines == 0
        assert (await ask(client)).code == 250


@ensureDeferred
async def test_a_kept_line_that_the_host_closed_is_replaced() -> None:
    async with talking(ScriptedHost(), SETTINGS) as client:
        await ask(client)
        client.host.hang_up()
        assert (await ask(client)).code == 250
        assert client.host.connections == 2


@pytest.mark.parametrize("name", ["banner", "EHLO", "MAIL", "RCPT", "RSET"])
@ensureDeferred
async def test_a_host_that_hangs_anywhere_has_no_more_than_the_time_of_one_question(name: str) -> None:
    slow = CourierSettings(hostname="mx.example", ask=0.6)
    async with talking(ScriptedHost(**{name: HANG}), slow) as client:
        began = reactor.seconds()
        assert "no answer in 0.6 s" in await fault(ask(client))
        # It would be minutes; what is more than the time of one question is the machine's.
        assert 0.55 < reactor.seconds() - began < 5
        await passed(0.05)
        assert client.host.lines == [] and client.courier.lines == 0
        client.host.answers.clear()
        assert await answered(client)


@ensureDeferred
async def test_a_host_that_drips_has_no_more_time_either() -> None:
    host = ScriptedHost(EHLO=HELLO.replace(b"250-PIPELINING", b"250-X"))

    async with talking(host, SETTINGS) as client:
        host.answers["MAIL"] = host.answers["RCPT"] = lambda line: _later(host, 0.8)
        assert await fault(ask(client)), "both answers together would take 1.6 s, and be good"


@ensureDeferred
async def test_waiting_for_a_turn_is_not_counted_in_the_time_of_a_question() -> None:
    host = ScriptedHost(EHLO=b"250 host.example")
    async with talking(host, CourierSettings(hostname="mx.example", ask=1.5, ask_turn=60)) as client:
        host.answers["RCPT"] = lambda line: _later(host, 0.5)
        questions = [ask(client) for _ in range(4)]
        assert [(await question).code for question in questions] == [250] * 4


def _later(host: ScriptedHost, seconds: float) -> bytes:
    """Answer RCPT with 250 after a while, and go on listening."""

    def answer() -> None:
        for line in host.lines:
            line.deaf = False
            line.transport.write(b"250 ok\r\n")

    reactor.callLater(seconds, answer)
    return HANG


@ensureDeferred
async def test_those_who_wait_behind_an_unanswered_question_are_told_at_once() -> None:
    async with talking(ScriptedHost(MAIL=HANG), SETTINGS) as client:
        began = reactor.seconds()
        faults = [await fault(question) for question in [ask(client) for _ in range(12)]]
        assert reactor.seconds() - began < 6, "it would be as long for each of them"
        assert all("no answer" in one for one in faults)
        assert client.host.connections == 1


@ensureDeferred
async def test_nobody_waits_longer_than_allowed_nor_behind_too_many() -> None:
    host = ScriptedHost(EHLO=b"250 host.example")
    async with talking(host, SETTINGS) as client:
        host.answers["RCPT"] = lambda line: _later(host, 0.5)
        questions = [ask(client) for _ in range(30)]
        began = reactor.seconds()
        assert "too many questions wait" in await fault(questions[-1])
        assert not questions[0].called, "at once"
        assert (await questions[0]).code == 250
        assert "too many questions wait" in await fault(questions[15])
        assert reactor.seconds() - began < 6, "all of them would take longer"


@pytest.mark.parametrize("reply", [b"421 4.3.2 closing", b"451 4.3.0 later", b"550 5.7.1 no null sender here"])
@ensureDeferred
async def test_what_the_host_says_before_rcpt_is_no_answer(reply: bytes) -> None:
    for name in ("banner", "EHLO", "MAIL"):
        answers = {name: reply} | ({"HELO": reply} if name == "EHLO" else {})
        async with talking(ScriptedHost(**answers), SETTINGS) as client:
            assert reply[:3].decode() in await fault(ask(client))


@ensureDeferred
async def test_a_temporary_answer_to_rcpt_is_given_as_it_is() -> None:
    for reply in (b"450 4.2.0 greylisted", b"421 4.3.2 closing"):
        async with talking(ScriptedHost(RCPT=reply), SETTINGS) as client:
            assert (await ask(client)).transient


@ensureDeferred
async def test_an_address_the_host_cannot_take_at_all_is_unknown_there() -> None:
    async with talking(ScriptedHost(), SETTINGS) as client:
        assert (await ask(client, "Ä@host.example")).text.startswith("550 5.6.7")


@ensureDeferred
async def test_a_host_that_is_away_is_away_for_the_question() -> None:
    host = ScriptedHost()
    with listening(host):
        pass
    client = Client(host, CourierSettings(hostname="mx.example", ask=2))
    assert "refused" in await fault(ask(client))
    async with talking(ScriptedHost(RCPT=DROP), SETTINGS) as other:
        assert await fault(ask(other))


@ensureDeferred
async def test_closing_tells_everybody_who_asks() -> None:
    async with talking(ScriptedHost(RCPT=HANG), CourierSettings(hostname="mx.example")) as client:
        questions = [ask(client) for _ in range(5)]
        await passed(0.1)
        client.courier.close()
        assert all(question.called for question in questions)
        assert {"stopping" in await fault(question) for question in [*questions, ask(client)]} == {True}
        await passed(0.05)
        assert client.host.lines == []


@ensureDeferred
async def test_questions_to_several_hosts_do_not_wait_for_each_other() -> None:
    async with talking(ScriptedHost(MAIL=HANG), SETTINGS) as client, talking(ScriptedHost(), SETTINGS) as other:
        hanging = ask(client)
        hop = Hop(host="127.0.0.1", port=other.host.port)
        assert (await deferred(client.courier.ask(hop, Address.parse("a@b.example")))).code == 250
        assert not hanging.called
        await fault(hanging)
