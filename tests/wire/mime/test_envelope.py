"""ENVELOPE: raw strings, defaults and groups as RFC 9051 §7.5.2 wants them."""

from __future__ import annotations

import email.utils

from tests import corpus
from tests.wire.mime.imap_reader import check_envelope, read_imap
from xtramail.wire.mime import limits, summarise
from xtramail.wire.mime.envelope import AddressRoom, render_envelope


def envelope(header: str) -> bytes:
    return summarise(header.replace("\n", "\r\n").encode() + b"\r\n\r\n").envelope


def test_a_whole_envelope() -> None:
    # RFC 9051 §8
    assert envelope(
        "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\nFrom: Terry Gray <gray@cac.washington.edu>\n"
        "Subject: IMAP4rev2 WG mtg summary and minutes\nTo: imap@cac.washington.edu\n"
        "cc: minutes@CNRI.Reston.VA.US,\n   John Klensin <KLENSIN@MIT.EDU>\n"
        "Message-Id: <B27397-0100000@cac.washington.ed>"
    ) == (
        b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) '
        b'((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL '
        b'"<B27397-0100000@cac.washington.ed>")'
    )


def test_nothing_at_all_is_ten_times_nil() -> None:
    assert envelope("X: y") == b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def test_sender_and_reply_to_stand_for_themselves_when_given() -> None:
    value = read_imap(envelope("From: a@x\nSender: b@x\nReply-To: c@x"))
    assert isinstance(value, list)
    assert [value[n] for n in (2, 3, 4)] == [[[None, None, local, b"x"]] for local in (b"a", b"b", b"c")]


def test_an_empty_sender_or_reply_to_is_from() -> None:
    value = read_imap(envelope("From: a@x\nSender:\nReply-To: ,"))
    assert isinstance(value, list) and value[2] == value[3] == value[4]


def test_an_empty_subject_is_an_empty_string_and_empty_addresses_are_nil() -> None:
    value = read_imap(envelope("Subject:\nTo:\nIn-Reply-To:"))
    assert isinstance(value, list) and (value[1], value[5], value[8]) == (b"", None, b"")


def test_encoded_words_stay_and_raw_utf_8_is_a_literal() -> None:
    assert b'"=?utf-8?q?=C3=A9?="' in envelope("Subject: =?utf-8?q?=C3=A9?=")
    assert b"{2}\r\n\xc3\xa9" in envelope("Subject: é")


def test_a_group_has_its_two_marks() -> None:
    assert b'((NIL NIL "friends" NIL)(NIL NIL "a" "x")(NIL NIL NIL NIL))' in envelope("To: friends: a@x;")


def test_repeated_recipient_fields_are_one_list() -> None:
    assert b'((NIL NIL "a" "x")(NIL NIL "b" "x"))' in envelope("To: a@x\nTo: b@x")


def test_the_room_for_addresses_is_shared() -> None:
    room = AddressRoom(left=3)
    rendered = render_envelope({b"from": [b"a@x, b@x"], b"to": [b"c@x, d@x"], b"cc": [b"e@x"]}, room)
    assert rendered.count(b'"x"') == 2 * 3 + 1
    check_envelope(read_imap(rendered))
    assert room.left == 0


def test_a_thousand_recipients_are_all_there() -> None:
    to = ", ".join(f"Person {n} <person{n}@example.org>" for n in range(limits.ADDRESSES - 1))
    assert envelope(f"From: a@x\nTo: {to}").count(b"example.org") == limits.ADDRESSES - 1


def test_envelopes_of_real_messages_say_what_the_standard_library_says() -> None:
    for message in corpus.messages(40, seed=8):
        parsed = email.message_from_bytes(message)
        value = read_imap(summarise(message).envelope)
        check_envelope(value)
        assert isinstance(value, list)
        for index, name in ((0, "date"), (1, "subject"), (8, "in-reply-to"), (9, "message-id")):
            expected = parsed[name]
            assert value[index] == (None if expected is None else expected.replace("\r\n", "").strip().encode())
        for index, name in ((2, "from"), (5, "to"), (6, "cc")):
            listed = email.utils.getaddresses([v.replace("\r\n", "") for v in parsed.get_all(name, [])])
            ours = [((a[0] or b"").decode(), b"%b@%b" % (a[2], a[3])) for a in value[index] or []]  # type: ignore[index,union-attr]
            assert ours == [(n, a.encode()) for n, a in listed]
