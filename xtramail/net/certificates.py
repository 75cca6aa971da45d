"""Certificates on disk: reading and checking a pair, and the layout of the folder they lie in.

Owns what makes a certificate with its key fit to serve, and the folder's layout (``NAME.crt`` with ``NAME.key``, or
certbot's ``live/NAME/fullchain.pem`` with ``privkey.pem``). Which one answers to a name is ``certificate_store.py``'s.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from OpenSSL import SSL

from xtramail.model.errors import Refused

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

MAX_FILE = 1 << 20
"""Octets; a chain is a few KiB, more is not a certificate."""


class CertificateFault(Refused):
    """The certificate cannot be served."""


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """A certificate that may be served: leaf first, each next one its issuer. Compared by identity, not by content."""

    name: str
    """The NAME of its files."""
    chain: tuple[x509.Certificate, ...]
    key: PrivateKey
    names: tuple[str, ...]
    """DNS names (lower case, wildcards as ``*.example.org``) and addresses of the certificate."""
    not_after: float
    """Seconds since 1970."""
    certificate_file: Path
    key_file: Path

    def covers(self, name: str) -> bool:
        return any(matches(pattern, name) for pattern in self.names)


def matches(pattern: str, name: str) -> bool:
    """RFC 6125 §6.4.3: a wildcard stands for exactly one leftmost label."""
    if pattern == name:
        return True
    return pattern.startswith("*.") and name.partition(".")[2] == pattern[2:] and "." in pattern[2:]


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE:
            raise CertificateFault(f"{path}: larger than a certificate can be")
        return path.read_bytes()
    except OSError as error:
        raise CertificateFault(f"{path}: cannot be read: {error.strerror}") from None


def _read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(_read(path)))
    except ValueError:
        raise CertificateFault(f"{path}: holds no PEM certificate (-----BEGIN CERTIFICATE-----)") from None


def _read_key(path: Path) -> PrivateKey:
    try:
        key = load_pem_private_key(_read(path), password=None)
    except TypeError:
        raise CertificateFault(f"{path}: the key has a passphrase; store it without one, mode 0600") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateFault(f"{path}: holds no PEM private key") from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < 2048:
            raise CertificateFault(f"{path}: RSA key of {key.key_size} bits is too short; use ECDSA P-256")
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        return key
    raise CertificateFault(f"{path}: this kind of key cannot be served; use ECDSA P-256")


def certificate_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Subject alternative names; the subject's common name counts for nothing (RFC 9525 §2)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    dns = [name.lower().rstrip(".") for name in names.get_values_for_type(x509.DNSName)]
    return (*dns, *(str(address) for address in names.get_values_for_type(x509.IPAddress)))


def _public_bytes(owner: PrivateKey | x509.Certificate) -> bytes:
    """The public key as DER, to compare; empty for a kind of key that nobody serves."""
    try:
        return owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return b""


def _check_chain(path: Path, chain: tuple[x509.Certificate, ...], key_file: Path, key: PrivateKey) -> None:
    wanted = _public_bytes(key)
    if _public_bytes(chain[0]) != wanted:
        if any(_public_bytes(certificate) == wanted for certificate in chain[1:]):
            raise CertificateFault(f"{path}: wrong order: the server's own certificate comes first, then issuers")
        raise CertificateFault(f"{path}: does not belong to the key in {key_file}")
    for position, (certificate, issuer) in enumerate(zip(chain, chain[1:], strict=False), 1):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            raise CertificateFault(
                f"{path}: broken chain: certificate {position} ({certificate.subject.rfc4514_string()}) was not "
                f"issued by certificate {position + 1} ({issuer.subject.rfc4514_string()})"
            ) from None


def present(context: SSL.Context, chain: tuple[x509.Certificate, ...], key: PrivateKey, file: Path) -> None:
    """Have ``context`` show the chain to its peers; CertificateFault, which names ``file``, when OpenSSL refuses it."""
    try:
        context.use_certificate(chain[0])
        for issuer in chain[1:]:
            context.add_extra_chain_cert(issuer)
        context.use_privatekey(key)
    except SSL.Error as error:
        # Such as a key that is too short, or a signature made with SHA-1.
        reasons = ", ".join(reason for _library, _function, reason in error.args[0])
        raise CertificateFault(f"{file}: OpenSSL refuses it: {reasons}") from None


def file_name_to_host(name: str) -> str:
    """The host that a file's NAME stands for; wildcards as lego (``_.``), acme.sh (``*.``) and others write them."""
    host = re.sub(r"^(?:_wildcard|_|\*)\.", "*.", name.lower())
    # certbot's name of a second certificate for the same host.
    return re.sub(r"-0\d{3}$", "", host)


