"""A user who logged in on a submission port (RFC 6409): what he may call himself, and where his copy goes."""

from __future__ import annotations

from xtramail.delivery.arrival import Arrival
from xtramail.delivery.policy import TOO_LARGE, PolicySettings, Route
from xtramail.directory.directory import Directory
from xtramail.model.address import Address
from xtramail.model.envelope import ReversePath
from xtramail.model.errors import BadInput
from xtramail.model.ids import MessageId
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.store.records import Account

NOT_YOURS = Reply.of(553, "5.7.1", "This sender address is not yours")
FROM_NOT_YOURS = Reply.of(550, "5.7.1", "The From address is not yours")
LOGIN_ENDED = Reply.of(421, "4.7.0", "this login is no longer valid")
SIZE_SETTING = "message-size"
"""Key in an account's settings: its own limit in octets."""


def current(directory: Directory, account: Account) -> Account | None:
    """The account as it is now; None when what it logged in with opens nothing any more."""
    return directory.standing(account)


class AccountSender:
    """See ``sender.Sender``."""

    def __init__(self, directory: Directory, settings: PolicySettings, account: Account) -> None:
        """``account`` as it was when it logged in."""
        self._directory = directory
        self._settings = settings
        self._account = account

    @property
    def size_limit(self) -> int:
        """The account's own limit where it has one, never more than the server's."""
        text = self._account.settings.get(SIZE_SETTING, "")
        own = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
        return min(own or self._settings.message_size, self._settings.message_size)

    def refuse_path(self, path: ReversePath) -> Reply | None:
        found = current(self._directory, self._account)
        if found is None:
            return LOGIN_ENDED
        self._account = found
        # The null sender is needed for read receipts (RFC 8098 §3); their From field is still looked at.
        if path.address is not None and not self._owns((str(path.address),)):
            return NOT_YOURS
        return TOO_LARGE if path.size is not None and path.size > self.size_limit else None

    def refuse_message(
        self, path: ReversePath, authors: tuple[str, ...], routes: tuple[Route, ...]
    ) -> Reply | None:
        return None if self._owns(authors) else FROM_NOT_YOURS

    def arrival(
        self,
        *,
        message_id: MessageId,
        at: float,
        peer: Peer,
        path: ReversePath,
        routes: tuple[Route, ...],
        authors: tuple[str, ...],
    ) -> Arrival:
        account = self._account
        address = Address.parse(account.address)
        domain, keeping = self._directory.domain(address.domain), self._directory.keeping(address)
        home_class = 0 if domain is None else domain.retention_class
        return Arrival(
            message_id=message_id,
            at=at,
            peer=peer,
            reverse_path=path,
            routes=routes,
            origin="submission",
            home_class=home_class if keeping is None else keeping.retention_class,
            sender=account,
            authenticated=True,
            sent_for=() if keeping is None else (account,),
        )

    def _owns(self, addresses: tuple[str, ...]) -> bool:
        """Each of ``addresses`` is one that the account may send as."""
        try:
            return all(self._directory.owns(self._account, Address.parse(text)) for text in addresses)
        except BadInput:
            return False
