"""Copies instead of MX: a local MTA hands them over by LMTP."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import Installation, after_trace, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, ScriptedPrimary]]:
    with ScriptedPrimary() as primary:
        folder = tmp_path_factory.mktemp("copies")
        server = Installation(folder / "server", settings=[f'listen.lmtp=["unix:{folder}/lmtp"]']).init()
        server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
        for user in (ANN, BEN):
            server.add_user(user)
        server.start()
        yield server, primary
        server.close()


def test_a_local_mta_hands_copies_over_a_unix_socket(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, primary = lasting
    message = mail("by-lmtp", to=ANN)
    with smtplib.LMTP(str(server.folder.parent / "lmtp")) as client:
        client.ehlo_or_helo_if_needed()
        assert client.mail("bob@sender.example")[0] == 250
        assert [client.rcpt(one)[0] for one in (ANN, f"nobody@{DOMAIN}", BEN)] == [250, 550, 250]
        assert client.data(message)[0] == 250
        assert client.getreply()[0] == 250, "one for each"
        assert client.noop()[0] == 250
    for user in (ANN, BEN):
        with server.imap(user) as imap:
            (stored,) = fetched(imap)
        assert after_trace(stored) == message
    assert server.queue() == [] and not primary.messages
    assert server.balance() == {"accepted": 2, "delivered": 2}


def test_it_is_not_smtp(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, _ = lasting
    with smtplib.LMTP(str(server.folder.parent / "lmtp")) as client:
        assert client.docmd("EHLO", "mta")[0] == 500
