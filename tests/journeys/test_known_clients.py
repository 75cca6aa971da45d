"""Who logged in from an address before is not shut out there for what a neighbour guesses, a restart between or not."""

from __future__ import annotations

import imaplib

import pytest

from tests.journeys.conftest import ANN, BEN
from tests.journeys.harness import Installation


def guess(office: Installation, user: str) -> str:
    client = imaplib.IMAP4_SSL("localhost", office.ports["imaps"], ssl_context=office.tls(), timeout=60)
    with pytest.raises(imaplib.IMAP4.error) as caught:
        client.login(user, "a guess")
    client.shutdown()
    return str(caught.value)


def test_a_restart_does_not_make_known_clients_strangers(office: Installation) -> None:
    with office.imap(ANN):
        pass
    assert office.stop() == 0
    # One refusal is as many as a block may have, and nobody's password is known to be right yet.
    office.settings.append("login.failures-per-block=1")
    office.start()
    guess(office, BEN)
    with office.imap(ANN) as client:
        assert client.select("INBOX")[0] == "OK"
