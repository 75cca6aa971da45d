"""What was imported into one user's mailboxes (h): a mark for each message, so that none is brought twice.

Owns the marks. One lies in the bucket of its message and dies with it; who deletes the message or moves it leaves the
mark, and the next import of the same files does not bring it back.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from xtramail.model.bucket import Bucket
from xtramail.store import keys
from xtramail.store.engine import Snapshot, Txn


def mark_of(mailbox: str, digest: bytes, ordinal: int) -> bytes:
    """Stands for the ``ordinal``-th message (from 0) of these octets that is meant for ``mailbox``."""
    text = mailbox.encode("utf-8", "surrogatepass")
    return blake2b(b"%d %d " % (ordinal, len(text)) + text + digest, digest_size=16).digest()


def is_imported(snap: Snapshot, buckets: Iterable[Bucket], mark: bytes) -> bool:
    """Whether it was brought on one of those days."""
    key = keys.imported(mark)
    return any(snap.get(bucket, key) is not None for bucket in buckets)


def put_imported(txn: Txn, bucket: Bucket, mark: bytes) -> None:
    """In the transaction that links the message."""
    txn.put(bucket, keys.imported(mark), b"\1")
