"""Relay clients: hosts that send mail of a served domain to the world through us, most often its own primary.

Owns by what one is known (its address, its certificate; the account is ``relay_accounts``'s), what is never enough
alone, and for which domains a peer may send. What it may send is ``delivery/outward``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from xtramail.directory.changed_domains import ChangedDomains
from xtramail.directory.client_certificates import ClientCertificates
from xtramail.directory.shared_networks import Network, provider_named, provider_of
from xtramail.model.address import domain_key
from xtramail.model.clock import Clock
from xtramail.model.errors import BadInput
from xtramail.model.peer import Peer
from xtramail.store.engine import Engine
from xtramail.store.records import DomainRow

FROM = "relay-from"
CERTIFICATE = "relay-certificate"
AUTHORITIES = "relay-certificate-ca"
ACCOUNT = "relay-account"
"""Key among a domain's settings, set by ``relay_accounts`` alone: the hash of the account's password."""
CREATED = "relay-account-created"
_WIDEST = {4: 24, 6: 48}
"""A wider network than this is hardly one customer's."""
_FINGERPRINT = "sha256:"


def networks(value: str) -> str:
    """``relay-from`` made regular; ValueError with the rule."""
    return ",".join(str(_network(word)) for word in value.replace(",", " ").split())


def _network(word: str) -> Network:
    try:
        return ip_network(word)
    except ValueError:
        pass
    try:
        whole = ip_network(word, strict=False)
    except ValueError:
        raise ValueError(f"{word} is not an address or network; write 192.0.2.7 or 192.0.2.0/24") from None
    raise ValueError(f"{word} has bits behind its prefix; write {whole}, or the address alone")


def certificates(value: str) -> str:
    """``relay-certificate`` made regular: fingerprints as ``sha256:HEX``, names in lower case; ValueError."""
    return ",".join(_certificate(word) for word in value.replace(",", " ").split())


def _certificate(word: str) -> str:
    plain = word.lower().removeprefix(_FINGERPRINT).replace(":", "")
    if len(plain) == 64 and all(c in "0123456789abcdef" for c in plain):
        return _FINGERPRINT + plain
    if word.lower().startswith(_FINGERPRINT):
        raise ValueError(f"{word} has not the 64 hexadecimal digits of SHA-256")
    name = domain_key(word)
    provider = provider_named(name)
    if provider is not None:
        raise ValueError(
            f"{name} is in the certificate that all customers of {provider.name} send under, so it is nobody's proof;"
            " use a relay account"
        )
    return name


def not_enough(network: Network) -> str:
    """Why mail from ``network`` needs an account or a certificate as well; empty where the address will do."""
    provider = provider_of(network)
    if provider is not None:
        return f"has addresses that all customers of {provider.name} share"
    if network.prefixlen < _WIDEST[network.version]:
        return f"is wider than a /{_WIDEST[network.version]}"
    return ""


def check(row: DomainRow) -> None:
    """BadInput where settings of a domain, each right by itself, do not go together."""
    terms = Terms.of(row)
    proof = terms.fingerprints or terms.names or row.settings.get(ACCOUNT)
    for network in () if proof else terms.networks:
        reason = not_enough(network)
        if reason:
            raise BadInput(
                f"{FROM} {network}: it {reason}, and is never enough alone; make an account first: "
                f"xtramail domain relay-account {row.name} create (or set {CERTIFICATE}=), or name single addresses"
            )
    if terms.names and not terms.authorities:
        raise BadInput(
            f"{CERTIFICATE} {next(iter(terms.names))}: a name proves nothing without who vouches for it; "
            f"set {AUTHORITIES}=FILE too, or give the certificate's fingerprint"
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """By what the relay clients of one domain are known."""

    networks: tuple[Network, ...]
    enough: tuple[Network, ...]
    """Of them those that prove something alone: the others could be set while there was an account."""
    fingerprints: frozenset[str]
    names: frozenset[str]
    authorities: str

    @classmethod
    def of(cls, row: DomainRow) -> Terms:
        shown = [word for word in row.settings.get(CERTIFICATE, "").split(",") if word]
        marks = frozenset(word.removeprefix(_FINGERPRINT) for word in shown if word.startswith(_FINGERPRINT))
        networks = tuple(ip_network(word) for word in row.settings.get(FROM, "").split(",") if word)
        return cls(
            networks=networks,
            enough=tuple(network for network in networks if not not_enough(network)),
            fingerprints=marks,
            names=frozenset(word for word in shown if not word.startswith(_FINGERPRINT)),
            authorities=row.settings.get(AUTHORITIES, ""),
        )


class RelayClients:
    """The terms of every domain in memory, read again when a domain was changed."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._domains = ChangedDomains(engine)
        self._certificates = ClientCertificates(clock)
        self._known: dict[str, tuple[tuple[str, ...], Terms]] = {}
        """Terms with the settings that they were read from."""
        self._by_network: dict[tuple[int, int], dict[int, set[str]]] = {}
        """Domains by the network's first address, by version and length of the prefix: a look-up for each length."""
        self._by_certificate: dict[str, Terms] = {}

    @property
    def wants_certificates(self) -> bool:
        """Some domain knows its relay clients by what they show in the handshake."""
        self._look()
        return bool(self._by_certificate)

    def domains_of(self, peer: Peer) -> frozenset[str]:
        """The domains for which ``peer`` may send without logging in."""
        self._look()
        found: set[str] = set()
        if self._by_network and peer.address:
            found |= self._at(peer.address)
        if peer.certificate is not None:
            mark = peer.certificate.fingerprint
            for name, terms in self._by_certificate.items():
                if mark in terms.fingerprints:
                    found.add(name)
                elif terms.names and terms.names & self._certificates.names(peer.certificate, terms.authorities):
                    found.add(name)
        return frozenset(found)

    def _at(self, address: str) -> set[str]:
        try:
            parsed = ip_address(address)
        except ValueError:
            return set()
        bits, number = parsed.max_prefixlen, int(parsed)
        found: set[str] = set()
        for (version, length), names in self._by_network.items():
            if version == parsed.version:
                found |= names.get(number >> (bits - length) << (bits - length), set())
        return found

    def _look(self) -> None:
        rows = self._domains.rows()
        if rows is None:
            return
        self._by_network, self._by_certificate = {}, {}
        known, self._known = self._known, {}
        for row in rows:
            # A person at the command line, who changes anything, has all of them looked at: one domain in a thousand
            # is another than before.
            text = tuple(row.settings.get(name, "") for name in (FROM, CERTIFICATE, AUTHORITIES))
            if any(text):
                before = known.get(row.name)
                terms = before[1] if before is not None and before[0] == text else Terms.of(row)
                self._known[row.name] = (text, terms)
                self._add(row.name, terms)

    def _add(self, name: str, terms: Terms) -> None:
        for network in terms.enough:
            table = self._by_network.setdefault((network.version, network.prefixlen), {})
            table.setdefault(int(network.network_address), set()).add(name)
        if terms.fingerprints or terms.names:
            self._by_certificate[name] = terms
