"""How long an IMAP connection waits for its client, and what it does while one does not read."""

from __future__ import annotations

from tests.imap_world import TlsTransport, World
from xtramail.net.imap_server import ImapServerProtocol
from xtramail.net.limits import LimitSettings
from xtramail.store import keys


def test_an_unfinished_handshake_is_cut() -> None:
    world = World()
    transport = TlsTransport()
    ImapServerProtocol(world.service).makeConnection(transport)
    world.advance(14)
    assert not transport.aborted
    world.advance(2)
    assert transport.aborted
    assert transport.value() == b""


def test_a_handshake_beyond_the_limit_is_not_read_until_its_turn_and_has_no_more_time_than_others() -> None:
    world = World(limits=LimitSettings(handshakes_per_address=1))
    lines = [TlsTransport() for _ in range(3)]
    protocols = [ImapServerProtocol(world.service) for _ in lines]
    for protocol, line in zip(protocols, lines, strict=True):
        protocol.makeConnection(line)
    assert [line.producerState for line in lines] == ["producing", "paused", "paused"]
    world.advance(14)
    protocols[0].handshakeCompleted()
    assert [line.producerState for line in lines] == ["producing", "producing", "paused"]
    world.advance(2)
    assert [line.aborted for line in lines] == [False, True, True]


def test_who_does_not_log_in_within_a_minute_is_sent_away_whatever_it_says() -> None:
    world = World()
    client = world.client(login=False)
    for _ in range(5):
        world.advance(11)
        assert "T OK" in client.say("NOOP")
    world.advance(6)
    assert client.heard().startswith("* BYE")
    assert client.closed


def test_autologout_comes_35_minutes_after_the_last_word() -> None:
    world = World()
    client = world.client()
    world.advance(34 * 60)
    assert "T OK" in client.say("NOOP")
    world.advance(34 * 60)
    assert client.heard() == ""
    world.advance(2 * 60)
    assert client.heard().startswith("* BYE Autologout")


def test_a_message_that_trickles_in_is_given_up() -> None:
    world = World()
    client = world.client()
    client.send(b"a APPEND INBOX {100000+}\r\n")
    for _ in range(6):
        client.send(b"x" * 10)
        world.advance(11)
    assert client.heard().startswith("* BYE")


# Backpressure


def test_a_body_is_read_from_the_store_only_as_fast_as_the_client_takes_it() -> None:
    world = World()
    body = bytes(range(33, 123)) * 20_000
    message = b"Subject: big\r\n\r\n" + body
    world.deliver(message)
    client = world.client()
    client.say("SELECT INBOX")
    read: list[int] = []
    original = world.engine.read_body

    def counted(bucket: object, body_id: int, chunk: int) -> bytes | None:
        read.append(chunk)
        return original(bucket, body_id, chunk)  # type: ignore[arg-type]

    world.engine.read_body = counted  # type: ignore[method-assign, assignment]

    write = client.transport.write

    def write_and_stop(octets: bytes) -> None:
        """As a socket does whose peer does not read."""
        write(octets)
        client.protocol.pauseProducing()

    client.transport.write = write_and_stop  # type: ignore[method-assign]
    client.send(b"a FETCH 1 BODY.PEEK[]\r\nb NOOP\r\n")
    received = b""
    rounds = 0
    while b"b OK" not in received:
        before = len(read)
        client.protocol.resumeProducing()
        assert len(read) - before <= 2
        piece = client.transport.value()
        assert len(piece) <= 200_000
        received += piece
        client.transport.clear()
        rounds += 1
        assert rounds < 200
    assert message in received
    assert received.startswith(b"* 1 FETCH (BODY[] {%d}\r\n" % len(message))


def test_commands_are_not_read_from_a_client_that_does_not_take_its_answers() -> None:
    world = World()
    client = world.client()
    client.protocol.pauseProducing()
    client.send(b"".join(b"x%d NOOP\r\n" % n for n in range(10_000)))
    assert client.heard() == ""
    assert client.transport.producerState == "paused"
    client.protocol.resumeProducing()
    assert client.heard().count("OK Done") == 10_000
    assert client.transport.producerState == "producing"


def body_chunks(world: World) -> list[bytes]:
    """Keys of all body chunks, by body and number."""
    return sorted(key[6:] for key, _ in world.engine.contents() if key[4:7] == b"b\0b")


def test_a_body_that_is_lost_in_the_middle_closes_the_connection() -> None:
    world = World()
    world.deliver(b"Subject: big\r\n\r\n" + b"x" * 500_000)
    client = world.client()
    client.say("SELECT INBOX")
    bucket = world.engine.buckets()[0]
    world.engine.corrupt(bucket, keys.BODY, body_chunks(world)[-1])
    client.send(b"a FETCH 1 BODY.PEEK[]\r\n")
    assert client.transport.aborted
    assert "OK" not in client.heard()


def test_a_damaged_message_is_reported_and_the_others_are_served() -> None:
    world = World()
    for _ in range(3):
        world.deliver()
    client = world.client()
    client.say("SELECT INBOX")
    bucket = world.engine.buckets()[0]
    chunks = body_chunks(world)
    assert len(chunks) == 6
    world.engine.corrupt(bucket, keys.BODY, chunks[3])
    answer = client.say("FETCH 1:3 BODY.PEEK[]")
    assert answer.count("At noon?") == 2
    assert "* 1 FETCH" in answer and "* 2 FETCH" not in answer and "* 3 FETCH" in answer
    assert "T NO [CORRUPTION]" in answer
