"""Certificates, from the command line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.app.command.office import Office
from xtramail.app.authority import issue
from xtramail.net.certificates import check_pair

DAY = 86_400.0


def theirs(folder: Path, *names: str, days: int = 90) -> tuple[str, str]:
    """A certificate and key of somebody else's authority."""
    certificate, key = issue(folder / "theirs", list(names), now=time.time() - DAY, days=days)
    return str(certificate), str(key)


def test_list_tells_names_end_and_fault_of_each(bare: Office) -> None:
    (row,) = bare.json("cert", "list")
    assert row["name"] == "mail.example.org" and row["fault"] == ""
    assert row["names"] == ["mail.example.org", "localhost", "127.0.0.1"]
    (bare.folder / "certs" / "junk.crt").write_bytes(b"\x00\xff")
    junk = next(row for row in bare.json("cert", "list") if row["name"] == "junk")
    assert "holds no PEM certificate" in junk["fault"]
    assert "junk" in bare.done("cert", "list")


def test_an_empty_folder_says_what_to_do(bare: Office) -> None:
    for place in (bare.folder / "certs").glob("*.crt"):
        place.unlink()
    assert "install one: xtramail cert install CRT KEY" in bare.done("cert", "list")


def test_check_is_good_until_a_host_name_has_no_certificate(bare: Office) -> None:
    assert bare.json("cert", "check") == {"checked": 1, "faults": []}
    text = bare.config.read_text().replace('["mail.example.org"]', '["mail.example.org", "imap.example.org"]')
    bare.config.write_text(text)
    result = bare.run("cert", "check")
    assert result.exit_code == 1
    assert "imap.example.org: no certificate is for this host name" in result.stdout


def test_a_wildcard_covers_one_label(bare: Office, tmp_path: Path) -> None:
    bare.done("cert", "install", *theirs(tmp_path, "*.example.org"))
    text = bare.config.read_text().replace('["mail.example.org"]', '["imap.example.org"]')
    bare.config.write_text(text)
    assert bare.json("cert", "check")["faults"] == []
    bare.config.write_text(text.replace("imap.example.org", "a.b.example.org"))
    assert bare.run("cert", "check").exit_code == 1


def test_install_puts_a_good_pair_in_the_place_of_the_old_one(bare: Office, tmp_path: Path) -> None:
    certificate, key = theirs(tmp_path, "mail.example.org", "imap.example.org")
    told = bare.json("cert", "install", certificate, key)
    assert told["names"] == ["mail.example.org", "imap.example.org"]
    installed = Path(told["file"])
    assert installed == bare.folder / "certs" / "mail.example.org.crt"
    assert installed.read_bytes() == Path(certificate).read_bytes()
    assert installed.with_suffix(".key").stat().st_mode & 0o777 == 0o600


def test_a_pair_that_is_not_fit_is_refused_and_the_old_one_kept(bare: Office, tmp_path: Path) -> None:
    certificate, key = theirs(tmp_path / "a", "mail.example.org")
    other, other_key = theirs(tmp_path / "b", "mail.example.org")
    late, late_key = issue(tmp_path / "c", ["mail.example.org"], now=time.time() - 10 * DAY, days=5)
    junk = tmp_path / "junk"
    junk.write_bytes(b"\x00" * (2 << 20))
    before = bare.json("cert", "list")
    for words, reason in (
        ((certificate, other_key), "does not belong to the key in"),
        ((str(late), str(late_key)), "expired on"),
        ((str(junk), key), "larger than a certificate can be"),
        ((certificate, certificate), "holds no PEM private key"),
        ((key, certificate), "holds no PEM certificate"),
    ):
        assert reason in bare.refused("cert", "install", *words)
    assert bare.json("cert", "list") == before
    assert bare.run("cert", "install", "gone.crt", key).exit_code == 2


def test_a_certificate_whose_name_is_a_path_writes_nowhere(bare: Office, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate, _ = issue(tmp_path, ["x.example"], now=time.time())
    name = x509.Name([])
    start = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_before_utc
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start.replace(year=start.year + 1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("../../evil")]), critical=False)
    )
    (tmp_path / "evil.crt").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    (tmp_path / "evil.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    reason = bare.refused("cert", "install", str(tmp_path / "evil.crt"), str(tmp_path / "evil.key"))
    assert "its first name '../../evil' is no host name" in reason


def test_a_signing_request_is_made_once_and_its_key_never_overwritten(bare: Office) -> None:
    told = bare.json("cert", "csr", "Mail.Example.org", "*.example.org", "192.0.2.1")
    assert told["names"] == ["mail.example.org", "*.example.org", "192.0.2.1"]
    request = x509.load_pem_x509_csr(Path(told["request"]).read_bytes())
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mail.example.org", "*.example.org"]
    key = Path(told["key"])
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    assert "exists already: a request may be under way" in bare.refused("cert", "csr", "mail.example.org")
    assert key.read_bytes() == before
    assert len(bare.json("cert", "list")) == 1


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".", "[192.0.2.1]", "x" * 300, "a b", "*.*.example.org"])
def test_a_signing_request_for_what_is_no_host_name_is_refused(bare: Office, name: str) -> None:
    bare.refused("cert", "csr", name)
    assert not (bare.folder / "certs" / "requests").exists()


def test_without_an_installation_the_next_step_is_named(bare: Office, tmp_path: Path) -> None:
    bare.config.write_text('[store]\npath = "gone"\n')
    certificate, key = theirs(tmp_path, "mail.example.org")
    assert "make an installation first: xtramail init DIR" in bare.refused("cert", "install", certificate, key)
    assert "make an installation first" in bare.refused("cert", "csr", "mail.example.org")


def test_a_missing_folder_is_made_beside_the_store(bare: Office, tmp_path: Path) -> None:
    text = bare.config.read_text().replace('path = "certs"', 'path = "new/certs"')
    bare.config.write_text(text)
    told = bare.json("cert", "install", *theirs(tmp_path, "mail.example.org"))
    folder = bare.folder / "new" / "certs"
    assert Path(told["file"]).parent == folder and folder.stat().st_mode & 0o777 == 0o700
    assert check_pair(folder / "mail.example.org.crt", folder / "mail.example.org.key").names == ("mail.example.org",)
