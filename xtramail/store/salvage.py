"""All that is still readable of a damaged store.

First the tree, from the newest meta page, as far as it holds together. Then, where rows may have been lost, every page
of the file that neither the tree nor the list of free pages speaks for: leaves whose branch is gone stand there alone.
Each row is taken by its own checksum, so a wrong one never comes along. Reads the file itself and not through LMDB,
which trusts its pages and can be killed by them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from xtramail.model.errors import Corrupt
from xtramail.store import checksum
from xtramail.store.page_file import Lost, Meta, PageFile

EVERY = 10_000
"""Rows between two words of progress."""
MANY = 1_000
"""So many gaps are one: the whole store."""


@dataclass(slots=True)
class Salvaged:
    """What was found; filled while :func:`rows` is read."""

    rows: int = 0
    damaged: int = 0
    """Rows whose checksum does not match: left out."""
    found_alone: int = 0
    """Of ``rows``: on pages that no branch leads to any more."""
    in_doubt: bool = False
    """The list of free pages is damaged, too: rows that stand alone may be older than what was lost."""
    older: bool = False
    """A meta page is damaged, and it may have been the newer one: the last commit may be missing."""
    lost: list[Lost] = field(default_factory=list)


def rows(
    file: PageFile, told: Salvaged, progress: Callable[[Salvaged], None] = lambda told: None
) -> Iterator[tuple[bytes, bytes]]:
    """Physical keys and sealed values. A key that comes again is older, or the same: the first is to be kept."""
    metas = file.metas()
    visited: set[int] = set()
    meta = metas[0] if metas else None
    told.older = len(metas) == 1 or (len(metas) == 2 and metas[0].transaction - metas[1].transaction > 1)
    seen = 0
    for key, value in file.rows(meta.main, told.lost.append, visited) if meta is not None else ():
        seen += 1
        if _intact(key, value):
            told.rows += 1
            yield key, value
        else:
            told.damaged += 1
        if seen % EVERY == 0:
            progress(told)
    _look_for_more(meta, seen, told)
    if told.lost:
        yield from _alone(file, meta, visited, told, progress)


def _look_for_more(meta: Meta | None, seen: int, told: Salvaged) -> None:
    """A meta page has no checksum: where its own count says otherwise, its tree is not all there was."""
    if meta is None:
        told.lost.append(Lost(b"", None, "both meta pages are damaged"))
    elif seen != meta.main.entries and not told.lost:
        told.lost.append(Lost(b"", None, f"the meta page counts {meta.main.entries} rows, and its tree has {seen}"))


def _alone(
    file: PageFile,
    meta: Meta | None,
    visited: set[int],
    told: Salvaged,
    progress: Callable[[Salvaged], None],
) -> Iterator[tuple[bytes, bytes]]:
    free = file.free_pages(meta) if meta is not None else None
    told.in_doubt = free is None
    dead = free or set()
    # Where it is known which pages are dead, all others are alive, whichever gap they belong to.
    everywhere = free is not None or len(told.lost) > MANY
    for number in range(file.pages):
        if number in visited or number in dead:
            continue
        for key, value in file.leaf_rows(number):
            if _intact(key, value) and (everywhere or any(lost.has(key) for lost in told.lost)):
                told.rows += 1
                told.found_alone += 1
                yield key, value
        if number % EVERY == 0:
            progress(told)


def _intact(key: bytes, value: bytes) -> bool:
    try:
        checksum.unseal(key, value)
    except Corrupt:
        return False
    return True
