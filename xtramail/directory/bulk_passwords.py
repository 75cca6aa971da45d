"""New passwords for many users at once: a few hundred in a commit, so that ten thousand take seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from xtramail.directory.desk import Change, Desk
from xtramail.directory.users import MUST_CHANGE, account_told
from xtramail.model.address import Address
from xtramail.store import accounts, keys
from xtramail.store.engine import Txn

AT_ONCE = 250


async def set_passwords(
    desk: Desk,
    changes: Sequence[tuple[Address, str]],
    *,
    temporary: bool,
    progress: Callable[[int], None],
) -> int:
    """Give each account its hash; ``progress`` is told how many are durable. How many there were still.

    As ``users.set_password``, but that each part of AT_ONCE is durable by itself: who is cut off begins again.
    NoSuchAccount, before anything is changed.
    """
    chosen = [(desk.account(address), address, hashed) for address, hashed in changes]
    done = 0
    for start in range(0, len(chosen), AT_ONCE):
        part = chosen[start : start + AT_ONCE]
        told = [Change("user passwd", address.key, address.domain_key) for _, address, _ in part]
        results = await desk.change_all(
            told,
            [
                (keys.user_scope(account.id), _change(one, hashed, desk.now(), temporary=temporary))
                for one, (account, _, hashed) in zip(told, part, strict=True)
            ],
        )
        done += sum(results)
        progress(start + len(part))
    return done


def _change(told: Change, hashed: str, now: float, *, temporary: bool) -> Callable[[Txn], bool]:
    def change(txn: Txn) -> bool:
        current = accounts.get_account(txn)
        if current is None:
            told.before = told.after = {}
            return False
        kept = {name: value for name, value in current.settings.items() if name != MUST_CHANGE}
        settings = {**kept, MUST_CHANGE: "yes"} if temporary else kept
        changed = msgspec.structs.replace(current, password=hashed, password_changed=now, settings=settings)
        accounts.put_account(txn, changed)
        told.before, told.after = account_told(current), account_told(changed, current)
        return True

    return change
