"""COMPRESS=DEFLATE (RFC 4978): the dialogue goes on as before, and a bomb meets the limits of plain input."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest

from tests.imap_world import MAIL, Client, World


class Deflated:
    """The client's half of a compressed connection."""

    def __init__(self, client: Client, *, flush: int = zlib.Z_SYNC_FLUSH, level: int = 6) -> None:
        self.client = client
        self.flush = flush
        self._out = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._in = zlib.decompressobj(-zlib.MAX_WBITS)

    def octets(self, text: bytes) -> bytes:
        return self._out.compress(text) + self._out.flush(self.flush)

    def say(self, text: bytes, *, bytewise: bool = False) -> str:
        octets = self.octets(text)
        for at in range(0, len(octets), 1 if bytewise else len(octets)):
            self.client.send(octets[at : at + 1] if bytewise else octets)
        return self.heard()

    def heard(self) -> str:
        return self._in.decompress(self.client.heard().encode("latin-1")).decode("latin-1")


def compressed(made: World | None = None, **how: int) -> Deflated:
    client = (made or World()).client()
    assert client.say("COMPRESS DEFLATE") == "T OK Deflating from now on\r\n"
    return Deflated(client, **how)


@pytest.mark.parametrize("flush", [zlib.Z_SYNC_FLUSH, zlib.Z_PARTIAL_FLUSH, zlib.Z_FULL_FLUSH])
@pytest.mark.parametrize("bytewise", [False, True])
def test_every_flush_of_a_client_is_read_to_its_end(flush: int, bytewise: bool) -> None:
    both = compressed(flush=flush)
    assert both.say(b"a NOOP\r\n", bytewise=bytewise) == "a OK Done\r\n"
    answer = both.say(b"b APPEND INBOX {%d+}\r\n%b\r\nc SELECT INBOX\r\n" % (len(MAIL), MAIL), bytewise=bytewise)
    assert "b OK [APPENDUID" in answer and "* 1 EXISTS" in answer and "c OK" in answer
    assert "At noon?" in both.say(b"d FETCH 1 BODY[]\r\n", bytewise=bytewise)


def test_idle_is_told_compressed() -> None:
    made = World()
    both = compressed(made)
    both.say(b"a SELECT INBOX\r\n")
    assert both.say(b"b IDLE\r\n") == "+ idling\r\n"
    made.deliver()
    assert "* 1 EXISTS" in both.heard()
    assert both.say(b"DONE\r\n") == "b OK Idled\r\n"


def test_it_begins_once_and_with_the_answer() -> None:
    both = compressed()
    assert both.say(b"a COMPRESS DEFLATE\r\n").startswith("a NO [COMPRESSIONACTIVE]")
    client = World().client()
    assert client.say("COMPRESS LZMA").startswith("T BAD")
    assert client.say("COMPRESS").startswith("T BAD")
    client.send(b"a COMPRESS DEFLATE\r\nb NOOP\r\n")
    assert client.heard() == "a BAD Wait for OK before sending more\r\nb OK Done\r\n"
    fresh = World().client(login=False)
    assert fresh.say("COMPRESS DEFLATE").startswith("T BAD")


def test_what_is_no_deflated_data_ends_the_connection() -> None:
    both = compressed()
    both.client.send(b"\xff\xff\xff\xff a NOOP\r\n")
    assert "* BYE Compressed data is broken" in both.heard()
    assert both.client.closed


def test_data_behind_the_end_of_the_stream_ends_the_connection() -> None:
    both = compressed()
    out = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    both.client.send(out.compress(b"a NOOP\r\n") + out.flush(zlib.Z_FINISH))
    assert "* BYE" in both.heard()
    assert both.client.closed


def test_a_bomb_is_opened_in_steps_and_meets_the_limits() -> None:
    both = compressed(level=9)
    octets = both.octets(b"a" * (64 << 20))
    assert len(octets) < 100_000
    tracemalloc.start()
    try:
        both.client.send(octets)
        for _ in range(2000):
            answer = both.heard()
            if answer or both.client.closed:
                break
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20, f"{peak >> 10} KiB"
    assert "* BYE Too much to read past" in answer
    assert both.client.protocol.connection.buffered == 0


def test_a_large_append_is_inflated_as_it_is_taken() -> None:
    made = World()
    both = compressed(made, level=9)
    message = MAIL + b"x" * (2 << 20)
    both.client.send(both.octets(b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(message), message)))
    for _ in range(200):
        if answer := both.heard():
            break
    assert "a OK [APPENDUID" in answer
    assert f"RFC822.SIZE {len(message)}" in both.say(b"b SELECT INBOX\r\nc FETCH 1 RFC822.SIZE\r\n")
