"""LMDB's file as its pages say it is, read without LMDB: for a file that LMDB cannot read, or dies of.

Owns the format of pages (LMDB 0.9, as ``mdb.c`` defines it; 64 bits, little-endian) and nothing of what the rows mean.
Nothing in a page is believed: an offset that leaves its page, a page that is another than the one asked for, a key that
is out of order and a tree that leads in a circle are damage, reported and gone round. Each page is read from the file
by itself, so that a sector that cannot be read costs that page.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from xtramail.model.errors import BadInput

MAGIC, VERSION = 0xBEEFC0DE, 1
PAGE_SIZE = 4096
"""Where no meta page says another."""
BRANCH, LEAF, OVERFLOW, META = 0x01, 0x02, 0x04, 0x08
BIG, OF_OTHER_KINDS = 0x01, 0x06
"""Of a node: its value lies on overflow pages; it is a table or a list of duplicates, which a store of ours has not."""
DEEPEST = 32
LARGEST = 1 << 20
"""Octets of a value: far above any of ours."""

_HEADER = struct.Struct("<QHHHH")
_COUNT = struct.Struct("<I")
_NODE = struct.Struct("<HHHH")
_META = struct.Struct("<IIQQ")
_TREE = struct.Struct("<IHHQQQQQ")
_TAIL = struct.Struct("<QQ")
_NUMBER = struct.Struct("<Q")
_NOWHERE = 0xFFFF_FFFF_FFFF_FFFF


class Damaged(Exception):
    """A page cannot be read as what it should be."""


@dataclass(frozen=True, slots=True)
class Tree:
    """``root``: its topmost page, None when it is empty. ``entries``: rows, as the meta page counts them."""

    root: int | None
    entries: int


@dataclass(frozen=True, slots=True)
class Meta:
    """One of the two beginnings of the file."""

    transaction: int
    free: Tree
    main: Tree
    last_page: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Rows with ``low`` <= key < ``high`` (None: the end) cannot be reached, because of ``why``."""

    low: bytes
    high: bytes | None
    why: str

    def has(self, key: bytes) -> bool:
        return self.low <= key and (self.high is None or key < self.high)


OnLost = Callable[[Lost], None]


