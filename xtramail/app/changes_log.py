"""Tells the server's log of each row of the log of changes, whoever wrote it, with its seal: the anchor outside.

Rows that commands wrote while no server ran are in the seal of the newest one, which is told at the start. How the log
ends is noted beside the keys, too (``changes_head``), and an end that is not as it was noted is an alarm.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from xtramail.app.changes_head import ChangesHead
from xtramail.store import audit, keys
from xtramail.store.engine import Engine, Snapshot
from xtramail.telemetry import maillog

AT_ONCE = 200
"""Rows told before others have their turn: an import makes ten thousand in one commit."""


class ChangesLog:
    def __init__(self, reactor: Any, *, engine: Engine, head: ChangesHead) -> None:
        self._reactor = reactor
        self._engine = engine
        self._head = head
        self._fault = ""
        """What was wrong with its end then."""
        self._unwritten = False
        self._told = 0
        """Number of the last row."""
        self._last: tuple[int, bytes] = (0, b"")
        """How the log ended when it was looked at last."""
        self._unwatch: Callable[[], None] | None = None
        self._next: Any = None

    def start(self) -> None:
        """Tell how it stands, and from then on of each row."""
        self._last = self._engine.read(keys.AUDIT, audit.head)
        self._told, seal = self._last
        maillog.changes_stand(number=self._told, seal=seal.hex())
        self._note()
        self._unwatch = self._engine.watch(keys.AUDIT, self._look)

    def stop(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _look(self) -> None:
        if self._next is None:
            self._tell()

    def _tell(self) -> None:
        self._next = None
        newest = self._engine.read(keys.AUDIT, audit.head)[0]
        if newest < self._told:
            self._told = newest
        rows = self._engine.read(keys.AUDIT, self._fresh)
        for number, seal, value in rows:
            row = audit.row_of(value)
            maillog.changed(
                number=number,
                seal=seal.hex(),
                actor=row.actor,
                role=row.role,
                how=row.how,
                what=row.what,
                object=row.object,
                domain=row.domain,
                tenant=row.tenant,
            )
            self._told = number
        if len(rows) == AT_ONCE:
            self._next = self._reactor.callLater(0, self._tell)
        else:
            self._note()

    def _note(self) -> None:
        last = self._last
        self._last, fault = self._engine.read(
            keys.AUDIT, lambda snap: (audit.head(snap), audit.head_fault(snap, last) if last[0] else "")
        )
        try:
            fault = self._head.follow(self._engine) or fault
            self._unwritten = False
        except OSError as error:
            if not self._unwritten:
                maillog.changes_head_unwritten(file=self._head.file, reason=error.strerror or str(error))
            self._unwritten = True
        if fault and not self._fault:
            maillog.alarm(kind="changes-lost", text=f"the log of changes: {fault}; see: xtramail audit verify")
        self._fault = fault

    def _fresh(self, snap: Snapshot) -> list[tuple[int, bytes, bytes]]:
        return list(islice(audit.oldest(snap, self._told), AT_ONCE))
