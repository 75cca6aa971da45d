"""Two steps that were never taken, from this format on: what an upgrade may do, on rows that ``filled`` makes."""

from __future__ import annotations

from collections.abc import Sequence

from xtramail.model.bucket import PERMANENT
from xtramail.store import keys
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.rows import physical, split
from xtramail.store.upgrade import Place, Row, Step

MANY = 5_000
"""More than two batches have."""
BULK = keys.user_scope(9)


def add_many(engine: LmdbEngine) -> None:
    """Rows in abundance."""
    rows = [(b"z%08d" % number, b"%d" % number) for number in range(MANY)]
    engine.transact(BULK, lambda txn: txn.put_all(PERMANENT, rows)).result()


def _longer(place: Place, value: bytes) -> Sequence[Row] | None:
    # Done twice, it would show.
    return [(place, value + b"!")] if not value.endswith(b"3") else None


def _moved(place: Place, value: bytes) -> Sequence[Row] | None:
    if place.key.endswith(b"7"):
        return []
    moved = place._replace(key=b"y" + place.key[1:])
    return [(moved, value), (place._replace(key=b"index" + place.key[1:]), b"")]


LONGER = Step(
    before=keys.FORMAT,
    title="values get longer",
    scopes=(keys.USER_PREFIX,),
    takes=lambda place: place.key[:1] == b"z",
    change=_longer,
)
MOVED = Step(
    before=keys.FORMAT + 1,
    title="rows move and get an index",
    scopes=(keys.USER_PREFIX, keys.DOMAIN_PREFIX),
    takes=lambda place: place.key[:1] == b"z",
    change=_moved,
)
STEPS = (LONGER, MOVED)
TO = keys.FORMAT + 2


def rows_of(engine: LmdbEngine) -> dict[bytes, bytes]:
    """Every row, its value with its checksum."""
    return dict(engine.stored_rows(b"", 1_000_000, 1 << 40))


def changed(rows: dict[bytes, bytes]) -> dict[Place, bytes]:
    """What both steps make of these rows, but for the number of the format."""
    found: dict[Place, bytes] = {}
    for key, sealed in rows.items():
        place, value = Place(*split(key)), sealed[:-4]
        if place.key[:1] != b"z" or not place.scope.startswith(keys.USER_PREFIX):
            found[place] = value
            continue
        for _, longer in _longer(place, value) or [(place, value)]:
            found.update(_moved(place, longer) or [])
    del found[Place(PERMANENT, keys.STORE, keys.FORMAT_NUMBER)]
    return found


def opened(rows: dict[bytes, bytes]) -> dict[Place, bytes]:
    """Rows as :func:`changed` gives them; AssertionError where an upgrade has left its mark."""
    assert physical(PERMANENT, keys.STORE, keys.UPGRADE) not in rows
    found = {Place(*split(key)): sealed[:-4] for key, sealed in rows.items()}
    del found[Place(PERMANENT, keys.STORE, keys.FORMAT_NUMBER)]
    return found
