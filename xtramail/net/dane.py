"""Whether what a host shows in the handshake is what its TLSA records name (RFC 6698 §2.1, RFC 7672 §3.1).

Pure: certificates and records in, words for what is wrong out. Which records hold for a host is
``delivery/secure_hosts``'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256, sha512

from OpenSSL.crypto import (
    FILETYPE_ASN1,
    X509,
    X509Store,
    X509StoreContext,
    X509StoreContextError,
    X509StoreFlags,
    dump_certificate,
    load_certificate,
)
from OpenSSL.crypto import Error as CryptoError

from xtramail.net.peer_names import chain_fault, name_fault
from xtramail.wire.dns.answer import Tlsa

TRUST_ANCHOR = 2
END_ENTITY = 3


def dane_fault(chain: Sequence[X509], records: Sequence[Tlsa], names: Sequence[str]) -> str:
    """Empty when one of ``records`` is met by ``chain`` (as it was shown, the host's own first).

    ``names``: one of them must be in the certificate where a trust anchor vouches for it. A certificate that is named
    itself may be for any name and out of date: the records say how long it holds (RFC 7672 §3.1.1).
    """
    if not chain:
        return "the host shows no certificate"
    leaf, others = chain[0], list(chain[1:])
    shown = dump_certificate(FILETYPE_ASN1, leaf)
    if any(record.usage == END_ENTITY and meets(shown, record) for record in records):
        return ""
    fault = "its certificate is not what its TLSA records name"
    for record in records:
        if record.usage != TRUST_ANCHOR:
            continue
        for anchor in _anchors(others, record):
            fault = _path_fault(leaf, others, anchor) or name_fault(leaf, names)
            if not fault:
                return ""
    return fault


def meets(certificate: bytes, record: Tlsa) -> bool:
    """Whether a certificate (DER) is the one, or has the key, that a record names."""
    try:
        selected = certificate if record.selector == 0 else public_key_info(certificate)
    except ValueError:
        return False
    match record.matching:
        case 0:
            return selected == record.data
        case 1:
            return sha256(selected).digest() == record.data
        case 2:
            return sha512(selected).digest() == record.data
    return False


def _anchors(others: Sequence[X509], record: Tlsa) -> Iterator[X509]:
    """Who may vouch for the host by a record. One that stands whole in DNS need not be shown (RFC 7671 §5.2.2)."""
    for one in others:
        if meets(dump_certificate(FILETYPE_ASN1, one), record):
            yield one
    if record.selector == 0 and record.matching == 0:
        try:
            yield load_certificate(FILETYPE_ASN1, record.data)
        except CryptoError:
            return


def _path_fault(leaf: X509, others: Sequence[X509], anchor: X509) -> str:
    store = X509Store()
    try:
        store.add_cert(anchor)
        # The anchor may be anybody's intermediate: the chain ends with it.
        store.set_flags(X509StoreFlags.PARTIAL_CHAIN)
        X509StoreContext(store, leaf, chain=list(others)).verify_certificate()
    except X509StoreContextError as error:
        return chain_fault(int(error.errors[0]), error.certificate)
    except (CryptoError, ValueError, TypeError) as error:
        return f"certificate chain cannot be checked ({type(error).__name__})"
    return ""


def public_key_info(certificate: bytes) -> bytes:
    """SubjectPublicKeyInfo of a certificate, octet for octet as it stands there (RFC 5280 §4.1). ValueError."""
    tbs = _content(certificate, _content_at(certificate, 0)[0])
    at, end = tbs
    if certificate[at : at + 1] == b"\xa0":
        at = _content_at(certificate, at)[1]
    # serialNumber, signature, issuer, validity, subject
    for _ in range(5):
        at = _content_at(certificate, at)[1]
    last = _content_at(certificate, at)[1]
    if last > end:
        raise ValueError("DER ends too early")
    return certificate[at:last]


def _content(der: bytes, at: int) -> tuple[int, int]:
    if der[at : at + 1] != b"\x30":
        raise ValueError("DER SEQUENCE wanted")
    return _content_at(der, at)


def _content_at(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at ``at`` begins and ends."""
    if at + 2 > len(der):
        raise ValueError("DER ends too early")
    length, begin = der[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 4 or begin + octets > len(der):
            raise ValueError("DER length")
        length, begin = int.from_bytes(der[begin : begin + octets], "big"), begin + octets
    if begin + length > len(der):
        raise ValueError("DER ends too early")
    return begin, begin + length
