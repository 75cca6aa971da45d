"""An office sends as info@: who was named for it may, on 587 and 465, and who was not is told whom to ask."""

from __future__ import annotations

import smtplib

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import Installation, eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary

INFO = f"info@{DOMAIN}"


def refusal(client: smtplib.SMTP, message: bytes, sender: str) -> str:
    with pytest.raises((smtplib.SMTPDataError, smtplib.SMTPSenderRefused)) as refused:
        client.sendmail(sender, [BEN], message)
    error = refused.value
    assert isinstance(error, smtplib.SMTPResponseException) and isinstance(error.smtp_error, bytes)
    return f"{error.smtp_code} {error.smtp_error.decode()}"


def test_info_is_sent_as_by_who_was_named_for_it(office: Installation, primary: ScriptedPrimary) -> None:
    ask = f"ask your administrator: xtramail sender add {INFO} {ANN}"
    with office.submission(ANN) as client:
        told = refusal(client, mail(1, sender=INFO, to=BEN), ANN)
        assert told == f"550 5.7.1 You may not send as From: {INFO}; {ask}"
        assert refusal(client, mail(1, sender=ANN), INFO) == f"553 5.7.1 You may not send as <{INFO}>; {ask}"
        on_behalf = mail(1, sender=ANN).replace(b"To:", b"Sender: " + BEN.encode() + b"\r\nTo:")
        assert f"You may not send as Sender: {BEN}" in refusal(client, on_behalf, ANN)

        office.command("sender", "add", INFO, ANN)
        client.sendmail(INFO, [BEN], mail("office", sender=INFO, to=BEN))
    with office.submissions(BEN) as other:
        assert "You may not send as <info@" in refusal(other, mail(2, sender=INFO), INFO)
    with office.imap(ANN) as reader:
        assert len(fetched(reader, "Sent")) == 1
    eventually(lambda: [one for one in primary.messages if one.sender == INFO and one.recipients == (BEN,)])

    office.command("sender", "remove", INFO, ANN)
    with office.submissions(ANN) as client:
        assert "You may not send as <info@" in refusal(client, mail(3, sender=INFO), INFO)
