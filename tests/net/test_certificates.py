"""Pairs of certificate and key, and what is refused."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from xtramail.app.authority import issue
from xtramail.net.certificates import (
    CertificateFault,
    check_pair,
    find_pairs,
    matches,
    read_pair,
    time_fault,
    write_pair,
    write_private,
)

NOW = time.time()
DAY = 86_400.0


def pem_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes = b"") -> bytes:
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


def reason(certificate: Path, key: Path, name: str = "") -> str:
    with pytest.raises(CertificateFault) as caught:
        check_pair(certificate, key, name=name)
    return caught.value.text


def test_a_good_pair_gives_its_names_and_its_end(tmp_path: Path) -> None:
    pair = issue(tmp_path, ["Mail.Example.org", "*.example.org", "127.0.0.1", "::1"], now=NOW, days=90)
    identity = check_pair(*pair, name="mail.example.org")
    assert identity.names == ("mail.example.org", "*.example.org", "127.0.0.1", "::1")
    assert abs(identity.not_after - (NOW + 90 * DAY)) < 2
    assert len(identity.chain) == 2
    assert time_fault(identity, NOW) == ""


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    certificate, _key = issue(tmp_path / "a", ["a.example"], now=NOW)
    _certificate, key = issue(tmp_path / "b", ["a.example"], now=NOW)
    assert "does not belong to the key in" in reason(certificate, key)


def test_a_chain_with_the_issuer_first_is_refused(tmp_path: Path) -> None:
    certificate, key = issue(tmp_path, ["a.example"], now=NOW)
    leaf, authority = x509.load_pem_x509_certificates(certificate.read_bytes())
    certificate.write_bytes(authority.public_bytes(Encoding.PEM) + leaf.public_bytes(Encoding.PEM))
    assert "wrong order" in reason(certificate, key)


def test_a_chain_that_breaks_is_refused(tmp_path: Path) -> None:
    certificate, key = issue(tmp_path / "a", ["a.example"], now=NOW)
    other, _key = issue(tmp_path / "b", ["b.example"], now=NOW)
    leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    stranger = x509.load_pem_x509_certificates(other.read_bytes())[0]
    certificate.write_bytes(leaf.public_bytes(Encoding.PEM) + stranger.public_bytes(Encoding.PEM))
    assert "broken chain: certificate 1 (CN=a.example) was not issued by certificate 2 (CN=b.example)" in reason(
        certificate, key
    )


def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    certificate, key = issue(tmp_path, ["a.example"], now=NOW)
    assert reason(certificate, key, "b.example").endswith("is for a.example, not for b.example")


@pytest.mark.parametrize(
    ("hosts", "name"),
    [
        (["*.example.org"], "_wildcard.example.org"),
        (["*.example.org"], "_.example.org"),
        (["*.example.org"], "*.example.org"),
        (["*.example.org"], "imap.example.org"),
        (["*.example.org"], "example.org"),
        (["mail.example.org"], "mail.example.org-0001"),
        (["mail.example.org"], "default"),
    ],
)
def test_file_names_of_certificate_tools_are_understood(tmp_path: Path, hosts: list[str], name: str) -> None:
    pair = issue(tmp_path, hosts, now=NOW)
    assert check_pair(*pair, name=name).name == name


def test_unusable_files_are_refused_with_what_to_do(tmp_path: Path) -> None:
    certificate, key = issue(tmp_path, ["a.example"], now=NOW)
    bad = tmp_path / "bad"
    assert "cannot be read: No such file or directory" in reason(bad, key)
    bad.write_bytes(b"nothing")
    assert "holds no PEM certificate" in reason(bad, key)
    assert "holds no PEM private key" in reason(certificate, bad)
    bad.write_bytes(pem_of(ec.generate_private_key(ec.SECP256R1()), b"secret"))
    assert "has a passphrase" in reason(certificate, bad)
    bad.write_bytes(pem_of(rsa.generate_private_key(65537, 1024)))
    assert "RSA key of 1024 bits is too short" in reason(certificate, bad)
    bad.write_bytes(b"x" * (2 << 20))
    assert "larger than a certificate can be" in reason(bad, key)


def test_time_is_judged_apart(tmp_path: Path) -> None:
    identity = check_pair(*issue(tmp_path, ["a.example"], now=NOW, days=10))
    assert "expired on" in time_fault(identity, NOW + 11 * DAY)
    assert "not valid before" in time_fault(identity, NOW - DAY)


def test_both_layouts_of_the_folder_are_found(tmp_path: Path) -> None:
    issue(tmp_path, ["a.example"], now=NOW)
    live = tmp_path / "live" / "b.example"
    live.mkdir(parents=True)
    certificate, key = issue(tmp_path / "made", ["b.example"], now=NOW)
    shutil.copy(certificate, live / "fullchain.pem")
    shutil.copy(key, live / "privkey.pem")
    assert list(find_pairs(tmp_path)) == [
        ("a.example", tmp_path / "a.example.crt", tmp_path / "a.example.key"),
        ("b.example", live / "fullchain.pem", live / "privkey.pem"),
    ]


def test_installing_copies_a_good_pair_with_a_private_key(tmp_path: Path) -> None:
    certificate, key = issue(tmp_path / "made", ["*.example.org"], now=NOW)
    identity = write_pair(tmp_path / "served", read_pair(certificate, key, now=NOW))
    assert identity.certificate_file == tmp_path / "served" / "_wildcard.example.org.crt"
    assert identity.key_file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in (tmp_path / "served").iterdir()) == [
        "_wildcard.example.org.crt",
        "_wildcard.example.org.key",
    ]


def test_a_file_that_cannot_be_put_in_place_leaves_no_key_behind(tmp_path: Path) -> None:
    place = tmp_path / "mail.key"
    place.mkdir()
    (place / "something").touch()
    with pytest.raises(OSError, match="mail.key"):
        write_private(place, b"a private key")
    assert list(tmp_path.iterdir()) == [place]


def test_installing_an_expired_pair_is_refused(tmp_path: Path) -> None:
    certificate, key = issue(tmp_path / "made", ["a.example"], now=NOW - 100 * DAY, days=10)
    with pytest.raises(CertificateFault, match="expired on"):
        write_pair(tmp_path / "served", read_pair(certificate, key, now=NOW))
    assert not (tmp_path / "served").exists()


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("a.example", "a.example", True),
        ("*.a.example", "b.a.example", True),
        ("*.a.example", "a.example", False),
        ("*.a.example", "c.b.a.example", False),
        ("*.example", "a.example", False),
    ],
)
def test_a_wildcard_stands_for_one_label(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected
