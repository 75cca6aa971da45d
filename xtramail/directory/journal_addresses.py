"""Journal addresses: where a domain's own server sends copies of its mail (BCC, or journal reports).

Owns the rule for such an address, and from where it may be written to. What becomes of a copy is
``delivery/journal``'s. The address itself is the secret: those who send reports for many customers (Microsoft 365)
share their addresses, so ``journal-from`` may name shared networks, and the local part must not be guessed. It lies in
the domain or below it; a name below, with us as its MX, spares the primary a rule to send mail of its own domain away.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from xtramail.directory.changed_domains import ChangedDomains
from xtramail.directory.shared_networks import Network
from xtramail.model.address import Address, domain_key
from xtramail.model.errors import BadInput
from xtramail.model.peer import Peer
from xtramail.store.engine import Engine
from xtramail.store.records import DomainRow

ADDRESS = "journal"
FROM = "journal-from"
_SHORTEST = 20
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def suggestion() -> str:
    """A local part of 100 random bits."""
    return "journal-" + "".join(secrets.choice(_ALPHABET) for _ in range(20))


def address(value: str) -> str:
    """``journal`` made regular; ValueError (or BadInput) with the rule and a local part that obeys it."""
    parsed = Address.parse(value)
    if len(parsed.local) < _SHORTEST:
        raise ValueError(
            f"its local part is the secret that keeps others out: at least {_SHORTEST} characters, "
            f"such as {suggestion()}@{parsed.domain}"
        )
    return parsed.key


def check(row: DomainRow) -> None:
    """BadInput where a domain's settings of this kind do not go together."""
    value = row.settings.get(ADDRESS, "")
    if value:
        host = value.rpartition("@")[2]
        if host != row.name and not host.endswith(f".{row.name}"):
            raise BadInput(f"{ADDRESS} {value}: it must lie in {row.name} or below it, as journal.{row.name} does")


@dataclass(frozen=True, slots=True)
class _Journal:
    domain: str
    networks: tuple[Network, ...]


class JournalAddresses:
    """The journal addresses of all domains in memory, read again when a domain was changed."""

    def __init__(self, engine: Engine) -> None:
        self._domains = ChangedDomains(engine)
        self._journals: dict[str, _Journal] = {}

    def domain_of(self, address: Address, peer: Peer, trusted: frozenset[str]) -> str | None:
        """Whose journal ``address`` is, where ``peer`` may write to it: as one of the domain's relay clients
        (``trusted`` are the domains for which it is one), or by ``journal-from``."""
        self._look()
        if not self._journals:
            return None
        try:
            journal = self._journals.get(f"{address.local_key}@{domain_key(address.domain)}")
        except BadInput:
            return None
        if journal is None:
            return None
        return journal.domain if journal.domain in trusted or _within(peer, journal.networks) else None

    @property
    def any(self) -> bool:
        """Some domain has one."""
        self._look()
        return bool(self._journals)

    def _look(self) -> None:
        rows = self._domains.rows()
        if rows is None:
            return
        self._journals = {}
        for row in rows:
            value = row.settings.get(ADDRESS, "")
            if value:
                named = row.settings.get(FROM, "").split(",")
                networks = tuple(ip_network(word) for word in named if word)
                self._journals[value] = _Journal(domain=row.name, networks=networks)


def _within(peer: Peer, networks: tuple[Network, ...]) -> bool:
    try:
        parsed = ip_address(peer.address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
