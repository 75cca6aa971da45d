"""The main job in one breath: mail comes in, is read over IMAP, and is handed on."""

from __future__ import annotations

from tests.journeys.conftest import ANN
from tests.journeys.harness import Installation, after_return_path, after_trace, eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary


def test_mail_is_stored_byte_for_byte_and_handed_on(office: Installation, primary: ScriptedPrimary) -> None:
    sent = mail(1)
    office.send(sent, ANN)
    with office.imap(ANN) as client:
        (stored,) = fetched(client)
    assert after_trace(stored) == sent
    (received,) = eventually(lambda: primary.messages, what="the primary has it")
    assert received.octets == after_return_path(stored)
    assert (received.sender, received.recipients) == ("bob@sender.example", (ANN,))
    office.waits_for_nothing()
