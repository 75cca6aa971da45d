"""What the four octets behind each value notice."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.model.errors import Corrupt
from xtramail.store.checksum import SIZE, seal, unseal


@settings(derandomize=True, deadline=None, max_examples=50)
@given(key=st.binary(max_size=40), value=st.binary(max_size=100))
def test_what_was_sealed_is_unsealed(key: bytes, value: bytes) -> None:
    sealed = seal(key, value)
    assert len(sealed) == len(value) + SIZE
    assert unseal(key, sealed) == value


@settings(derandomize=True, deadline=None, max_examples=100)
@given(key=st.binary(min_size=1, max_size=20), value=st.binary(max_size=60), at=st.integers(0, 10_000))
def test_any_flipped_bit_is_noticed(key: bytes, value: bytes, at: int) -> None:
    sealed = bytearray(seal(key, value))
    at %= len(sealed) * 8
    sealed[at // 8] ^= 1 << at % 8
    with pytest.raises(Corrupt):
        unseal(key, bytes(sealed))


def test_a_value_under_another_key_is_noticed() -> None:
    with pytest.raises(Corrupt, match="6b32"):
        unseal(b"k2", seal(b"k1", b"value"))


def test_a_cut_value_is_noticed() -> None:
    with pytest.raises(Corrupt):
        unseal(b"k", seal(b"k", b"value")[:-1])


def test_the_sum_is_that_of_zlib_whatever_the_length() -> None:
    octets = bytes(range(256)) * 300
    for length in (*range(70), 1_000, 5_121, 65_540, len(octets)):
        sealed = seal(b"key", octets[:length])
        assert sealed[length:] == zlib.crc32(octets[:length], zlib.crc32(b"key")).to_bytes(SIZE, "little")
