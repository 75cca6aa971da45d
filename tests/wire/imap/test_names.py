from __future__ import annotations

import pytest

from xtramail.wire.imap.faults import Declined
from xtramail.wire.imap.names import mailbox_name, mailbox_pattern, new_mailbox_name


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        (b"inbox", "INBOX"),
        (b"InBoX/Work", "INBOX/Work"),
        (b"inboxes", "inboxes"),
        (b"a/inbox", "a/inbox"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"../../etc/passwd", "../../etc/passwd"),
    ],
)
def test_a_name_is_decoded_and_inbox_is_one(octets: bytes, name: str) -> None:
    assert mailbox_name(octets) == name


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"/",
        b"a/",
        b"/a",
        b"a//b",
        b"a\x1fb",
        b"&AAE-",
        b"&AIA-",
        b"x" * 1001,
        b"/".join([b"a"] * 21),
        b"\xff",
        b"&",
    ],
)
def test_a_malformed_name_is_declined(octets: bytes) -> None:
    with pytest.raises(Declined) as declined:
        mailbox_name(octets)
    assert declined.value.code == b"CANNOT"


def test_a_trailing_separator_of_a_new_name_is_dropped() -> None:
    assert new_mailbox_name(b"Lists/") == "Lists"
    with pytest.raises(Declined):
        new_mailbox_name(b"/")


def test_patterns_keep_wildcards_and_are_bounded() -> None:
    assert mailbox_pattern(b"Entw&APw-*/%") == "Entwü*/%"
    with pytest.raises(Declined):
        mailbox_pattern(b"*" * 1025)
