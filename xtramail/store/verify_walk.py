"""The walk of ``verify``, as a process of its own: a damaged tree page may kill whoever reads it.

Walks every row in key order, checks its checksum, and when a bucket is through has its mail, bodies and ledger compared
(``verify_checks``). Reads in short steps, so that a server at work loses no space to it. Says what it finds in JSON
lines on standard output; ``verify`` starts it and understands them. Changes nothing.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from xtramail.model.bucket import PERMANENT, Bucket, bucket_day
from xtramail.model.clock import day_start
from xtramail.model.errors import Corrupt, FormatMismatch, StoreFault
from xtramail.store import checksum, keys, outbound, queue_keys, schema
from xtramail.store.bodies import chunk_count
from xtramail.store.engine import Snapshot
from xtramail.store.filesystem import DATA_FILE
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.message_row import BodyRef
from xtramail.store.page_file import PageFile
from xtramail.store.records import QueueEntry
from xtramail.store.rows import split
from xtramail.store.verify_checks import (
    UNREADABLE,
    Finding,
    MailCheck,
    check_entries,
    check_index,
    check_ledger,
    check_mail,
    check_user,
)

T = TypeVar("T")

STEP_ROWS = 2_000
QUEUE_STEP = 500

Tell = Callable[[dict[str, Any]], None]


def scope_text(scope: bytes) -> str:
    """A scope in words."""
    if scope.startswith(keys.USER_PREFIX) and len(scope) == 9:
        return f"account {keys.account_of_scope(scope)}"
    names = {
        keys.STORE: "store",
        keys.QUEUE: "queue",
        keys.LOG: "log",
        keys.BODY: "bodies",
        keys.ALERTS: "alerts",
        keys.LOGINS: "logins",
        keys.DRILLS: "drills",
        keys.SENDING: "sending",
        keys.ROLES: "admins",
        keys.AUDIT: "log of changes",
    }
    return names.get(scope, f"scope {scope.decode('ascii', 'backslashreplace')}")


class Walk:
    """One pass over the store, from a bucket on."""

    def __init__(self, engine: LmdbEngine, tell: Tell) -> None:
        self._engine = engine
        self._tell = tell
        self._told: set[Finding] = set()
        self._bucket = PERMANENT
        self._chunks: dict[int, int] = {}
        self._scopes: set[bytes] = set()
        self._queued: dict[Bucket, list[tuple[str, BodyRef]]] = {}

    def run(self, start: Bucket, died: bytes = b"", user: bytes = b"") -> None:
        """Everything from ``start`` on; the permanent rows' meaning is always read, because the rest hangs on it.

        ``died``: where a reader before this one did, which had told the rows up to there. Rows are taken one by one
        until that is passed, so that all before the deadly one are looked at. ``user``: or whose mailboxes killed it.
        """
        if not self._right_format():
            return
        self._read_queue()
        low = start.to_bytes(4, "big")
        singly = STEP_ROWS if died else 0
        while True:
            self._tell({"at": low.hex()})
            try:
                rows = self._engine.stored_rows(low, 1 if singly else STEP_ROWS)
            except StoreFault as error:
                if not singly:
                    singly = STEP_ROWS
                    continue
                self._find("page", f"after row {low.hex()}: {error.text}")
                bucket = self._bucket_after(int.from_bytes(low[:4], "big"))
                if bucket is None:
                    break
                low, singly = bucket.to_bytes(4, "big"), 0
                continue
            if not rows:
                break
            for key, sealed in rows:
                self._row(key, sealed)
            if low >= died:
                self._tell({"rows": len(rows), "octets": sum(len(key) + len(value) for key, value in rows)})
                singly = max(singly - 1, 0)
            low = rows[-1][0] + b"\0"
        self._close_bucket()
        for bucket in sorted(self._queued):
            # Of these buckets not a single row is left.
            self._check_bodies(bucket, self._queued[bucket])
        self._tell({"walked": True})
        for scope in self._scopes_of_users():
            if scope <= user:
                continue
            self._tell({"user": scope.hex()})
            self._report(self._read(scope, partial(check_user, scope_name=scope_text(scope)), []))

    def _bucket_after(self, passed: int) -> Bucket | None:
        """The next one that has rows, None when there is none."""
        try:
            buckets = self._engine.buckets()
        except StoreFault:
            buckets = buckets_on_pages(self._engine.folder)
        return min((bucket for bucket in buckets if bucket > passed), default=None)

    def _read(self, scope: bytes, function: Callable[[Snapshot], T], nothing: T) -> T:
        """``nothing`` where damaged pages keep it from being read, which is a finding."""
        try:
            return self._engine.read(scope, function)
        except StoreFault as error:
            self._find("page", f"{scope_text(scope)}: {error.text}")
            return nothing

    def _scopes_of_users(self) -> list[bytes]:
        try:
            return self._engine.scopes(keys.USER_PREFIX)
        except StoreFault as error:
            self._find("page", f"accounts cannot be listed: {error.text}")
            return []

    def _right_format(self) -> bool:
        """Rows of another format would be taken for damaged ones."""
        try:
            self._engine.read(keys.STORE, schema.checked_format)
        except FormatMismatch as error:
            self._find("format", error.text)
            return False
        except (Corrupt, StoreFault):
            # The walk will come to it.
            pass
        return True

    def _row(self, key: bytes, sealed: bytes) -> None:
        try:
            bucket, scope, rest = split(key)
        except ValueError:
            self._find("key", f"a row with a key that is none of ours: {key.hex()}")
            return
        if bucket != self._bucket:
            self._close_bucket()
            self._bucket = bucket
        self._scopes.add(scope)
        try:
            checksum.unseal(key, sealed)
        except Corrupt:
            self._corrupt(key, bucket, scope, rest)
            return
        if scope == keys.BODY and rest[:1] == b"b" and len(rest) == 13:
            body_id = int.from_bytes(rest[1:9], "big")
            self._chunks[body_id] = self._chunks.get(body_id, 0) + 1

    def _corrupt(self, key: bytes, bucket: Bucket, scope: bytes, rest: bytes) -> None:
        # Written over between this step and now, it may be well again.
        again = self._engine.stored_rows(key, 1)
        if not again or again[0][0] != key:
            return
        try:
            checksum.unseal(*again[0])
        except Corrupt:
            tag = rest[:1].decode("ascii", "backslashreplace")
            where = f"{scope_text(scope)}, bucket {bucket}, row {tag} {rest[1:].hex()}"
            self._find("checksum", f"{where}: the value does not match its checksum")

    def _close_bucket(self) -> None:
        """Compare what belongs together in the bucket that is through."""
        bucket = self._bucket
        if bucket != PERMANENT and self._scopes and bucket not in self._dropped():
            messages = 0
            for scope in sorted(self._scopes):
                if not scope.startswith(keys.USER_PREFIX):
                    continue
                unread = MailCheck(messages=0, findings=[], bodies=[])
                check = self._read(scope, partial(_mail, scope_name=scope_text(scope), bucket=bucket), unread)
                messages += check.messages
                self._report(check.findings)
                self._check_bodies(bucket, check.bodies)
            self._check_bodies(bucket, self._queued.pop(bucket, []))
            if keys.QUEUE in self._scopes:
                self._report(self._read(keys.QUEUE, partial(_ledger, bucket=bucket), []))
            self._tell({"bucket": bucket, "day": day_start(bucket_day(bucket)), "messages": messages})
        self._chunks = {}
        self._scopes = set()

    def _dropped(self) -> frozenset[Bucket]:
        return self._engine.read(keys.STORE, lambda snap: frozenset(snap.dropped()))

    def _check_bodies(self, bucket: Bucket, bodies: Iterable[tuple[str, BodyRef]]) -> None:
        for place, ref in bodies:
            wanted = chunk_count(ref)
            # A body in another bucket than its row's, or one that arrived behind the walk, is asked for directly.
            if ref.bucket == bucket and self._chunks.get(ref.id, 0) >= wanted:
                continue
            missing = [number for number in range(wanted) if not self._has_chunk(ref, number)]
            if missing and bucket not in self._dropped():
                self._find("body", f"{place}: {len(missing)} of {wanted} body chunks are missing or damaged")

    def _has_chunk(self, ref: BodyRef, number: int) -> bool:
        try:
            return self._engine.read_body(ref.bucket, ref.id, number) is not None
        except (Corrupt, StoreFault):
            return False

    def _read_queue(self) -> None:
        last = -1
        while True:
            try:
                entries, findings = self._engine.read(keys.QUEUE, partial(_queue_step, after=last))
            except (*UNREADABLE, StoreFault) as error:
                self._find("queue", f"an entry after {last} cannot be read: {error}")
                break
            self._report(findings)
            for entry in entries:
                place = f"queue entry {entry.id} for {entry.destination}"
                self._queued.setdefault(entry.body.bucket, []).append((place, entry.body))
            if len(entries) < QUEUE_STEP:
                break
            last = entries[-1].id
        ended: tuple[bytes | None, list[Finding]] = (None, [])
        for tag in (queue_keys.DUE, queue_keys.BY_DESTINATION):
            low: bytes | None = tag
            while low is not None:
                step = partial(check_index, low=low, high=keys.after(tag), limit=STEP_ROWS)
                low, findings = self._read(keys.QUEUE, step, ended)
                self._report(findings)

    def _find(self, kind: str, text: str) -> None:
        self._report([Finding(kind, text)])

    def _report(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if finding not in self._told:
                self._told.add(finding)
                self._tell({"finding": finding.kind, "text": finding.text})


def buckets_on_pages(folder: Path) -> list[Bucket]:
    """Every bucket that has rows, ascending, without LMDB: as far as the tree can be followed."""
    with closing(PageFile(folder / DATA_FILE)) as file:
        metas = file.metas()
        found = file.rows(metas[0].main, lambda lost: None, set()) if metas else ()
        return sorted({Bucket(int.from_bytes(key[:4], "big")) for key, _ in found})


def _mail(snap: Snapshot, scope_name: str, bucket: Bucket) -> MailCheck:
    try:
        return check_mail(snap, scope_name, bucket)
    except UNREADABLE as error:
        text = f"{scope_name}, bucket {bucket}: a row cannot be read: {error}"
        return MailCheck(messages=0, findings=[Finding("row", text)], bodies=[])


def _ledger(snap: Snapshot, bucket: Bucket) -> list[Finding]:
    try:
        return check_ledger(snap, bucket)
    except UNREADABLE as error:
        return [Finding("ledger", f"bucket {bucket}: a row cannot be read: {error}")]


def _queue_step(snap: Snapshot, after: int) -> tuple[list[QueueEntry], list[Finding]]:
    entries = outbound.entries_after(snap, after, QUEUE_STEP)
    return entries, check_entries(snap, entries)


def _print(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> None:
    """Arguments: the store's folder, how many octets of memory may be taken, the bucket to start at, and in
    hexadecimal at which row or user others died.
    """
    folder, memory, start, *died = arguments
    # A damaged tree may look endless: better that this process ends than that the machine does.
    resource.setrlimit(resource.RLIMIT_DATA, (int(memory), int(memory)))
    engine = LmdbEngine(Path(folder))
    try:
        Walk(engine, _print).run(Bucket(int(start)), *map(bytes.fromhex, died))
    except MemoryError:
        sys.exit(f"a damaged page asks for more than {int(memory) >> 20} MiB of memory")
    _print({"end": True})
    engine.close()


if __name__ == "__main__":
    main(sys.argv[1:])
