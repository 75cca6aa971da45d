"""The facts of a message that the rest of the server asks for."""

from __future__ import annotations

import email
import email.policy
import email.utils

import pytest

from tests import corpus
from xtramail.wire.mime import summarise


def summary_of(header: str):  # type: ignore[no-untyped-def]
    return summarise(header.replace("\n", "\r\n").encode() + b"\r\n\r\nbody\r\n")


def test_identifiers() -> None:
    found = summary_of("Message-ID: <1@x>\nIn-Reply-To: Ann's mail <0@x>\nReferences: <a@x>\n <b@x>\t<0@x>")
    assert found.message_id == "<1@x>"
    assert found.in_reply_to == ("<0@x>",)
    assert found.references == ("<a@x>", "<b@x>", "<0@x>")


@pytest.mark.parametrize(
    ("value", "message_id"),
    [("", ""), ("<>", ""), ("bare@x", "bare@x"), ("<1@x> trailing", "<1@x>"), ("<open@x", ""), ("<a b@x>", "<a b@x>")],
)
def test_odd_message_ids(value: str, message_id: str) -> None:
    assert summary_of(f"Message-ID: {value}").message_id == message_id


def test_authors_are_counted_and_listed_over_all_from_fields() -> None:
    found = summary_of('From: Ann <ann@x.org>, "o d" <"o d"@y.org>\nFrom: evil@z.org')
    assert found.from_count == 2
    assert found.from_addresses == ("ann@x.org", '"o d"@y.org', "evil@z.org")


def test_authors_in_a_group_are_listed_without_its_marks() -> None:
    assert summary_of("From: us: a@x, b@x;").from_addresses == ("a@x", "b@x")


def test_what_submission_asks_for() -> None:
    found = summary_of("Date: nonsense\nBcc: x@y")
    assert (found.has_date, found.sent_at, found.has_bcc, found.from_count) == (True, None, True, 0)
    found = summary_of("Date: Thu, 05 Nov 2026 10:00:00 +0000")
    assert (found.has_date, found.sent_at, found.has_bcc) == (True, 1793872800.0, False)
    assert not summary_of("Subject: x").has_date


def test_hops_and_fields_are_counted() -> None:
    found = summary_of("Received: a\nReceived: b\n\tc\nRECEIVED: d\nSubject: x")
    assert (found.received_count, found.field_count) == (3, 4)


def test_an_address_that_comments_take_apart_is_in_the_header_text_in_one_piece_too() -> None:
    message = b"From: <user (c)@ (d) x.org>\r\nTo: a @b, c@d\r\nX-To: e @f\r\nSubject: g @h\r\n\r\n"
    lines = summarise(message).header_text.split("\n")
    assert lines[:4] == ["From: <user (c)@ (d) x.org>", "To: a @b, c@d", "X-To: e @f", "Subject: g @h"]
    assert lines[4:] == ["From: user@x.org", "To: a@b", "To: c@d"]


def test_header_text_is_decoded_and_unfolded() -> None:
    found = summary_of("Subject: =?utf-8?q?caf=C3=A9?=\n =?utf-8?q?_au_lait?=\nX-Raw: Grüße\nTo: a@x,\n\tb@x")
    assert found.header_text == "Subject: café au lait\nX-Raw: Grüße\nTo: a@x,\tb@x"
    assert found.subject == "café au lait"


def test_a_latin_1_header_line_does_not_spoil_the_others() -> None:
    message = "X-One: é".encode("latin-1") + b"\r\n" + "X-Two: é\r\n\r\n".encode()
    assert summarise(message).header_text == "X-One: é\nX-Two: é"


def test_facts_of_real_messages_are_those_of_the_standard_library() -> None:
    for message in corpus.messages(60, seed=12):
        found = summarise(message)
        parsed = email.message_from_bytes(message, policy=email.policy.default)
        assert found.size == len(message)
        assert found.subject.strip() == str(parsed["subject"]).strip()
        assert found.message_id == parsed["message-id"]
        assert found.sent_at == email.utils.parsedate_to_datetime(parsed["date"]).timestamp()
        assert found.from_addresses == tuple(a.addr_spec for a in parsed["from"].addresses)
        assert found.filenames == tuple(p.get_filename() for p in parsed.walk() if p.get_filename())
        assert found.references == tuple((parsed["references"] or "").split())
        assert found.received_count == len(parsed.get_all("received"))
        assert found.field_count == len(parsed.keys())
        assert not found.opaque
