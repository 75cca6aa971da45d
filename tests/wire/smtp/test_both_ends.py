"""Our client talking to our server, without a socket: what goes in comes out, by DATA and by BDAT."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.smtp.client_dialogue import CLIENT, Courier, Job, envelope
from tests.wire.smtp.dialogue import MX, Peer
from xtramail.wire.smtp.events import Need
from xtramail.wire.smtp.server import Role

MESSAGES = st.lists(
    st.lists(st.sampled_from([b"\r\n", b".", b"..\r\n", b"a", b"\r\n.\r\n", b"\xff"]), max_size=12).map(b"".join),
    max_size=4,
)


def converse(courier: Courier, peer: Peer, step: int) -> None:
    """Carries octets both ways, ``step`` at a time, until both want to close."""
    said = heard = 0
    while courier.need is not Need.CLOSE:
        before = said, heard
        if peer.need is Need.TLS and courier.need is Need.TLS:
            peer.start_tls()
            courier.start_tls()
        to_client = peer.output[heard : heard + step]
        heard += len(to_client)
        courier.hear(to_client)
        to_server = courier.output[said : said + step]
        said += len(to_server)
        peer.say(to_server)
        assert (said, heard) != before or peer.need is Need.TLS, "nobody has anything to say"
    assert peer.closed


@settings(derandomize=True, deadline=None, max_examples=150)
@given(messages=MESSAGES, chunking=st.booleans(), step=st.sampled_from([1, 3, 10_000]))
def test_messages_arrive_as_they_were_sent(messages: list[bytes], chunking: bool, step: int) -> None:
    jobs = [Job(envelope=envelope("bob@example.org"), chunks=(message[:5], message[5:])) for message in messages]
    courier = Courier(jobs=deque(jobs), config=replace(CLIENT, chunking=chunking))
    peer = Peer()
    converse(courier, peer, step)
    ended = [m if chunking or not m or m.endswith(b"\r\n") else m + b"\r\n" for m in messages]
    assert peer.messages == ended
    assert courier.verdicts == [["delivered final"]] * len(messages)


@pytest.mark.parametrize("step", [1, 10_000])
def test_submission_takes_mail_after_starttls_and_login(step: int) -> None:
    courier = Courier(jobs=deque([Job(envelope=envelope("bob@example.org"))]), starttls=True, login=True)
    peer = Peer(config=replace(MX, role=Role.SUBMISSION))
    converse(courier, peer, step)
    assert courier.verdicts == [["delivered final"]]
    assert peer.connection.protocol == "ESMTPSA"


def test_submission_takes_no_mail_without_login() -> None:
    courier = Courier(jobs=deque([Job(envelope=envelope("bob@example.org"))]), starttls=True)
    converse(courier, Peer(config=replace(MX, role=Role.SUBMISSION)), 100)
    assert courier.verdicts == [["refused mail"]]


@pytest.mark.parametrize("chunking", [False, True])
def test_each_recipient_has_its_own_outcome(chunking: bool) -> None:
    job = Job(envelope=envelope("unknown@example.org", "bob@example.org", "busy@example.org"))
    courier = Courier(jobs=deque([job]), config=replace(CLIENT, chunking=chunking))
    peer = Peer()
    converse(courier, peer, 100)
    assert courier.verdicts == [["refused rcpt", "delivered final", "deferred rcpt"]]
    assert peer.messages == [b"".join(job.chunks)]
