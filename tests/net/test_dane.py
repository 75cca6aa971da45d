"""Chains against TLSA records: which are held good, and what is wrong with the others."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from hashlib import sha256, sha512

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL.crypto import X509

from xtramail.net.dane import dane_fault, meets, public_key_info
from xtramail.wire.dns.answer import Tlsa

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
HOST = "mail.far.example"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class Made:
    """A certificate and its key, issued by another or by itself."""

    def __init__(
        self,
        name: str,
        by: Made | None = None,
        *,
        names: Sequence[str] = (),
        days: int = 30,
        authority: bool = False,
        key: Key | None = None,
        pss: bool = False,
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = by or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(signer.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 60 * DAY)
            .not_valid_after(NOW + days * DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), False)
        if pss:
            salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            self.certificate = builder.sign(signer.key, hashes.SHA256(), rsa_padding=salted)
        else:
            algorithm = None if isinstance(signer.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
            self.certificate = builder.sign(signer.key, algorithm)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def spki(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def record(self, usage: int, selector: int = 1, matching: int = 1) -> Tlsa:
        data = self.spki if selector else self.der
        digest = {0: data, 1: sha256(data).digest(), 2: sha512(data).digest()}[matching]
        return Tlsa(usage, selector, matching, digest)


ROOT = Made("root", authority=True)
MIDDLE = Made("middle", ROOT, authority=True)
LEAF = Made("leaf", MIDDLE, names=[HOST])
STRANGER = Made("stranger", authority=True)
CHAIN = (LEAF, MIDDLE, ROOT)


def fault(chain: Sequence[Made], *records: Tlsa, names: Sequence[str] = (HOST,)) -> str:
    return dane_fault([X509.from_cryptography(one.certificate) for one in chain], records, names)


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_each_selector_and_matching_names_a_certificate(selector: int, matching: int) -> None:
    assert fault(CHAIN, LEAF.record(3, selector, matching)) == ""
    assert fault(CHAIN, MIDDLE.record(2, selector, matching)) == ""
    assert fault(CHAIN, ROOT.record(2, selector, matching)) == ""
    assert "not what its TLSA records name" in fault(CHAIN, STRANGER.record(3, selector, matching))
    assert fault(CHAIN, STRANGER.record(2, selector, matching)) != ""


def test_one_good_record_among_bad_ones_is_enough() -> None:
    assert fault(CHAIN, STRANGER.record(3), STRANGER.record(2), LEAF.record(3)) == ""


def test_a_named_certificate_may_be_expired_self_signed_and_for_another_name() -> None:
    old = Made("old", names=["elsewhere.example"], days=-1)
    assert fault([old], old.record(3)) == ""


def test_a_named_issuer_does_not_make_its_own_certificate_a_host() -> None:
    assert fault(CHAIN, MIDDLE.record(3)) != "" and fault(CHAIN, LEAF.record(2)) != ""


def test_below_a_trust_anchor_names_and_dates_count() -> None:
    other = Made("other", MIDDLE, names=["elsewhere.example"])
    assert "is for elsewhere.example, not for mail.far.example" in fault([other, MIDDLE], MIDDLE.record(2))
    assert fault([other, MIDDLE], MIDDLE.record(2), names=[HOST, "elsewhere.example"]) == ""
    wild = Made("wild", MIDDLE, names=["*.far.example"])
    assert fault([wild, MIDDLE], MIDDLE.record(2)) == ""
    old = Made("old", MIDDLE, names=[HOST], days=-1)
    assert "expired" in fault([old, MIDDLE], MIDDLE.record(2))


def test_whoever_shows_a_named_anchor_must_be_signed_by_it() -> None:
    forged = Made("leaf", STRANGER, names=[HOST])
    assert fault([forged, MIDDLE, ROOT], MIDDLE.record(2), ROOT.record(2)) != ""
    assert fault([forged, STRANGER, ROOT], ROOT.record(2)) != ""
    # The same names with another key.
    twin = Made("middle", names=[HOST], authority=True)
    assert fault([Made("leaf", twin, names=[HOST]), MIDDLE], MIDDLE.record(2)) != ""


def test_a_host_that_is_no_authority_vouches_for_nobody() -> None:
    below = Made("below", LEAF, names=[HOST])
    assert fault([below, LEAF, MIDDLE], MIDDLE.record(2)) != ""


def test_an_anchor_that_stands_whole_in_dns_need_not_be_shown() -> None:
    assert fault([LEAF, MIDDLE], ROOT.record(2, 0, 0)) == ""
    assert fault([LEAF, MIDDLE], STRANGER.record(2, 0, 0)) != ""
    assert fault([LEAF, MIDDLE], ROOT.record(2, 0, 1)) != ""
    assert fault([LEAF, MIDDLE], Tlsa(2, 0, 0, b"no certificate")) != ""


def test_records_of_web_authorities_make_nothing_good() -> None:
    assert fault(CHAIN, LEAF.record(1), ROOT.record(0)) != ""


def test_no_certificate_is_a_fault() -> None:
    assert fault([], LEAF.record(3)) == "the host shows no certificate"


KEYS: list[Key] = [
    ec.generate_private_key(ec.SECP384R1()),
    rsa.generate_private_key(65_537, 2048),
    ed25519.Ed25519PrivateKey.generate(),
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: type(key).__name__)
def test_keys_of_every_kind_are_found_in_their_certificates(key: Key) -> None:
    made = Made("any", names=[HOST], key=key)
    assert public_key_info(made.der) == made.spki and meets(made.der, made.record(3))


def test_a_certificate_with_a_long_signature_algorithm_gives_its_key() -> None:
    made = Made("pss", key=rsa.generate_private_key(65_537, 2048), pss=True)
    assert public_key_info(made.der) == made.spki


@given(st.integers(0, 700), st.binary(max_size=8))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_broken_certificates_are_refused(at: int, octets: bytes) -> None:
    broken = LEAF.der[:at] + octets
    try:
        public_key_info(broken)
    except ValueError:
        assert not meets(broken, LEAF.record(3))
