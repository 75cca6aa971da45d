"""The keys that sign now, opened and kept in memory until some domain's settings change.

Owns what a key does with the octets that it is given; which octets those are is ``wire/dkim``'s. Signing takes less
than a millisecond (RSA-2048) and is done where it is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from xtramail.directory import sealing
from xtramail.directory.dkim_keys import about
from xtramail.directory.keyring import Keyring
from xtramail.model.address import domain_key
from xtramail.model.errors import BadInput
from xtramail.store import dkim, keys
from xtramail.store.dkim import DkimRow
from xtramail.store.engine import Engine
from xtramail.wire.dkim.signature import Algorithm


@dataclass(frozen=True, slots=True)
class SigningKey:
    domain: str
    selector: str
    algorithm: Algorithm
    sign: Callable[[bytes], bytes]
    """The signature of octets."""


class SigningKeys:
    """Of every domain; ``fault(domain, text)`` hears of a key that cannot be opened, each time that it is tried."""

    def __init__(self, engine: Engine, keyring: Keyring, *, fault: Callable[[str, str], None]) -> None:
        self._engine = engine
        self._keyring = keyring
        self._fault = fault
        self._known: dict[str, tuple[SigningKey, ...]] = {}
        engine.watch(keys.DOMAIN_CHANGES, self._known.clear)

    def of(self, domain: str) -> tuple[SigningKey, ...]:
        """Those of a domain, RSA first; none where it does not sign, is not served, or is no domain."""
        try:
            name = domain_key(domain)
        except BadInput:
            return ()
        known = self._known.get(name)
        if known is None:
            rows = self._engine.read(keys.domain_scope(name), dkim.dkim_rows)
            known = tuple(self._opened(name, rows))
            if rows:
                # Not of every name that is asked for: there is no end to those.
                self._known[name] = known
        return known

    def of_host(self, hostname: str) -> tuple[SigningKey, ...]:
        """Those of the domain that a host's name is, or lies in."""
        name = hostname
        while name:
            found = self.of(name)
            if found:
                return found
            name = name.partition(".")[2]
        return ()

    def _opened(self, domain: str, rows: list[DkimRow]) -> list[SigningKey]:
        found = []
        active = [row for row in rows if row.state == "active"]
        for row in sorted(active, key=lambda row: row.algorithm, reverse=True):
            try:
                found.append(SigningKey(domain, row.selector, row.algorithm, self._signer(domain, row)))
            except (BadInput, ValueError) as error:
                # Mail goes out unsigned rather than not at all.
                text = error.text if isinstance(error, BadInput) else "it is damaged"
                self._fault(domain, f"DKIM key {row.selector} of {domain} cannot be used: {text}")
        return found

    def _signer(self, domain: str, row: DkimRow) -> Callable[[bytes], bytes]:
        octets = sealing.unseal(self._keyring, row.key_id, row.private, about=about(domain, row.selector))
        # It is ours and sealed: checking its primes again costs more than a hundred signatures.
        key = load_der_private_key(octets, None, unsafe_skip_rsa_key_validation=True)
        if isinstance(key, RSAPrivateKey):
            return _rsa(key)
        if isinstance(key, Ed25519PrivateKey):
            return _edwards(key)
        raise ValueError("a key of another kind")


def _rsa(key: RSAPrivateKey) -> Callable[[bytes], bytes]:
    padding, algorithm = PKCS1v15(), SHA256()
    return lambda octets: key.sign(octets, padding, algorithm)


def _edwards(key: Ed25519PrivateKey) -> Callable[[bytes], bytes]:
    # RFC 8463 §3: it signs the hash, not the octets.
    return lambda octets: key.sign(hashlib.sha256(octets).digest())
