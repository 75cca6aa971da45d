"""The demonstration's primary takes what exists, notes it, and goes down and up by its control file."""

from __future__ import annotations

import io
from pathlib import Path

from twisted.internet.testing import MemoryReactorClock, StringTransport

from xtramail.app.demo_folder import ANN, DemoFolder
from xtramail.app.demo_primary import LOOK_SECONDS, DemoPrimary, DemoPrimaryProtocol, message_id_of

LETTER = b"From: carla@supplier.example\r\nMessage-ID: <1@supplier.example>\r\n\r\nHello\r\n"


def make(folder: Path) -> tuple[DemoPrimary, MemoryReactorClock, DemoFolder]:
    place = DemoFolder(folder)
    place.create({ANN: "secret"}, 2526)
    reactor = MemoryReactorClock()
    return DemoPrimary(place, reactor, io.StringIO()), reactor, place


def test_a_message_for_a_known_recipient_is_taken_and_noted(tmp_path: Path) -> None:
    primary, _, place = make(tmp_path)
    protocol, transport = DemoPrimaryProtocol(primary), StringTransport()
    protocol.makeConnection(transport)
    protocol.dataReceived(
        b"EHLO x\r\nMAIL FROM:<carla@supplier.example>\r\nRCPT TO:<nobody@demo.example>\r\n"
        b"RCPT TO:<%s>\r\nDATA\r\n%s.\r\nQUIT\r\n" % (ANN.encode(), LETTER)
    )
    codes = [line[:3] for line in transport.value().split(b"\r\n") if line[3:4] == b" "]
    assert codes == [b"220", b"250", b"250", b"550", b"250", b"354", b"250", b"221"]
    (taken,) = place.received()
    assert (taken.sender, taken.recipients, taken.octets) == ("carla@supplier.example", (ANN,), len(LETTER))
    assert taken.message_id == "<1@supplier.example>"


def test_it_listens_only_while_the_control_file_is_not_there(tmp_path: Path) -> None:
    primary, reactor, place = make(tmp_path)
    primary.start()
    assert len(reactor.tcpServers) == 1
    place.take_down()
    reactor.advance(LOOK_SECONDS)
    reactor.advance(LOOK_SECONDS)
    place.bring_up()
    reactor.advance(LOOK_SECONDS)
    assert len(reactor.tcpServers) == 2


def test_logins_are_for_their_owner_only(tmp_path: Path) -> None:
    _, _, place = make(tmp_path)
    assert (place.folder / "logins.json").stat().st_mode & 0o777 == 0o600
    assert place.logins() == {ANN: "secret"}


def test_a_message_without_a_message_id_has_none() -> None:
    assert message_id_of(b"Subject: x\r\n\r\nMessage-ID: <not@header>\r\n") == ""