def check_pair(certificate_file: Path, key_file: Path, *, name: str = "") -> Identity:
    """Read a certificate with its chain and key. Raises CertificateFault, whose text says what to mend.

    ``name`` is the host it must be good for (none is asked for when empty or ``default``). Only time is not refused
    here: see :func:`time_fault`.
    """
    chain = _read_chain(certificate_file)
    key = _read_key(key_file)
    _check_chain(certificate_file, chain, key_file, key)
    present(SSL.Context(SSL.TLS_SERVER_METHOD), chain, key, certificate_file)
    names = certificate_names(chain[0])
    if not names:
        raise CertificateFault(f"{certificate_file}: names no host (subject alternative name); clients would refuse it")
    host = file_name_to_host(name)
    covered = any(matches(pattern, host) or pattern == f"*.{host}" for pattern in names)
    if host not in ("", "default") and not covered:
        raise CertificateFault(f"{certificate_file}: is for {', '.join(names[:5])}, not for {host}")
    return Identity(
        name=name or names[0],
        chain=chain,
        key=key,
        names=names,
        not_after=chain[0].not_valid_after_utc.timestamp(),
        certificate_file=certificate_file,
        key_file=key_file,
    )


def day_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def time_fault(identity: Identity, now: float) -> str:
    """Why a client would refuse it today; empty when it is in its time."""
    for certificate in identity.chain:
        if certificate.not_valid_after_utc.timestamp() <= now:
            return f"{identity.certificate_file}: expired on {day_text(certificate.not_valid_after_utc)}"
        if certificate.not_valid_before_utc.timestamp() > now:
            return f"{identity.certificate_file}: not valid before {day_text(certificate.not_valid_before_utc)}"
    return ""


def find_pairs(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """Every NAME of the folder with its certificate and key file; the key need not be there."""
    if not folder.is_dir():
        return
    for certificate in sorted(folder.glob("*.crt")):
        yield certificate.stem, certificate, certificate.with_suffix(".key")
    for base in (folder, folder / "live"):
        for certificate in sorted(base.glob("*/fullchain.pem")):
            yield certificate.parent.name, certificate, certificate.parent / "privkey.pem"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and key that were read and found good: ``contents`` are the octets of their files."""

    identity: Identity
    contents: tuple[bytes, bytes]


def read_pair(certificate_file: Path, key_file: Path, *, now: float) -> Pair:
    """Read and check a pair that is to be installed; CertificateFault when it is not fit, or not in its time."""
    given = check_pair(certificate_file, key_file)
    if fault := time_fault(given, now):
        raise CertificateFault(fault)
    # Its first name becomes the name of our files.
    if "/" in given.names[0] or given.names[0].startswith("."):
        raise CertificateFault(f"{certificate_file}: its first name {given.names[0]!r} is no host name")
    return Pair(identity=given, contents=(_read(certificate_file), _read(key_file)))


def write_pair(folder: Path, pair: Pair) -> Identity:
    """Put a pair into the folder as NAME.crt and NAME.key."""
    name = pair.identity.names[0].replace("*.", "_wildcard.", 1)
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    # A server that looks between the two finds a pair that does not match, and goes on with the old one.
    write_private(key, pair.contents[1])
    write_private(certificate, pair.contents[0], mode=0o644)
    return check_pair(certificate, key, name=name)


def write_private(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file at once: nobody sees half of it, and a key is never readable for others in between."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
            if os.geteuid() == 0:
                # Written by an administrator, read by the service: it belongs to whom the folder belongs to.
                owner = path.parent.stat()
                os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