class PageFile:
    """A data file, open for reading; close it."""

    def __init__(self, file: Path) -> None:
        """BadInput where it cannot be opened."""
        try:
            self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise BadInput(f"{file} cannot be read: {error.strerror}") from error
        self._size = PAGE_SIZE
        metas = self.metas()
        if not metas:
            # The size of a page is in the meta pages; ours is the machine's.
            self._size = PAGE_SIZE
        self.pages = os.fstat(self._descriptor).st_size // self._size

    def close(self) -> None:
        os.close(self._descriptor)

    def metas(self) -> list[Meta]:
        """Those that are whole, the newest first."""
        found = []
        for number in (0, 1):
            try:
                found.append(self._meta(number))
            except (Damaged, struct.error):
                continue
        return sorted(found, key=lambda meta: meta.transaction, reverse=True)

    def _meta(self, number: int) -> Meta:
        page = self._page(number)
        at = _HEADER.size
        magic, version, _, _ = _META.unpack_from(page, at)
        flags = _HEADER.unpack_from(page)[2]
        if magic != MAGIC or version != VERSION or not flags & META:
            raise Damaged(f"page {number} is no meta page")
        at += _META.size
        trees = [_TREE.unpack_from(page, at + place * _TREE.size) for place in (0, 1)]
        if trees[0][0] != self._size:
            raise Damaged(f"pages of {trees[0][0]} octets")
        last_page, transaction = _TAIL.unpack_from(page, at + 2 * _TREE.size)
        if transaction and transaction % 2 != number:
            # They are written in turns; only an empty file has the same in both.
            raise Damaged(f"page {number} is of another turn")
        free, main = (Tree(root=None if one[7] == _NOWHERE else one[7], entries=one[6]) for one in trees)
        return Meta(transaction=transaction, free=free, main=main, last_page=last_page)

    def rows(self, tree: Tree, lost: OnLost, visited: set[int]) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values in order; ``visited`` gets every page that belongs to the tree."""
        if tree.root is not None:
            yield from self._below(tree.root, b"", None, 0, lost, visited)

    def _below(
        self, number: int, low: bytes, high: bytes | None, depth: int, lost: OnLost, visited: set[int]
    ) -> Iterator[tuple[bytes, bytes]]:
        if number in visited or depth > DEEPEST:
            lost(Lost(low, high, f"page {number} is reached twice"))
            return
        try:
            page = self._page(number)
            kind, nodes = self._nodes(number, page)
        except Damaged as error:
            lost(Lost(low, high, str(error)))
            return
        visited.add(number)
        if kind == LEAF:
            yield from self._leaf(page, nodes, low, high, lost, visited, number)
            return
        children: list[tuple[bytes, int]] = []
        for place, at in enumerate(nodes):
            try:
                child, key = self._branch_node(page, at)
            except Damaged as error:
                lost(Lost(children[-1][0] if children else low, high, f"page {number}: {error}"))
                return
            # The first key of a branch page stands for everything below the second.
            key = low if place == 0 else key
            if key < low or (high is not None and key >= high) or (children and key <= children[-1][0]):
                lost(Lost(children[-1][0] if children else low, high, f"page {number}: its keys are out of order"))
                return
            children.append((key, child))
        for place, (key, child) in enumerate(children):
            end = children[place + 1][0] if place + 1 < len(children) else high
            yield from self._below(child, key, end, depth + 1, lost, visited)

    def _leaf(
        self,
        page: bytes,
        nodes: list[int],
        low: bytes,
        high: bytes | None,
        lost: OnLost,
        visited: set[int],
        number: int,
    ) -> Iterator[tuple[bytes, bytes]]:
        for at in nodes:
            try:
                key, value = self._leaf_node(page, at, visited)
            except Damaged as error:
                lost(Lost(low, high, f"page {number}: {error}"))
                continue
            if key < low or (high is not None and key >= high):
                # The separator above may be what is damaged: who looks through all pages is to come by here again.
                lost(Lost(low, high, f"page {number}: a key is not where it belongs"))
                visited.discard(number)
                continue
            yield key, value

    def leaf_rows(self, number: int) -> Iterator[tuple[bytes, bytes]]:
        """Whatever page ``number`` holds that looks like rows, its header believed or not: rows have checksums."""
        try:
            page = self._page(number)
        except Damaged:
            return
        try:
            _, nodes = self._nodes(number, page)
        except Damaged:
            nodes = list(struct.unpack_from(f"<{(self._size - _HEADER.size) // 2}H", page, _HEADER.size))
        for at in nodes:
            try:
                yield self._leaf_node(page, at, set())
            except Damaged:
                continue

    def free_pages(self, meta: Meta) -> set[int] | None:
        """Pages that hold nothing of ``meta``'s rows; None when that cannot be said."""
        lost: list[Lost] = []
        found: set[int] = set()
        entries = 0
        for _, value in self.rows(meta.free, lost.append, found):
            entries += 1
            if len(value) % _NUMBER.size or not value:
                return None
            count, *numbers = (one for (one,) in _NUMBER.iter_unpack(value))
            if count != len(numbers):
                return None
            found.update(numbers)
        return None if lost or entries != meta.free.entries else found

    def _page(self, number: int) -> bytes:
        try:
            page = os.pread(self._descriptor, self._size, number * self._size)
        except (OSError, OverflowError) as error:
            raise Damaged(f"page {number} cannot be read: {error}") from error
        if len(page) != self._size:
            raise Damaged(f"page {number} is behind the end of the file")
        return page

    def _nodes(self, number: int, page: bytes) -> tuple[int, list[int]]:
        own, _, flags, lower, _ = _HEADER.unpack_from(page)
        count = (lower - _HEADER.size) // 2
        if own != number:
            raise Damaged(f"page {number} says that it is page {own}")
        if flags not in (BRANCH, LEAF):
            raise Damaged(f"page {number} is neither a branch nor a leaf")
        if lower % 2 or count < 0 or lower > self._size:
            raise Damaged(f"page {number} has no list of nodes")
        return flags, list(struct.unpack_from(f"<{count}H", page, _HEADER.size))

    def _node(self, page: bytes, at: int) -> tuple[int, int, int, bytes]:
        if not _HEADER.size <= at <= self._size - _NODE.size:
            raise Damaged("a node lies outside")
        low, high, flags, length = _NODE.unpack_from(page, at)
        begin = at + _NODE.size
        if begin + length > self._size:
            raise Damaged("a key is cut off")
        return low | high << 16, flags, begin + length, page[begin : begin + length]

    def _branch_node(self, page: bytes, at: int) -> tuple[int, bytes]:
        low, flags, _, key = self._node(page, at)
        return low | flags << 32, key

    def _leaf_node(self, page: bytes, at: int, visited: set[int]) -> tuple[bytes, bytes]:
        length, flags, begin, key = self._node(page, at)
        if flags & OF_OTHER_KINDS or length > LARGEST:
            raise Damaged("a node is of no kind of ours")
        if not flags & BIG:
            if begin + length > self._size:
                raise Damaged("a value is cut off")
            return key, page[begin : begin + length]
        if begin + _NUMBER.size > self._size:
            raise Damaged("a value is nowhere")
        (first,) = _NUMBER.unpack_from(page, begin)
        return key, self._overflow(first, length, visited)

    def _overflow(self, first: int, length: int, visited: set[int]) -> bytes:
        page = self._page(first)
        own, _, flags, _, _ = _HEADER.unpack_from(page)
        (count,) = _COUNT.unpack_from(page, _HEADER.size - _COUNT.size)
        if own != first or flags != OVERFLOW or count * self._size < _HEADER.size + length:
            raise Damaged(f"page {first} is not the value it should be")
        needed = -(-(_HEADER.size + length) // self._size)
        octets = b"".join([page, *(self._page(first + more) for more in range(1, needed))])
        visited.update(range(first, first + needed))
        return octets[_HEADER.size : _HEADER.size + length]
