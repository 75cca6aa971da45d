"""What is wrong with the certificate of a host that we called, in words: its chain, and whom it is for."""

from __future__ import annotations

from collections.abc import Sequence

from OpenSSL.crypto import X509
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity

from xtramail.model.host import is_address
from xtramail.net.certificates import certificate_names, day_text

# Error numbers of X509_verify_cert(3).
_NOT_YET_VALID = 9
_EXPIRED = 10
_SELF_SIGNED = frozenset({18, 19})
_NO_ISSUER = frozenset({2, 20, 21})
_REVOKED = 23


def chain_fault(number: int, certificate: X509) -> str:
    """What X509_verify_cert(3) found."""
    x509 = certificate.to_cryptography()
    if number == _EXPIRED:
        return f"certificate expired on {day_text(x509.not_valid_after_utc)}"
    if number == _NOT_YET_VALID:
        return f"certificate is not valid before {day_text(x509.not_valid_before_utc)}"
    if number in _SELF_SIGNED:
        return "certificate is self-signed by nobody we trust"
    if number in _NO_ISSUER:
        return f"certificate was issued by nobody we trust ({x509.issuer.rfc4514_string()})"
    if number == _REVOKED:
        return "certificate was revoked"
    return f"certificate chain is not valid (X509_verify_cert error {number})"


def name_fault(certificate: X509, wanted: Sequence[str]) -> str:
    """Empty when it is for one of the names or addresses ``wanted`` (RFC 9525)."""
    x509 = certificate.to_cryptography()
    for host in wanted:
        identity = IPAddress_ID(host) if is_address(host) else DNS_ID(host)
        try:
            verify_service_identity(extract_patterns(x509), obligatory_ids=[identity], optional_ids=[])
        except (VerificationError, CertificateError):
            continue
        return ""
    names = ", ".join(certificate_names(x509)[:5]) or "no host"
    return f"certificate is for {names}, not for {' or '.join(wanted)}"
