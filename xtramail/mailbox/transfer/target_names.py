"""Which mailbox the messages of a folder of files go into, and which none may go into."""

from __future__ import annotations

from xtramail.directory.desk import Desk
from xtramail.mailbox import recovered
from xtramail.store import keys
from xtramail.store.mailbox_names import INBOX, SEPARATOR, canonical, checked
from xtramail.store.records import Account


class TargetNames:
    """From the levels of a folder to the name of a mailbox. ``into`` stands for INBOX (empty: nothing does); ``alone``:
    there is but one file."""

    def __init__(self, desk: Desk, account: Account, into: str, *, alone: bool = False) -> None:
        self._into = canonical(into)
        self._alone = alone
        scope = keys.user_scope(account.id)
        on = recovered.is_on(desk.engine, account)
        self._reserved = desk.engine.read(scope, recovered.free_name) if on else ""

    def mailbox(self, levels: tuple[str, ...]) -> str:
        """BadMailboxName, OnlyToCopyFrom."""
        if any(SEPARATOR in level for level in levels):
            levels = tuple(part for level in levels for part in level.split(SEPARATOR))
        if not self._into:
            name = checked(SEPARATOR.join(levels or (INBOX,)))
        else:
            # A lone file is that mailbox, whatever it is called.
            below = () if self._alone else levels[1:] if levels and canonical(levels[0]) == INBOX else levels
            name = checked(SEPARATOR.join((self._into, *below)))
        self.keep_out(name)
        return name

    def keep_out(self, name: str) -> None:
        """OnlyToCopyFrom: Recovered is not written to, by anybody."""
        if self._reserved and (name == self._reserved or name.startswith(self._reserved + SEPARATOR)):
            raise recovered.OnlyToCopyFrom(f"{self._reserved} holds what was deleted, and nothing is put into it")
