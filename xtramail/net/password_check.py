"""What a listening service asks when a client gives a name and a password. Who may log in is ``directory.login``'s."""

from __future__ import annotations

from typing import Protocol

from xtramail.model.peer import Peer
from xtramail.model.secret import Secret
from xtramail.store.records import Account


class PasswordCheck(Protocol):
    """The part of ``directory.login.Login`` used here."""

    async def password(self, name: str, secret: Secret, *, peer: Peer, service: str) -> Account: ...

    def client_named(self, account: Account, peer: Peer, service: str, client: str) -> None:
        """A client that has logged in says what it is."""
