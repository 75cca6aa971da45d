"""TLS towards a primary: what is verified and does not verify waits, with the reason told."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.journeys.conftest import ANN, DOMAIN, Install
from tests.journeys.harness import mail
from tests.journeys.scripted_primary import Script, ScriptedPrimary

NOW = datetime.datetime.now(datetime.UTC)


class Authority:
    """Issues certificates that are good or bad in one way each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self._certificate = self._sign(self._name, self._key.public_key(), names=(), days=30, authority=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, names: tuple[str, ...], days: int,
        authority: bool = False, own: ec.EllipticCurvePrivateKey | None = None,
    ) -> x509.Certificate:  # fmt: skip
        start = NOW - datetime.timedelta(days=10)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if own else self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + datetime.timedelta(days=10 + days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        return builder.sign(own or self._key, hashes.SHA256())

    def serving(self, name: str, *, days: int = 30, self_signed: bool = False) -> ssl.SSLContext:
        """A server's context for ``name`` that ends so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = key if self_signed else None
        certificate = self._sign(subject, key.public_key(), names=(name,), days=days, own=own)
        file = self._folder / f"{name}-{days}-{self_signed}.pem"
        file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def test_a_certificate_that_does_not_verify_defers_with_its_reason(
    install: Install, primary: ScriptedPrimary, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    server = install()
    server.add_domain(
        DOMAIN, "--primary", f"localhost:{primary.port}", "--primary-tls", "verify", "--primary-ca",
        str(authority.file), "--recipients", "listed",
    )  # fmt: skip
    server.add_user(ANN)
    server.start()
    cases = {
        "wrong name": (authority.serving("other.test"), "certificate is for other.test, not for localhost"),
        "expired": (authority.serving("localhost", days=-2), "expired"),
        "self-signed": (authority.serving("localhost", self_signed=True), "self-signed"),
        "none": (None, "does not offer STARTTLS"),
    }
    for number, (certificate, reason) in enumerate(cases.values(), 1):
        primary.play(Script(certificate=certificate))
        began = server.log_end()
        server.send(mail(number), ANN)
        deferred = server.told("recipient-deferred", since=began)
        assert reason in deferred[-1]["reply"], deferred
        assert any(reason in one["last-answer"] for one in server.queue())
    assert primary.messages == []
    primary.play(Script(certificate=authority.serving("localhost")))
    server.told("recipient-delivered", since=0, count=4)
    assert len(primary.messages) == 4
    assert all(message.tls for message in primary.messages)


@pytest.mark.parametrize("offers", [True, False], ids=["offered", "not offered"])
def test_opportunistic_tls_takes_what_it_gets(
    install: Install, primary: ScriptedPrimary, tmp_path: Path, offers: bool
) -> None:
    certificate = Authority(tmp_path).serving("other.test", self_signed=True) if offers else None
    primary.play(Script(certificate=certificate))
    server = install()
    server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
    server.add_user(ANN)
    server.start()
    server.send(mail(1), ANN)
    server.told("recipient-delivered", since=0)
    assert [message.tls for message in primary.messages] == [offers]
