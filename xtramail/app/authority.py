"""Certificates of our own making: a private authority, server certificates from it, and signing requests.

Owns what ``init`` writes so that a new server speaks TLS at once, and its renewal. Certificates of public authorities
come by the deploy hook or ``cert install``.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from xtramail.model.host import is_address
from xtramail.net.certificates import CertificateFault, check_pair, find_pairs, write_private

AUTHORITY_DAYS = 3650
SERVER_DAYS = 397
"""Apple's systems refuse more than 825 days even from a private authority; public ones stop at 398."""
RENEW_DAYS = 30
LONGEST_DAYS = 825
FOLDER = "authority"
"""Below the certificate folder, which serves only what lies in it directly or in live/."""


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _subject(name: str) -> x509.Name:
    # X.520 ends a common name at 64 characters; the names that count stand in the extension.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _alternative_names(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        [x509.IPAddress(ip_address(host)) if is_address(host) else x509.DNSName(host) for host in dict.fromkeys(hosts)]
    )


def _builder(
    subject: str, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: float, days: int
) -> x509.CertificateBuilder:
    # Clients' clocks are a little behind at times.
    start = datetime.fromtimestamp(now, UTC) - timedelta(hours=1)
    return _named(subject, issuer, public, start, start + timedelta(days=days, hours=1))


def _named(
    subject: str, issuer: x509.Name, public: ec.EllipticCurvePublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(subject))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def make_authority(folder: Path, *, now: float) -> tuple[Path, Path]:
    """Write ``ca.crt`` and ``ca.key`` (0600) into ``folder`` unless both are there; gives the two paths."""
    certificate_file, key_file = folder / "ca.crt", folder / "ca.key"
    if certificate_file.exists() and key_file.exists():
        return certificate_file, key_file
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    # A name of its own: two servers' authorities may be trusted by one device.
    name = f"xtramail authority {secrets.token_hex(4)}"
    certificate = (
        _builder(name, _subject(name), public, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(key_file, _key_bytes(key))
    write_private(certificate_file, certificate.public_bytes(Encoding.PEM), mode=0o644)
    return certificate_file, key_file


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _times(now: float, days: int, renewed: x509.Certificate | None) -> tuple[datetime, datetime]:
    """From when to when a certificate is good: in the time of the one that it renews as well, where clients take that.
    Whose clock was wrong, ours now or ours then, nobody can know; both find it in its time."""
    at = datetime.fromtimestamp(now, UTC)
    start, end = at - timedelta(hours=1), at + timedelta(days=days)
    if renewed is not None:
        whole = min(start, renewed.not_valid_before_utc), max(end, renewed.not_valid_after_utc)
        if whole[1] - whole[0] <= timedelta(days=LONGEST_DAYS):
            return whole
    return start, end


def issue(
    folder: Path, hosts: Sequence[str], *, now: float, days: int = SERVER_DAYS, renewed: x509.Certificate | None = None
) -> tuple[Path, Path]:
    """Write NAME.crt (with the authority behind it) and NAME.key into ``folder``, NAME being the first host.

    ``hosts`` are names, wildcards or addresses; ``renewed`` is the one in whose place it comes. The authority is made
    when there is none. Gives the two paths.
    """
    authority_file, authority_key_file = make_authority(folder / FOLDER, now=now)
    authority = x509.load_pem_x509_certificate(authority_file.read_bytes())
    authority_key = load_pem_private_key(authority_key_file.read_bytes(), password=None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        raise CertificateFault(f"{authority_key_file}: not a key that xtramail made")
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    certificate = (
        _named(hosts[0], authority.subject, public, *_times(now, days, renewed))
        .add_extension(_alternative_names(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    name = hosts[0].replace("*.", "_wildcard.", 1)
    certificate_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    chain = certificate.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM)
    write_private(key_file, _key_bytes(key))
    write_private(certificate_file, chain, mode=0o644)
    return certificate_file, key_file


def ensure_certificate(folder: Path, hosts: Sequence[str], *, now: float) -> Path | None:
    """Make a certificate where the folder has none, and renew the one we made in its last month, or before its first
    day: it was made by a clock that was wrong, or is looked at by one.

    Gives the file when one was written, None when there was nothing to do. Never touches a certificate of another
    authority.
    """
    authority_file = folder / FOLDER / "ca.crt"
    ours = x509.load_pem_x509_certificate(authority_file.read_bytes()).subject if authority_file.exists() else None
    pairs = list(find_pairs(folder))
    if not pairs:
        return issue(folder, hosts, now=now)[0]
    for name, certificate_file, key_file in pairs:
        if name != hosts[0] or ours is None:
            continue
        try:
            identity = check_pair(certificate_file, key_file, name=name)
        except CertificateFault:
            return None
        own = identity.chain[0]
        late = own.not_valid_after_utc.timestamp() <= now + RENEW_DAYS * 86_400
        if own.issuer == ours and (late or own.not_valid_before_utc.timestamp() > now):
            return issue(folder, identity.names, now=now, renewed=own)[0]
    return None


def signing_request(folder: Path, hosts: Sequence[str]) -> tuple[Path, Path]:
    """Write NAME.csr and NAME.key (0600) into ``folder``/requests, for a public authority; gives the two paths."""
    requests = folder / "requests"
    requests.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_subject(hosts[0]))
        .add_extension(_alternative_names(hosts), critical=False)
        .sign(key, hashes.SHA256())
    )
    name = hosts[0].replace("*.", "_wildcard.", 1)
    request_file, key_file = requests / f"{name}.csr", requests / f"{name}.key"
    write_private(key_file, _key_bytes(key))
    write_private(request_file, request.public_bytes(Encoding.PEM), mode=0o644)
    return request_file, key_file
