"""Names that a client's certificate proves: only by the authorities asked for, and in its time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from xtramail.app.authority import issue
from xtramail.directory.client_certificates import ClientCertificates
from xtramail.model.certificate import ClientCertificate
from xtramail.model.clock import SetClock

NOW = datetime(2026, 6, 1, tzinfo=UTC).timestamp()


def shown(path: Path) -> ClientCertificate:
    chain = x509.load_pem_x509_certificates(path.read_bytes())
    return ClientCertificate(chain=tuple(one.public_bytes(Encoding.DER) for one in chain))


@pytest.fixture
def made(tmp_path: Path) -> tuple[ClientCertificate, str, SetClock]:
    """A certificate for mail.corp.example, its authority's file, and a clock."""
    certificate, _ = issue(tmp_path / "corp", ["mail.corp.example"], now=NOW)
    return shown(certificate), str(tmp_path / "corp/authority/ca.crt"), SetClock(NOW)


def test_a_name_that_the_authority_vouches_for(made: tuple[ClientCertificate, str, SetClock]) -> None:
    certificate, authority, clock = made
    assert ClientCertificates(clock).names(certificate, authority) == {"mail.corp.example"}


def test_nothing_by_another_authority(made: tuple[ClientCertificate, str, SetClock], tmp_path: Path) -> None:
    certificate, _, clock = made
    issue(tmp_path / "other", ["mail.corp.example"], now=NOW)
    assert ClientCertificates(clock).names(certificate, str(tmp_path / "other/authority/ca.crt")) == frozenset()
    assert ClientCertificates(clock).names(certificate, str(tmp_path / "gone.pem")) == frozenset()


def test_nothing_out_of_its_time_though_it_was_good_before(made: tuple[ClientCertificate, str, SetClock]) -> None:
    certificate, authority, clock = made
    certificates = ClientCertificates(clock)
    assert certificates.names(certificate, authority)
    clock.advance(timedelta(days=5000).total_seconds())
    assert certificates.names(certificate, authority) == frozenset()


def test_a_resumed_session_is_believed_without_its_chain(made: tuple[ClientCertificate, str, SetClock]) -> None:
    certificate, authority, clock = made
    certificates = ClientCertificates(clock)
    assert certificates.names(certificate, authority)
    alone = ClientCertificate(chain=certificate.chain[:1])
    assert certificates.names(alone, authority) == {"mail.corp.example"}


def test_octets_that_are_no_certificate(made: tuple[ClientCertificate, str, SetClock]) -> None:
    _, authority, clock = made
    assert ClientCertificates(clock).names(ClientCertificate(chain=(b"junk",)), authority) == frozenset()
