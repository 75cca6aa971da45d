from __future__ import annotations

from msgspec.structs import replace

from tests.store.samples import account, look, write
from xtramail.store import accounts
from xtramail.store.memory_engine import MemoryEngine


def test_an_account_is_kept_changed_and_removed() -> None:
    engine = MemoryEngine()
    assert look(engine, accounts.get_account) is None
    write(engine, lambda txn: accounts.put_account(txn, account()))
    disabled = replace(account(), status="disabled")
    write(engine, lambda txn: accounts.put_account(txn, disabled))
    assert look(engine, accounts.get_account) == disabled
    assert write(engine, accounts.delete_account)
    assert not write(engine, accounts.delete_account)
    assert look(engine, accounts.get_account) is None
