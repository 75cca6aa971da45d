"""What reading does where damaged pages lead back: it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from xtramail.model.errors import StoreFault
from xtramail.store.snapshot import stored_buckets, stored_scopes


class Circle:
    """Whatever is sought, what is found lies before it."""

    def __init__(self, found: bytes) -> None:
        self._found = found
        self._times = 0

    def seek(self, key: bytes) -> bytes | None:
        self._times += 1
        assert self._times < 10, "it goes round and round"
        return self._found

    def get(self, key: bytes) -> bytes | None:
        return None

    def ascending(self, low: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(())

    def descending(self, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(())

    def commit_number(self) -> int:
        return 1


def test_buckets_that_lead_back_are_a_fault() -> None:
    with pytest.raises(StoreFault, match="out of order"):
        stored_buckets(Circle(b"\0\0\0\1store\0x"))


def test_scopes_that_lead_back_are_a_fault() -> None:
    with pytest.raises(StoreFault, match="out of order"):
        stored_scopes(Circle(b"\0\0\0\0u00000001\0x"), b"u")
