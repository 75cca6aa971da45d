from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.samples import DAY_ONE, write
from xtramail.model.errors import Corrupt, NoSuchMessage, StoreFull
from xtramail.model.pending import drive
from xtramail.store import bodies, keys
from xtramail.store.bodies import BodyRef, BodyWriter
from xtramail.store.engine import MAX_VALUE
from xtramail.store.memory_engine import MemoryEngine

CHUNK = 65_000


def store(engine: MemoryEngine, pieces: Iterator[bytes] | list[bytes], body_id: int = 1) -> BodyRef:
    writer = BodyWriter(engine, DAY_ONE, body_id)
    for piece in pieces:
        writer.write(piece)
    ref, tail = writer.finish()
    drive(writer.settled())
    write(engine, lambda txn: bodies.put_chunks(txn, DAY_ONE, body_id, tail), keys.BODY)
    return ref


def noise(length: int) -> bytes:
    return random.Random(length).randbytes(length).replace(b"\r\n\r\n", b"....")


@pytest.mark.parametrize(
    ("message", "header_length"),
    [
        (b"", 0),
        (b"\r\n", 2),
        (b"\r\nbody", 2),
        (b"A: b\r\n\r\n", 8),
        (b"A: b\r\n\r\nbody", 8),
        (b"A: b\r\n", 6),
        (b"no header end\nat all", 20),
        (b"A: " + noise(CHUNK * 2) + b"\r\n\r\n" + noise(10), CHUNK * 2 + 7),
        (b"A: " + noise(CHUNK - 7) + b"\r\n\r\n" + noise(CHUNK), CHUNK),
        (b"A: " + noise(CHUNK - 5) + b"\r\n\r\n" + noise(CHUNK * 5 + 1), CHUNK + 2),
        (b"A: b\r\n\r\n" + b"x" * (CHUNK * 9), 8),
        (noise(CHUNK), CHUNK),
        (noise(CHUNK * 6 + 5), CHUNK * 6 + 5),
    ],
)
@pytest.mark.parametrize("step", [3, 1_000, 64_999, 10**9])
def test_a_body_comes_back_whole_however_it_was_cut(message: bytes, header_length: int, step: int) -> None:
    if step == 3:
        message, header_length = message[: CHUNK + 50], min(header_length, len(message[: CHUNK + 50]))
    engine = MemoryEngine()
    ref = store(engine, [message[at : at + step] for at in range(0, len(message), step)])
    assert (ref.size, ref.header_length) == (len(message), header_length)
    assert bodies.read(engine, ref) == message
    assert engine.read_body(DAY_ONE, 1, bodies.chunk_count(ref) - 1) is not None
    assert engine.read_body(DAY_ONE, 1, bodies.chunk_count(ref)) is None


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, CHUNK * 3), st.integers(0, CHUNK * 3), st.data())
def test_any_window_of_a_body_is_exact(header: int, rest: int, data: st.DataObject) -> None:
    message = b"h" * header + b"\r\n\r\n" + b"b" * rest
    message = bytes(at * 7 % 251 if at % 97 else 65 for at in range(header)) + message[header:]
    engine = MemoryEngine()
    ref = store(engine, [message])
    for _ in range(5):
        offset = data.draw(st.integers(0, len(message) + 10))
        length = data.draw(st.one_of(st.none(), st.integers(0, CHUNK * 2)))
        end = len(message) if length is None else offset + length
        assert bodies.read(engine, ref, offset, length) == message[offset:end]


def test_chunk_zero_is_the_header_alone() -> None:
    engine = MemoryEngine()
    store(engine, [b"Subject: hello\r\n\r\nthe text"])
    first, second = engine.read_body(DAY_ONE, 1, 0), engine.read_body(DAY_ONE, 1, 1)
    assert first is not None and bodies.decode_chunk(first) == b"Subject: hello\r\n\r\n"
    assert second is not None and bodies.decode_chunk(second) == b"the text"


def test_a_small_body_needs_no_commit_of_its_own() -> None:
    engine = MemoryEngine()
    writer = BodyWriter(engine, DAY_ONE, 1)
    assert writer.write(b"A: b\r\n\r\n" + noise(100_000)) is None
    _, tail = writer.finish()
    assert engine.commits == 0
    assert [number for number, _ in tail] == [0, 1, 2]


def test_a_large_body_is_handed_over_while_it_arrives_and_little_of_it_is_kept() -> None:
    engine = MemoryEngine()
    writer = BodyWriter(engine, DAY_ONE, 1)
    handed = [writer.write(noise(CHUNK)) for _ in range(40)]
    assert sum(pending is not None for pending in handed) == 9
    _, tail = writer.finish()
    assert len(tail) <= bodies.INLINE
    drive(writer.settled())


def test_a_failed_hand_over_fails_the_body() -> None:
    engine = MemoryEngine()
    writer = BodyWriter(engine, DAY_ONE, 1)
    engine.fail_next(StoreFull())
    pending = writer.write(noise(CHUNK * 5))
    assert pending is not None
    with pytest.raises(StoreFull):
        pending.result()
    writer.write(noise(CHUNK * 5))
    with pytest.raises(StoreFull):
        drive(writer.settled())


def test_a_hand_over_that_fails_later_fails_the_body_too() -> None:
    engine = MemoryEngine()
    writer = BodyWriter(engine, DAY_ONE, 1)
    engine.pause()
    engine.fail_next(StoreFull())
    writer.write(noise(CHUNK * 5))
    waiting = writer.settled()
    waited = waiting.send(None)
    assert not waited.done
    engine.resume()
    with pytest.raises(StoreFull):
        waiting.send(None)


def test_text_is_compressed_and_noise_is_not() -> None:
    text, random_octets = b"all work and no play " * 3000, noise(CHUNK)
    assert len(bodies.encode_chunk(text)) < len(text) // 10
    assert bodies.encode_chunk(random_octets) == b"\0" + random_octets
    assert len(bodies.encode_chunk(random_octets)) < MAX_VALUE
    assert bodies.decode_chunk(bodies.encode_chunk(text)) == text


@pytest.mark.parametrize("chunk", [b"", b"\2abc", b"\1not zstd"])
def test_a_chunk_of_unknown_form_is_corrupt(chunk: bytes) -> None:
    with pytest.raises(Corrupt):
        bodies.decode_chunk(chunk)


def test_a_chunk_of_the_wrong_length_is_corrupt() -> None:
    engine = MemoryEngine()
    ref = store(engine, [b"A: b\r\n\r\nbody"])
    write(engine, lambda txn: bodies.put_chunks(txn, DAY_ONE, 1, [(1, bodies.encode_chunk(b"bod"))]), keys.BODY)
    with pytest.raises(Corrupt):
        bodies.read(engine, ref)
    assert bodies.read(engine, ref, 0, 8) == b"A: b\r\n\r\n"


def test_a_body_that_expires_while_it_is_read_is_no_such_message() -> None:
    engine = MemoryEngine()
    ref = store(engine, [noise(CHUNK * 3)])
    stream = bodies.chunks(engine, ref)
    next(stream)
    engine.drop_bucket(DAY_ONE, 0).result()
    with pytest.raises(NoSuchMessage):
        next(stream)


def test_a_dropped_bucket_takes_no_more_octets() -> None:
    engine = MemoryEngine()
    engine.drop_bucket(DAY_ONE, 0).result()
    writer = BodyWriter(engine, DAY_ONE, 1)
    writer.write(noise(CHUNK * 5))
    with pytest.raises(NoSuchMessage):
        drive(writer.settled())
