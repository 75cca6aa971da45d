"""LMDB's file read without LMDB: the same rows from a whole file, and no row that was not there from a damaged one."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from random import Random

import pytest

from tests.store.filled import DAYS, USER, deliver, fill
from xtramail.model.errors import BadInput
from xtramail.store import messages
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.page_file import PAGE_SIZE, Lost, Meta, PageFile
from xtramail.store.salvage import Salvaged, rows

Rows = dict[bytes, bytes]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Rows]:
    """The octets of a store of several levels that has lived a little, and its rows as LMDB reads them."""
    folder = tmp_path_factory.mktemp("pages") / "store"
    engine = LmdbEngine(folder, create=True)
    fill(engine, 30)
    for turn in range(10):
        engine.transact(
            USER, lambda txn, turn=turn: messages.expunge(txn, 1, [turn + 1], "ann", 1e9, False)
        ).result()
        deliver(engine, 31 + turn, DAYS[turn % 2], size=3_000)
    found = dict(engine.stored_rows(b"", 1_000_000, 1 << 30))
    engine.close()
    return (folder / "data.mdb").read_bytes(), found


def newest_meta(place: Path, octets: bytes) -> Meta:
    """Of a whole file, which is at ``place`` from then on."""
    place.write_bytes(octets)
    with contextlib.closing(PageFile(place)) as file:
        return file.metas()[0]


def salvaged(place: Path, octets: bytes) -> tuple[Rows, Salvaged]:
    """Of a key that comes twice the first."""
    place.write_bytes(octets)
    told = Salvaged()
    found: Rows = {}
    with contextlib.closing(PageFile(place)) as file:
        for key, value in rows(file, told):
            found.setdefault(key, value)
    return found, told


def test_a_whole_file_has_the_rows_that_lmdb_reads(tmp_path: Path, store: tuple[bytes, Rows]) -> None:
    octets, expected = store
    found, told = salvaged(tmp_path / "data.mdb", octets)
    assert found == expected
    assert list(found) == sorted(expected)
    assert (told.rows, told.damaged, told.lost, told.in_doubt) == (len(expected), 0, [], False)


def test_pages_of_the_tree_and_free_pages_are_all_there_are(tmp_path: Path, store: tuple[bytes, Rows]) -> None:
    """Nothing is in both, and nothing is in neither: what stands alone can be told from what is dead."""
    place = tmp_path / "data.mdb"
    place.write_bytes(store[0])
    lost: list[Lost] = []
    used: set[int] = set()
    with contextlib.closing(PageFile(place)) as file:
        meta = file.metas()[0]
        assert sum(1 for _ in file.rows(meta.main, lost.append, used)) == meta.main.entries
        free = file.free_pages(meta)
    assert free is not None and lost == []
    assert not used & free
    assert used | free | {0, 1} == set(range(meta.last_page + 1))


def owners(octets: bytes, place: Path) -> dict[int, Rows]:
    """Rows by the leaf page that holds them, with the pages of large values counted to the page of their row."""
    place.write_bytes(octets)
    with contextlib.closing(PageFile(place)) as file:
        used: set[int] = set()
        for _ in file.rows(file.metas()[0].main, lambda lost: None, used):
            pass
        return {number: dict(file.leaf_rows(number)) for number in used}


@pytest.mark.parametrize("seed", range(4))
def test_a_flip_in_any_page_costs_no_more_than_that_page(
    tmp_path: Path, store: tuple[bytes, Rows], seed: int
) -> None:
    octets, expected = store
    chance = Random(seed)
    on_page = owners(octets, tmp_path / "whole")
    for page in range(len(octets) // PAGE_SIZE):
        # The header and the list of nodes are where a flip hurts most.
        at = page * PAGE_SIZE + (chance.randrange(64) if seed % 2 else chance.randrange(PAGE_SIZE))
        damaged = bytearray(octets)
        damaged[at] ^= 1 << chance.randrange(8)
        found, told = salvaged(tmp_path / "data.mdb", bytes(damaged))
        if told.older:
            # Whole, as it was before the last commit.
            assert page in (0, 1) and not told.lost and len(found) > len(expected) - 20
            continue
        wrong = {key for key, value in found.items() if expected.get(key) != value}
        assert not wrong, (page, wrong)
        missing = set(expected) - set(found)
        here = set(on_page.get(page, ()))
        # A page of a large value is the loss of one row, wherever that row lies.
        assert missing <= here or len(missing) <= 1, (page, len(missing), len(here))


def test_a_lost_branch_loses_no_row(tmp_path: Path, store: tuple[bytes, Rows]) -> None:
    octets, expected = store
    place = tmp_path / "data.mdb"
    root = newest_meta(place, octets).main.root
    assert root is not None
    damaged = bytearray(octets)
    damaged[root * PAGE_SIZE : (root + 1) * PAGE_SIZE] = bytes(PAGE_SIZE)
    found, told = salvaged(place, bytes(damaged))
    assert found == expected
    assert told.found_alone == len(expected) and not told.in_doubt
    assert [lost.why for lost in told.lost] == [f"page {root} says that it is page 0"]


def test_a_branch_that_leads_to_itself_is_gone_round(tmp_path: Path, store: tuple[bytes, Rows]) -> None:
    octets, expected = store
    place = tmp_path / "data.mdb"
    root = newest_meta(place, octets).main.root
    assert root is not None
    damaged, begin = bytearray(octets), root * PAGE_SIZE
    last = begin + struct.unpack_from("<H", damaged, begin + struct.unpack_from("<H", damaged, begin + 12)[0] - 2)[0]
    # The first six octets of a node say which page is below it (mdb.c).
    damaged[last : last + 6] = root.to_bytes(6, "little")
    found, told = salvaged(place, bytes(damaged))
    assert found == expected
    assert told.found_alone > 0
    assert [lost.why for lost in told.lost] == [f"page {root} is reached twice"]


def test_a_meta_page_that_counts_more_rows_than_its_tree_has_is_not_believed(
    tmp_path: Path, store: tuple[bytes, Rows]
) -> None:
    octets, expected = store
    place = tmp_path / "data.mdb"
    newest = newest_meta(place, octets).transaction % 2
    damaged = bytearray(octets)
    # Entries of the main tree (mdb.c: MDB_meta, MDB_db).
    struct.pack_into("<Q", damaged, newest * PAGE_SIZE + 120, len(expected) + 5)
    found, told = salvaged(place, bytes(damaged))
    assert found == expected
    assert [lost.why for lost in told.lost] == [
        f"the meta page counts {len(expected) + 5} rows, and its tree has {len(expected)}"
    ]


def test_an_older_meta_page_that_passes_for_the_newest_is_not_believed(
    tmp_path: Path, store: tuple[bytes, Rows]
) -> None:
    octets, expected = store
    place = tmp_path / "data.mdb"
    newest = newest_meta(place, octets).transaction
    damaged = bytearray(octets)
    # Its transaction (mdb.c: MDB_meta), of which the odd ones are on page 1 alone.
    struct.pack_into("<Q", damaged, (1 - newest % 2) * PAGE_SIZE + 144, newest + 2)
    found, told = salvaged(place, bytes(damaged))
    assert found == expected
    assert told.older, "which of the two was the newer one cannot be said any more"


@pytest.mark.parametrize("what", ["a list of fewer pages", "fewer lists"])
def test_a_list_of_free_pages_that_is_not_whole_is_in_doubt(
    tmp_path: Path, store: tuple[bytes, Rows], what: str
) -> None:
    octets, _ = store
    place = tmp_path / "data.mdb"
    meta = newest_meta(place, octets)
    root = meta.free.root
    assert root is not None
    damaged = bytearray(octets)
    if what == "fewer lists":
        struct.pack_into("<Q", damaged, meta.transaction % 2 * PAGE_SIZE + 72, meta.free.entries + 1)
    else:
        begin = root * PAGE_SIZE
        (node,) = struct.unpack_from("<H", damaged, begin + 16)
        # Behind the node's head and its key of eight octets: how many numbers of pages follow.
        (count,) = struct.unpack_from("<Q", damaged, begin + node + 16)
        struct.pack_into("<Q", damaged, begin + node + 16, count + 1)
    place.write_bytes(damaged)
    with contextlib.closing(PageFile(place)) as file:
        assert file.free_pages(file.metas()[0]) is None


def test_a_leaf_whose_header_is_damaged_loses_no_row(tmp_path: Path, store: tuple[bytes, Rows]) -> None:
    octets, expected = store
    place = tmp_path / "data.mdb"
    on_page = owners(octets, place)
    leaf = max(on_page, key=lambda number: len(on_page[number]))
    damaged = bytearray(octets)
    # Flags, and where the list of nodes ends.
    damaged[leaf * PAGE_SIZE + 10 : leaf * PAGE_SIZE + 14] = bytes(4)
    found, told = salvaged(place, bytes(damaged))
    assert found == expected
    assert told.found_alone >= len(on_page[leaf]) > 1


def test_both_meta_pages_lost_is_said_and_no_message_row_is_missing(
    tmp_path: Path, store: tuple[bytes, Rows]
) -> None:
    octets, expected = store
    found, told = salvaged(tmp_path / "data.mdb", bytes(2 * PAGE_SIZE) + octets[2 * PAGE_SIZE :])
    assert set(expected) <= set(found)
    assert told.in_doubt and [lost.why for lost in told.lost] == ["both meta pages are damaged"]


@pytest.mark.parametrize("seed", range(20))
def test_any_octets_are_read_to_their_end(tmp_path: Path, store: tuple[bytes, Rows], seed: int) -> None:
    """Cut off, shuffled, overwritten: never an exception, never a value that was not stored under its key."""
    octets, _ = store
    chance = Random(seed)
    pages = [octets[at : at + PAGE_SIZE] for at in range(0, len(octets), PAGE_SIZE)]
    for _ in range(chance.randrange(1, 30)):
        place = chance.randrange(len(pages))
        match chance.randrange(4):
            case 0:
                pages[place] = chance.randbytes(PAGE_SIZE)
            case 1:
                pages[place] = pages[chance.randrange(len(pages))]
            case 2:
                begin = chance.randrange(PAGE_SIZE)
                pages[place] = pages[place][:begin] + chance.randbytes(PAGE_SIZE - begin)
            case 3:
                pages = pages[: max(place, 2)]
    salvaged(tmp_path / "data.mdb", b"".join(pages) + chance.randbytes(chance.randrange(PAGE_SIZE)))


@pytest.mark.parametrize("octets", [b"", b"\0", bytes(PAGE_SIZE - 1), bytes(5 * PAGE_SIZE)])
def test_what_is_no_store_has_no_rows(tmp_path: Path, octets: bytes) -> None:
    found, told = salvaged(tmp_path / "data.mdb", octets)
    assert found == {} and told.lost


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        PageFile(tmp_path / "data.mdb")
