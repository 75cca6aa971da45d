"""What we write ourselves is correct mail, and what must not leave does not."""

from __future__ import annotations

import email
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.mime import summarise
from xtramail.wire.mime.compose import (
    Note,
    RecipientStatus,
    Report,
    add_missing,
    delivery_report,
    note,
    without_bcc,
)

REPORT = Report(
    reporting_mta="mx.example.org",
    sender_address="postmaster@mx.example.org",
    to="ann@example.org",
    subject="Undelivered: your message",
    text="Your message could not be delivered.\n",
    date="Thu, 05 Nov 2026 10:00:00 +0000",
    message_id="<report-1@mx.example.org>",
    boundary="=_report-1",
    recipients=(
        RecipientStatus(
            final_recipient="bob@example.com",
            action="failed",
            status="5.1.1",
            diagnostic="550 5.1.1 no such user",
            remote_mta="mx.example.com",
            original_recipient="rfc822;Bob@example.com",
            last_attempt_at=1793872800.0,
        ),
        RecipientStatus(final_recipient="eve@example.com", action="delayed", status="4.4.1"),
    ),
    original_header=b"Subject: hi\r\nFrom: ann@example.org\r\n\r\nsecret body",
    arrived_at=1793869200.0,
    envelope_id="QQ314159",
    in_reply_to="<1@x>",
)


def test_a_report_has_its_three_parts() -> None:
    octets = delivery_report(REPORT)
    parsed = email.message_from_bytes(octets)
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in parsed.get_payload()] == [  # type: ignore[union-attr]
        "text/plain", "message/delivery-status", "text/rfc822-headers",
    ]  # fmt: skip
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert parsed["In-Reply-To"] == parsed["References"] == "<1@x>"
    assert not parsed.defects
    assert octets.isascii() and octets.count(b"\n") == octets.count(b"\r\n") == octets.count(b"\r")
    assert b"secret body" not in octets


def test_the_status_blocks_are_those_of_rfc_3464() -> None:
    parsed = email.message_from_bytes(delivery_report(REPORT))
    whole, bob, eve = parsed.get_payload(1).get_payload()  # type: ignore[union-attr]
    assert dict(whole) == {
        "Original-Envelope-Id": "QQ314159",
        "Reporting-MTA": "dns; mx.example.org",
        "Arrival-Date": "Thu, 05 Nov 2026 09:00:00 +0000",
    }
    assert dict(bob) == {
        "Original-Recipient": "rfc822;Bob@example.com",
        "Final-Recipient": "rfc822; bob@example.com",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.com",
        "Diagnostic-Code": "smtp; 550 5.1.1 no such user",
        "Last-Attempt-Date": "Thu, 05 Nov 2026 10:00:00 +0000",
    }
    assert dict(eve) == {"Final-Recipient": "rfc822; eve@example.com", "Action": "delayed", "Status": "4.4.1"}


def test_the_text_may_be_in_any_language() -> None:
    octets = delivery_report(replace(REPORT, text="Ihre Nachricht über Köln\n", subject="Unzustellbar: Grüße"))
    assert octets.isascii()
    summary = summarise(octets)
    assert "über Köln" in summary.search_text and summary.subject == "Unzustellbar: Grüße"


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.text(max_size=40))
def test_nothing_the_peer_said_can_add_a_field_or_a_part(text: str) -> None:
    hostile = text + "\r\nX-Evil: 1\r\n\r\n--=_report-1\r\n\n\u2028X-Evil: 2\x85X-Evil: 3"
    status = replace(REPORT.recipients[0], diagnostic=hostile, remote_mta=hostile, final_recipient=hostile)
    report = replace(REPORT, recipients=(status,), subject=hostile, envelope_id=hostile, in_reply_to=hostile)
    octets = delivery_report(report)
    assert b"\nX-Evil" not in octets
    assert len(summarise(octets).parts) == 4


def test_an_8_bit_original_header_is_returned_in_7_bits() -> None:
    octets = delivery_report(replace(REPORT, original_header="Subject: Grüße\r\nX: \0\r\n\r\n".encode()))
    assert b"Subject: Gr????e" in octets


