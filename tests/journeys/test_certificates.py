"""Certificates change while the server runs, and a bad one changes nothing."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from pathlib import Path

import pytest

from tests.journeys.authority import Authority
from tests.journeys.harness import Installation, Refused, eventually


def served(server: Installation, name: str) -> str:
    """The subject of the certificate that a client asking for ``name`` is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", server.ports["imaps"]), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname=name) as line,
    ):
        found = line.getpeercert(binary_form=True)
    assert found is not None
    return Authority.subject_of(found)


def test_a_new_certificate_is_served_without_a_restart(office: Installation, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.files("imap.example.test")
    assert served(office, "imap.example.test") == "mail.test", "the default one"
    office.command("cert", "install", str(certificate), str(key))
    os.kill(office.pid, signal.SIGHUP)
    eventually(lambda: served(office, "imap.example.test") == "imap.example.test")
    assert served(office, "mail.test") == "mail.test"


def test_a_key_of_another_certificate_is_refused_and_the_old_one_kept(office: Installation, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, _ = authority.files("mail.test")
    _, stranger = authority.files("other.test")
    with pytest.raises(Refused, match="key"):
        office.command("cert", "install", str(certificate), str(stranger))
    # Somebody copies them by hand.
    folder = office.folder / "certs"
    kept = (folder / "mail.test.key").read_bytes()
    (folder / "mail.test.key").write_bytes(stranger.read_bytes())
    began = office.log_end()
    os.kill(office.pid, signal.SIGHUP)
    office.told("certificate-refused", since=began)
    with office.submissions_unauthenticated() as client:
        assert client.ehlo()[0] == 250
    (folder / "mail.test.key").write_bytes(kept)
