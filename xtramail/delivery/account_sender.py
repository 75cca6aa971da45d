"""A user who logged in on a submission port (RFC 6409): what he may call himself, and where his copy goes."""

from __future__ import annotations

from xtramail.delivery.arrival import Arrival
from xtramail.delivery.outgoing_header import HeaderNames
from xtramail.delivery.policy import TOO_LARGE, PolicySettings, Route
from xtramail.delivery.rates import SendingRates
from xtramail.delivery.recipients import Admission
from xtramail.directory.directory import Directory
from xtramail.directory.sending_limits import largest
from xtramail.model.address import Address
from xtramail.model.envelope import ReversePath
from xtramail.model.errors import BadInput
from xtramail.model.ids import MessageId
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.store.records import Account

MOST_SHOWN = 120
"""Characters of an address in a reply, which is one line of 512 octets (RFC 5321 §4.5.3.1.5)."""
LOGIN_ENDED = Reply.of(421, "4.7.0", "this login is no longer valid")


def current(directory: Directory, account: Account) -> Account | None:
    """The account as it is now; None when what it logged in with opens nothing any more."""
    return directory.standing(account)


class AccountSender:
    """See ``sender.Sender``."""

    def __init__(
        self, directory: Directory, settings: PolicySettings, rates: SendingRates, account: Account
    ) -> None:
        """``account`` as it was when it logged in."""
        self._directory = directory
        self._settings = settings
        self._rates = rates
        self._account = account

    @property
    def size_limit(self) -> int:
        domain = self._directory.domain(self._account.address.rpartition("@")[2])
        return largest(domain, self._account, self._settings.message_size)

    def refuse_path(self, path: ReversePath) -> Reply | None:
        found = current(self._directory, self._account)
        if found is None:
            return LOGIN_ENDED
        self._account = found
        # The null sender is needed for read receipts (RFC 8098 §3); their From field is still looked at.
        strange = self._not_his((str(path.address),)) if path.address is not None else None
        if strange is not None:
            return not_yours(553, "", strange, found)
        return TOO_LARGE if path.size is not None and path.size > self.size_limit else None

    def refuse_recipients(self, outside: int) -> Admission:
        return self._rates.refuse(self._account, outside)

    def refuse_message(
        self, path: ReversePath, header: HeaderNames, routes: tuple[Route, ...]
    ) -> Reply | None:
        if header.illegible:
            text = f"The {header.illegible} field has no address that can be read; leave it away or mend it"
            return Reply.of(550, "5.7.1", text)
        for field, addresses in (("From", header.authors), *header.others):
            strange = self._not_his(addresses)
            if strange is not None:
                return not_yours(550, field, strange, self._account)
        return self._rates.refuse_now(self._account, routes)

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
            counted=self._rates.user(account, routes),
        )

    def _not_his(self, addresses: tuple[str, ...]) -> str | None:
        """The first of ``addresses`` that the account may not send as."""
        for text in addresses:
            try:
                if not self._directory.owns(self._account, Address.parse(text)):
                    return text
            except BadInput:
                return text
        return None


def not_yours(code: int, field: str, address: str, account: Account) -> Reply:
    """Which address it is about, and what to do; ``field`` empty: the reverse-path."""
    which, own = _shown(address), _shown(account.address)
    text = f"{field}: {which}" if field else f"<{which}>"
    ask = f"ask your administrator: xtramail sender add {which} {own}"
    return Reply.of(code, "5.7.1", f"You may not send as {text}; {ask}")


def _shown(address: str) -> str:
    """As a reply may have it, which is ASCII whatever the client speaks (RFC 6531 §3.5)."""
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in address)
    return plain if len(plain) <= MOST_SHOWN else f"{plain[: MOST_SHOWN - 3]}..."
