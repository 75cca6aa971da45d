"""The demonstration's primary: a small next hop on loopback that takes mail, counts it, and goes down when told.

Run as ``python -m xtramail.app.demo_primary DIRECTORY``, it lives as long as its standard input is open. It is down
while the control file is there: it listens no more and drops whoever is connected. It also plays the rest of the world:
mail for other domains is taken, too. It keeps no mail, only a line about each message.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as installed_reactor
from twisted.internet import stdio
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import LoopingCall

from xtramail.app.demo_folder import DOMAIN, USERS, DemoFolder, Taken
from xtramail.model.errors import BadInput
from xtramail.model.outcome import Reply
from xtramail.wire.mime.header import fields, header_end
from xtramail.wire.smtp.events import (
    Answered,
    DataChunk,
    DataEnd,
    DataRefused,
    MailFrom,
    Need,
    RcptTo,
    Waiting,
)
from xtramail.wire.smtp.server import SmtpServerConnection
from xtramail.wire.smtp.server_config import SmtpServerConfig

LOOK_SECONDS = 0.2
_KNOWN = frozenset({*USERS, f"postmaster@{DOMAIN}", f"abuse@{DOMAIN}"})
_HEADER_OCTETS = 65_536
_UNKNOWN = Reply.of(550, "5.1.1", "nobody of that name at the demo primary")


class DemoPrimaryProtocol(Protocol):
    """One connection: says yes to everything but unknown recipients of the demonstration's domain."""

    def __init__(self, primary: DemoPrimary) -> None:
        self._primary = primary
        self._smtp = SmtpServerConnection(SmtpServerConfig(hostname="primary.demo.example", tls_available=False))
        self._sender = ""
        self._recipients: list[str] = []
        self._head = b""

    def connectionMade(self) -> None:
        self._primary.connections.add(self)
        self._go_on()

    def connectionLost(self, reason: Any = None) -> None:
        self._primary.connections.discard(self)

    def dataReceived(self, data: bytes) -> None:
        self._smtp.feed(data)
        self._go_on()

    def _go_on(self) -> None:
        transport = cast(Any, self.transport)
        while True:
            event = self._smtp.next_event()
            if isinstance(event, Need):
                if event is Need.CLOSE:
                    transport.loseConnection()
                return
            if isinstance(event, DataChunk):
                self._head += event.octets[: _HEADER_OCTETS - len(self._head)]
            elif isinstance(event, Answered | DataRefused):
                transport.write(event.octets)
            else:
                transport.write(self._smtp.send(self._answer(event)))

    def _answer(self, event: Waiting) -> Reply:
        match event:
            case MailFrom():
                self._sender = str(event.path.address or "")
                self._recipients, self._head = [], b""
            case RcptTo():
                address = event.path.address
                if address.domain.lower() == DOMAIN and address.key not in _KNOWN:
                    return _UNKNOWN
                self._recipients.append(str(address))
            case DataEnd():
                self._primary.took(
                    Taken(
                        at=time.time(),
                        sender=self._sender,
                        recipients=tuple(self._recipients),
                        octets=event.size,
                        message_id=message_id_of(self._head),
                    )
                )
            case _:
                pass
        return self._smtp.usual_reply(event)


class DemoPrimary:
    """Listens or does not, as the control file says."""

    def __init__(self, place: DemoFolder, reactor: Any, out: Any) -> None:
        """``out`` is told of each message (a text stream)."""
        self._place = place
        self._reactor = reactor
        self._out = out
        self._port: Any = None
        self._taken = len(place.received())
        self._loop = LoopingCall(self.look)
        self._loop.clock = reactor
        self.connections: set[DemoPrimaryProtocol] = set()

    def start(self) -> None:
        """CannotListenError when its port is taken."""
        self.look()
        self._loop.start(LOOK_SECONDS, now=False)

    def look(self) -> None:
        down = self._place.down.exists()
        if down and self._port is not None:
            self._port.stopListening()
            self._port = None
            for connection in list(self.connections):
                cast(Any, connection.transport).abortConnection()
            self._say("is down")
        elif not down and self._port is None:
            factory = Factory.forProtocol(lambda: DemoPrimaryProtocol(self))
            factory.noisy = False
            self._port = self._reactor.listenTCP(self._place.primary_port, factory, interface="127.0.0.1")
            self._say("is up")

    def took(self, taken: Taken) -> None:
        self._place.note(taken)
        self._taken += 1
        to = ", ".join(taken.recipients)
        self._say(f"took message {self._taken}: from {taken.sender or '<>'} to {to}, {taken.octets} octets")

    def _say(self, text: str) -> None:
        print(f"demo primary: {text}", file=self._out, flush=True)


def message_id_of(head: bytes) -> str:
    """The Message-ID in the first octets of a message, empty when it has none."""
    for field in fields(head[: header_end(head)]):
        if field.name == b"message-id":
            return head[field.value_at : field.end].strip().decode("utf-8", "replace")
    return ""


class _Leash(Protocol):
    """Standard input: when whoever started us is gone, so are we."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def connectionLost(self, reason: Any = None) -> None:
        if self._reactor.running:
            self._reactor.stop()


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        raise BadInput("usage: python -m xtramail.app.demo_primary DIRECTORY")
    reactor: Any = installed_reactor
    DemoPrimary(DemoFolder(Path(arguments[0])), reactor, sys.stdout).start()
    stdio.StandardIO(_Leash(reactor))  # type: ignore[no-untyped-call]
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1:])
