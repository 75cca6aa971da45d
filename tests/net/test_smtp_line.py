"""One line to a host: events, deadlines and goodbyes on a transport of strings."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from xtramail.net.adapter import start
from xtramail.net.smtp_line import LINGER, LineLost, SmtpLine
from xtramail.net.tls_client import ClientContexts, TlsMode
from xtramail.wire.smtp.client_config import SmtpClientConfig
from xtramail.wire.smtp.client_events import Goodbye, Greeted, Ready, Stage


class Transport(StringTransport):
    aborted = False

    def startTLS(self, creator: object) -> None:
        """The other side says nothing to it."""

    def abortConnection(self) -> None:
        self.aborted = True


class Spoken:
    def __init__(self) -> None:
        self.clock, self.transport = Clock(), Transport()
        self.waits: list[Stage] = []
        self.line = SmtpLine(self.clock, SmtpClientConfig(hostname="mx.example"), self.wait)
        self.line.makeConnection(self.transport)

    def wait(self, stage: Stage) -> float:
        self.waits.append(stage)
        return 10.0

    def event(self) -> Any:
        """The Deferred of the next event."""
        return start(self.line.event())

    def ready(self) -> None:
        self.line.dataReceived(b"220 hi\r\n")
        assert isinstance(self.event().result, Greeted)
        self.line.write(self.line.engine.hello())
        self.line.dataReceived(b"250 host\r\n")
        assert isinstance(self.event().result, Ready)

    def gone(self) -> None:
        self.line.connectionLost(Failure(ConnectionDone()))


@pytest.fixture
def spoken() -> Spoken:
    return Spoken()


def fault(event: Any) -> str:
    found: list[BaseException] = []
    event.addErrback(lambda failure: found.append(failure.value))
    assert isinstance(found[0], LineLost)
    return found[0].text


def test_an_event_that_is_there_needs_no_waiting(spoken: Spoken) -> None:
    spoken.ready()
    assert spoken.waits == [] and spoken.clock.getDelayedCalls() == []


def test_a_deadline_ends_the_line_for_every_later_event(spoken: Spoken) -> None:
    waiting = spoken.event()
    spoken.clock.advance(9)
    assert not waiting.called and spoken.waits == [Stage.CONNECT]
    spoken.clock.advance(1)
    assert fault(waiting) == "no answer in 10 s" == fault(spoken.event())
    assert spoken.transport.aborted and not spoken.line.alive
    spoken.gone()
    assert spoken.clock.getDelayedCalls() == []


def test_part_of_a_reply_does_not_move_the_deadline_and_a_whole_one_does(spoken: Spoken) -> None:
    spoken.ready()
    spoken.line.write(spoken.line.engine.quit())
    waiting = spoken.event()
    for _ in range(3):
        spoken.clock.advance(3)
        spoken.line.dataReceived(b"221-")
    spoken.clock.advance(1)
    assert fault(waiting) == "no answer in 10 s"


def test_a_connection_that_goes_says_why(spoken: Spoken) -> None:
    waiting = spoken.event()
    spoken.gone()
    assert "closed cleanly" in fault(waiting)


def test_a_goodbye_of_the_host_is_heard_before_the_end(spoken: Spoken) -> None:
    spoken.ready()
    spoken.line.dataReceived(b"421 4.3.2 closing\r\n")
    assert not spoken.line.alive and spoken.transport.disconnecting
    assert isinstance(spoken.event().result, Goodbye)
    assert fault(spoken.event()) == "closed by the other side"


def test_closing_says_quit_once_and_does_not_wait_for_ever(spoken: Spoken) -> None:
    spoken.ready()
    spoken.transport.clear()
    spoken.line.close()
    spoken.line.close()
    assert spoken.transport.value() == b"QUIT\r\n" and spoken.transport.disconnecting
    spoken.clock.advance(LINGER)
    assert spoken.transport.aborted


def test_a_goodbye_that_is_answered_leaves_no_timer(spoken: Spoken) -> None:
    spoken.ready()
    spoken.line.close()
    spoken.gone()
    assert spoken.clock.getDelayedCalls() == [] and not spoken.transport.aborted


def test_closing_where_quit_may_not_be_said_cuts(spoken: Spoken) -> None:
    waiting = spoken.event()
    spoken.line.close()
    assert spoken.transport.aborted and fault(waiting) == "closed by us"


def test_waiting_for_room_ends_when_there_is_some_or_the_time_is_over(spoken: Spoken) -> None:
    spoken.ready()
    assert start(spoken.line.drained(5)).called
    spoken.line.pauseProducing()
    drained = start(spoken.line.drained(5))
    assert not drained.called
    spoken.line.resumeProducing()
    assert drained.called and spoken.clock.getDelayedCalls() == []
    spoken.line.pauseProducing()
    stuck = start(spoken.line.drained(5))
    spoken.clock.advance(5)
    assert stuck.called and fault(spoken.event()) == "nothing taken in 5 s"


def test_what_is_written_to_a_dead_line_goes_nowhere(spoken: Spoken) -> None:
    spoken.gone()
    spoken.transport.clear()
    spoken.line.write(b"MAIL")
    assert spoken.transport.value() == b""


def test_a_handshake_that_is_not_finished_in_time_ends_the_line(spoken: Spoken) -> None:
    spoken.ready()
    creator = ClientContexts().for_host("host.example", mode=TlsMode.REQUIRED)
    shaken = start(spoken.line.start_tls(creator, 8))
    spoken.clock.advance(7)
    assert not shaken.called and spoken.line.alive
    spoken.clock.advance(1)
    assert fault(shaken) == "TLS handshake not done in 8 s" and spoken.transport.aborted
    assert spoken.clock.getDelayedCalls() == []


@implementer(ITCPTransport)
class Socket(Transport):
    delays = True

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.delays = not enabled


def test_the_end_of_a_message_does_not_wait_until_its_beginning_is_acknowledged() -> None:
    socket: Any = Socket()  # type: ignore[no-untyped-call]
    line = SmtpLine(Clock(), SmtpClientConfig(hostname="mx.example"), lambda stage: 10.0)
    line.makeConnection(socket)
    assert not socket.delays
