"""The private authority, its certificates and their renewal."""

from __future__ import annotations

import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from xtramail.app.authority import RENEW_DAYS, SERVER_DAYS, ensure_certificate, issue, make_authority, signing_request
from xtramail.net.certificates import check_pair, time_fault

NOW = time.time()
DAY = 86_400.0


def test_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    _certificate, key = issue(tmp_path, ["a.example"], now=NOW)
    _authority, authority_key = make_authority(tmp_path / "authority", now=NOW)
    _request, request_key = signing_request(tmp_path, ["a.example"])
    for path in (key, authority_key, request_key):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_certificate_comes_from_the_same_authority(tmp_path: Path) -> None:
    first = check_pair(*issue(tmp_path, ["a.example"], now=NOW))
    second = check_pair(*issue(tmp_path, ["b.example"], now=NOW))
    assert first.chain[1] == second.chain[1]
    assert first.chain[0].serial_number != second.chain[0].serial_number


def test_server_certificates_are_ecdsa_p256_for_servers_only(tmp_path: Path) -> None:
    identity = check_pair(*issue(tmp_path, ["a.example"], now=NOW))
    assert isinstance(identity.key, ec.EllipticCurvePrivateKey)
    assert isinstance(identity.key.curve, ec.SECP256R1)
    leaf, authority = identity.chain
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is True


def test_an_empty_folder_gets_a_certificate_and_a_full_one_is_left_alone(tmp_path: Path) -> None:
    written = ensure_certificate(tmp_path, ["mail.example", "127.0.0.1"], now=NOW)
    assert written == tmp_path / "mail.example.crt"
    assert ensure_certificate(tmp_path, ["mail.example"], now=NOW) is None


def test_our_own_certificate_is_renewed_in_its_last_month_with_all_its_names(tmp_path: Path) -> None:
    ensure_certificate(tmp_path, ["mail.example", "127.0.0.1"], now=NOW)
    late = NOW + (SERVER_DAYS - RENEW_DAYS + 1) * DAY
    written = ensure_certificate(tmp_path, ["mail.example"], now=late)
    assert written is not None
    identity = check_pair(written, written.with_suffix(".key"))
    assert identity.names == ("mail.example", "127.0.0.1")
    assert time_fault(identity, late + 300 * DAY) == ""


def test_what_is_renewed_by_a_wrong_clock_is_good_in_the_right_time_as_well(tmp_path: Path) -> None:
    ensure_certificate(tmp_path, ["mail.example"], now=NOW)
    for wrong in (NOW + 400 * DAY, NOW - 20 * DAY):
        written = ensure_certificate(tmp_path, ["mail.example"], now=wrong)
        assert written is not None
        identity = check_pair(written, written.with_suffix(".key"))
        leaf = [identity.chain[0].not_valid_before_utc.timestamp(), identity.chain[0].not_valid_after_utc.timestamp()]
        assert leaf[0] <= min(NOW, wrong) and max(NOW, wrong) + 300 * DAY <= leaf[1] and leaf[1] - leaf[0] <= 825 * DAY


def test_a_certificate_of_a_clock_that_was_years_ahead_is_made_anew(tmp_path: Path) -> None:
    ensure_certificate(tmp_path, ["mail.example"], now=NOW)
    assert ensure_certificate(tmp_path, ["mail.example"], now=NOW + 3_600 * DAY) is not None
    assert ensure_certificate(tmp_path, ["mail.example"], now=NOW + 3_600 * DAY) is None
    written = ensure_certificate(tmp_path, ["mail.example"], now=NOW)
    assert written is not None and time_fault(check_pair(written, written.with_suffix(".key")), NOW) == ""
    assert ensure_certificate(tmp_path, ["mail.example"], now=NOW) is None


def test_another_authoritys_certificate_is_never_touched(tmp_path: Path) -> None:
    issue(tmp_path / "theirs", ["mail.example"], now=NOW, days=5)
    for path in (tmp_path / "theirs").glob("mail.example.*"):
        path.rename(tmp_path / path.name)
    make_authority(tmp_path / "authority", now=NOW + 1)
    before = (tmp_path / "mail.example.crt").read_bytes()
    assert ensure_certificate(tmp_path, ["mail.example"], now=NOW) is None
    assert (tmp_path / "mail.example.crt").read_bytes() == before


def test_a_signing_request_names_every_host_and_is_not_served(tmp_path: Path) -> None:
    request_file, _key = signing_request(tmp_path, ["mail.example", "imap.example"])
    request = x509.load_pem_x509_csr(request_file.read_bytes())
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mail.example", "imap.example"]
    assert request.is_signature_valid
    assert request_file.parent == tmp_path / "requests"
