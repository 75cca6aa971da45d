"""What is found on this machine."""

from __future__ import annotations

from tests.desks import operator
from xtramail.app.doctor.machine import changes
from xtramail.directory.audit_log import verify_audit
from xtramail.directory.desk import Change
from xtramail.model.bucket import PERMANENT
from xtramail.model.clock import SetClock
from xtramail.model.pending import drive
from xtramail.store import audit_keys, keys
from xtramail.store.memory_engine import MemoryEngine


def test_a_log_of_changes_that_was_tampered_with_is_an_error() -> None:
    desk = operator(MemoryEngine(), SetClock())
    for _ in range(3):
        drive(desk.change(Change("user add", "ann@a.example"), []))
    (found,) = changes(lambda: verify_audit(desk))
    assert (found.level, found.what) == ("ok", "the log of changes is whole: 3 rows")
    desk.engine.transact(keys.AUDIT, lambda txn: txn.delete(PERMANENT, audit_keys.row(2))).result()
    (found,) = changes(lambda: verify_audit(desk))
    assert found.level == "error" and "row 2 is missing" in found.what and "xtramail audit verify" in found.remedy
