"""The store's own rows (scope STORE): its format number, account ids, and retention classes with their days."""

from __future__ import annotations

from xtramail.model.bucket import CLASS_HELD, CLASS_LOG, FIRST_DOMAIN_CLASS, PERMANENT
from xtramail.model.errors import FormatMismatch, LimitReached
from xtramail.store import keys
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.records import RetentionClass, decode, decode_number, encode, encode_number

DEFAULT_LOG_DAYS = 31
DEFAULT_HELD_DAYS = 30

_LAST_CLASS = 0xFFFF
_LAST_ACCOUNT = 0xFFFF_FFFF


def open_format(engine: Engine) -> None:
    """Write FORMAT into an empty store, check it in any other.

    Raises FormatMismatch when the store is newer (it is never rewritten), older, or half-way (it needs an upgrade).
    With an engine that commits in a thread the number is durable before anything handed over later.
    """
    if engine.read(keys.STORE, checked_format) is None:
        pending = engine.transact(keys.STORE, _create)
        if pending.done:
            pending.result()


def format_of(snap: Snapshot) -> int | None:
    """The store's format number, None in an empty store."""
    value = snap.get(PERMANENT, keys.FORMAT_NUMBER)
    return decode_number(value) if value is not None else None


def checked_format(snap: Snapshot) -> int | None:
    """As :func:`format_of`; FormatMismatch unless this program can use the store."""
    found = format_of(snap)
    if found is not None:
        check_format(found)
    if snap.get(PERMANENT, keys.UPGRADE) is not None:
        raise FormatMismatch(
            f"the store is half-way to format {found}: run xtramail store upgrade again, which goes on where it was, "
            f"or restore the backup that was made before it"
        )
    return found


def check_format(found: int) -> None:
    """FormatMismatch unless ``found`` is this program's format."""
    if found > keys.FORMAT:
        raise FormatMismatch(
            f"the store has format {found}, this program knows formats up to {keys.FORMAT}: refusing to start, so that "
            f"nothing is rewritten; run the newer xtramail that wrote it"
        )
    if found < keys.FORMAT:
        raise FormatMismatch(
            f"the store has the older format {found}, this program needs {keys.FORMAT}: "
            f"stop the server and run: xtramail store upgrade --backup DIR"
        )


def _create(txn: Txn) -> None:
    if format_of(txn) is None:
        txn.put(PERMANENT, keys.FORMAT_NUMBER, encode_number(keys.FORMAT))
        put_retention_class(txn, RetentionClass(id=CLASS_LOG, days=DEFAULT_LOG_DAYS, owner="log"))
        put_retention_class(txn, RetentionClass(id=CLASS_HELD, days=DEFAULT_HELD_DAYS, owner="held"))


def next_account_id(txn: Txn, count: int = 1) -> int:
    """A number that no account ever had, from 1 on: the first of ``count`` in a row."""
    value = txn.get(PERMANENT, keys.NEXT_ACCOUNT)
    account_id = decode_number(value) if value is not None else 1
    if account_id + count - 1 > _LAST_ACCOUNT:
        raise LimitReached("account ids are used up")
    txn.put(PERMANENT, keys.NEXT_ACCOUNT, encode_number(account_id + count))
    return account_id


def put_retention_class(txn: Txn, row: RetentionClass) -> None:
    """Write a class, new or changed."""
    txn.put(PERMANENT, keys.retention_class(row.id), encode(row))


def new_retention_class(txn: Txn, days: int, owner: str) -> int:
    """A class of ``owner``'s own, never given to another (its old buckets would follow the new owner's days)."""
    highest = txn.range(
        PERMANENT, keys.retention_class(0), keys.after(keys.RETENTION_CLASSES), limit=1, reverse=True
    )
    last = keys.retention_class_of(highest[0][0]) if highest else 0
    class_id = max(last + 1, FIRST_DOMAIN_CLASS)
    if class_id > _LAST_CLASS:
        raise LimitReached("retention classes are used up")
    put_retention_class(txn, RetentionClass(id=class_id, days=days, owner=owner))
    return class_id


def set_retention_days(txn: Txn, class_id: int, days: int) -> None:
    """Reaches mail that is kept already: a bucket's age is compared with its class's days of the moment."""
    value = txn.get(PERMANENT, keys.retention_class(class_id))
    owner = decode(value, RetentionClass).owner if value is not None else _OWNERS.get(class_id, "")
    put_retention_class(txn, RetentionClass(id=class_id, days=days, owner=owner))


_OWNERS = {CLASS_LOG: "log", CLASS_HELD: "held"}


def retention_classes(snap: Snapshot) -> dict[int, RetentionClass]:
    """Every class by its id."""
    rows = snap.range(PERMANENT, keys.RETENTION_CLASSES, keys.after(keys.RETENTION_CLASSES))
    return {row.id: row for row in (decode(value, RetentionClass) for _, value in rows)}