def test_an_internationalised_recipient_has_its_own_type() -> None:
    status = RecipientStatus(final_recipient="jörg@example.com", action="failed", status="5.1.1")
    assert b"Final-Recipient: utf-8; j\\x{F6}rg@example.com" in delivery_report(replace(REPORT, recipients=(status,)))


DATE, ID = "Thu, 05 Nov 2026 10:00:00 +0000", "<new@x>"


@pytest.mark.parametrize(
    ("header", "added"),
    [
        (b"Subject: x\r\n\r\n", b"Date: Thu, 05 Nov 2026 10:00:00 +0000\r\nMessage-ID: <new@x>\r\n"),
        (b"DATE: y\r\n\r\n", b"Message-ID: <new@x>\r\n"),
        (b"Subject: x\r\nmessage-id : <1@x>\r\nDate: y\r\n\r\n", b""),
        (b"Subject: x\r\n Date: folded\r\nMessage-Id: <1@x>\r\n\r\n", b"Date: Thu, 05 Nov 2026 10:00:00 +0000\r\n"),
        (b"\r\nDate: in the body\r\n", b"Date: Thu, 05 Nov 2026 10:00:00 +0000\r\nMessage-ID: <new@x>\r\n"),
    ],
)
def test_only_what_is_missing_is_added(header: bytes, added: bytes) -> None:
    assert add_missing(header, date=DATE, message_id=ID) == added


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (b"To: a\r\nBcc: b,\r\n\tc,\r\n d\r\nSubject: x\r\n\r\n", b"To: a\r\nSubject: x\r\n\r\n"),
        (b"bcc : b\r\nBCC:\r\nResent-Bcc: c\r\nTo: a\r\n\r\n", b"To: a\r\n\r\n"),
        (b"To: a\r\nX-Bcc: b\r\n Bcc: folded\r\n\r\n", b"To: a\r\nX-Bcc: b\r\n Bcc: folded\r\n\r\n"),
        (b"Bcc: b\r\n\r\nBcc: in the body\r\n", b"\r\nBcc: in the body\r\n"),
        (b"To: a\nBcc: b\n c\nX: y\n\n", b"To: a\nX: y\n\n"),
        (b"Bcc: b", b""),
        (b"", b""),
    ],
)
def test_bcc_goes_and_every_other_octet_stays(header: bytes, kept: bytes) -> None:
    assert without_bcc(header) == kept


def test_bcc_is_found_behind_any_number_of_fields() -> None:
    header = b"X: y\r\n" * 5000
    assert without_bcc(header + b"Bcc: b\r\n\r\n") == header + b"\r\n"


def test_a_note_is_a_plain_message_that_nothing_answers() -> None:
    written = note(
        Note(
            sender_address="postmaster@mx.example",
            to="ops@provider.example",
            subject="down\r\nBcc: all@x.example",
            text="It is down.\nLook.",
            date="Thu, 01 Jan 2026 00:00:00 +0000",
            message_id="<alert.1.0@mx.example>",
        )
    )
    assert written == (
        b"From: xtramail <postmaster@mx.example>\r\n"
        b"To: ops@provider.example\r\n"
        b"Subject: down  Bcc: all@x.example\r\n"
        b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
        b"Message-ID: <alert.1.0@mx.example>\r\n"
        b"Auto-Submitted: auto-generated\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=us-ascii\r\n"
        b"\r\n"
        b"It is down.\r\nLook.\r\n"
    )


def test_nothing_that_others_said_makes_a_line_that_hosts_refuse() -> None:
    long = "x" * 5000
    status = replace(
        REPORT.recipients[0],
        original_recipient=f"utf-8;{long}\u00e4{long}",
        status=long,
        remote_mta=long,
        diagnostic=long,
    )
    report = replace(
        REPORT,
        subject=long,
        envelope_id=long,
        in_reply_to=f"<{long}@x>",
        recipients=(status,),
        original_header=long.encode(),
    )
    octets = delivery_report(report)
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert b"In-Reply-To" not in octets
