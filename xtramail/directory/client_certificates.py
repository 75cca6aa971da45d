"""Which names a client's certificate proves, by the authorities of a domain.

Owns the check of the chain. Whether a name lets anybody do anything is ``relay_clients``'s.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from xtramail.model.certificate import ClientCertificate
from xtramail.model.clock import Clock

_BELIEVED = 24 * 3600.0
"""Seconds: a session that is resumed shows its certificate without the chain (RFC 8446 §4.6.1)."""
_ENTRIES = 1000


class ClientCertificates:
    """Remembers what it has found, for a day and while the file of authorities is the same."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: OrderedDict[tuple[str, str, int], tuple[float, frozenset[str]]] = OrderedDict()

    def names(self, certificate: ClientCertificate, authorities: str) -> frozenset[str]:
        """DNS names (lower case, wildcards as they are) that an authority of the PEM file ``authorities`` vouches for.

        None of them where the chain does not lead there, is out of its time, or the file cannot be read.
        """
        path = Path(authorities)
        try:
            version = path.stat().st_mtime_ns
        except OSError:
            return frozenset()
        key, now = (certificate.fingerprint, authorities, version), self._clock.now()
        found = self._found.get(key)
        if found is not None and found[0] > now:
            self._found.move_to_end(key)
            return found[1]
        try:
            until, names = _verified(certificate, x509.load_pem_x509_certificates(path.read_bytes()), now)
        except (OSError, ValueError, VerificationError):
            # Not remembered: with the chain it may convince the next time.
            return frozenset()
        self._found[key] = (min(until, now + _BELIEVED), names)
        if len(self._found) > _ENTRIES:
            self._found.popitem(last=False)
        return names


def _verified(
    certificate: ClientCertificate, authorities: list[x509.Certificate], now: float
) -> tuple[float, frozenset[str]]:
    """Until when (seconds since 1970), and the names. VerificationError, ValueError."""
    leaf, *others = (x509.load_der_x509_certificate(octets) for octets in certificate.chain)
    # Mail servers show the certificate that they serve, so what it was issued for (extended key usage) says nothing.
    policy = (
        PolicyBuilder()
        .store(Store(authorities))
        .time(datetime.fromtimestamp(now, UTC).replace(tzinfo=None))
        .extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
        )
    )
    verified = policy.build_client_verifier().verify(leaf, others)
    names = (name.value.lower() for name in verified.subjects or () if isinstance(name, x509.DNSName))
    return min(one.not_valid_after_utc.timestamp() for one in verified.chain), frozenset(names)
