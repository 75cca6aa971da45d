"""New passwords for many users at once: a few hundred in a commit, so that ten thousand take seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from xtramail.directory.users import MUST_CHANGE
from xtramail.store import accounts, keys
from xtramail.store.engine import Engine, Txn
from xtramail.store.records import Account

AT_ONCE = 250


async def set_passwords(
    engine: Engine,
    changes: Sequence[tuple[Account, str]],
    *,
    now: float,
    temporary: bool,
    progress: Callable[[int], None],
) -> int:
    """Give each account its hash; ``progress`` is told how many are durable. How many there were still.

    As ``users.set_password``, but that each part of AT_ONCE is durable by itself: who is cut off begins again.
    """
    done = 0
    for start in range(0, len(changes), AT_ONCE):
        part = changes[start : start + AT_ONCE]
        results = await engine.transact_all(
            [(keys.user_scope(account.id), _change(hashed, now, temporary=temporary)) for account, hashed in part]
        )
        done += sum(results)
        progress(start + len(part))
    return done


def _change(hashed: str, now: float, *, temporary: bool) -> Callable[[Txn], bool]:
    def change(txn: Txn) -> bool:
        current = accounts.get_account(txn)
        if current is None:
            return False
        kept = {name: value for name, value in current.settings.items() if name != MUST_CHANGE}
        settings = {**kept, MUST_CHANGE: "yes"} if temporary else kept
        accounts.put_account(
            txn, msgspec.structs.replace(current, password=hashed, password_changed=now, settings=settings)
        )
        return True

    return change
