"""SORT (RFC 5256 §3): each criterion, REVERSE, ties, and what has no such field."""

from __future__ import annotations

import pytest

from tests.imap_world import World
from xtramail.wire.imap.config import BASE_CAPABILITIES

NEW_YEAR = 1_767_225_600
ROWS = [
    # from, to, cc, subject, date, size, received
    ("bob@b.example", "zoe@x.example", "", "Re: plans", "Thu, 1 Jan 2026 10:00:00 +0000", 10, 50),
    ("Carol <carol@a.example>", "ann@x.example", "tim@x.example", "plans", "Thu, 1 Jan 2026 09:00:00 -0500", 30, 40),
    ('"Q" <"a\\"b"@c.example>', "ann@x.example", "", "[list] Apples", "Thu, 1 Jan 2026 11:00:00 +0200", 20, 30),
    ("", "", "", "", "", 5, 20),
    ("Bob@z.example", "me@x.example", "al@x.example", "Fwd: =?utf-8?q?=C3=A9tude?=", "nonsense", 10, 60),
]


def world() -> World:
    made = World(capabilities=(*BASE_CAPABILITIES, "SORT"))
    for sender, to, cc, subject, date, size, received in ROWS:
        named = [("From", sender), ("To", to), ("Cc", cc), ("Subject", subject), ("Date", date)]
        header = "".join(f"{name}: {value}\r\n" for name, value in named if value)
        text = f"{header}\r\n".encode()
        made.deliver(text + b"x" * (1000 + size - len(text)), received_at=NEW_YEAR + received)
    return made


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ("ARRIVAL", "4 3 2 1 5"),
        ("REVERSE ARRIVAL", "5 1 2 3 4"),
        ("SIZE", "4 1 5 3 2"),
        ("REVERSE SIZE", "2 3 1 5 4"),
        ("SIZE REVERSE ARRIVAL", "4 5 1 3 2"),
        ("FROM", "4 3 1 5 2"),
        ("REVERSE FROM", "2 1 5 3 4"),
        ("TO", "4 2 3 5 1"),
        ("CC", "1 3 4 5 2"),
        ("SUBJECT", "4 3 5 1 2"),
        ("SUBJECT REVERSE SIZE", "4 3 5 2 1"),
        # 4 and 5 have no date and sort by their arrival, just after midnight.
        ("DATE", "4 5 3 1 2"),
    ],
)
def test_criteria(criteria: str, expected: str) -> None:
    client = world().client()
    client.say("SELECT INBOX")
    assert client.say(f"SORT ({criteria}) UTF-8 ALL") == f"* SORT {expected}\r\nT OK Sorted\r\n"


def test_only_what_fits_is_sorted_and_uid_sort_answers_uids() -> None:
    client = world().client()
    client.say("SELECT INBOX")
    client.say("STORE 1 +FLAGS (\\Deleted)")
    client.say("EXPUNGE")
    assert client.say("UID SORT (SUBJECT) US-ASCII FROM b").startswith("* SORT 3 5\r\n")
    assert client.say("SORT (SUBJECT) US-ASCII FROM b").startswith("* SORT 2 4\r\n")
    assert client.say("SORT (SUBJECT) US-ASCII FROM nobody") == "* SORT\r\nT OK Sorted\r\n"


def test_mistakes_are_told() -> None:
    client = world().client()
    assert client.say("SORT (DATE) UTF-8 ALL").startswith("T BAD")
    client.say("SELECT INBOX")
    assert client.say("SORT (SIZE) KLINGON ALL").startswith("T NO [BADCHARSET (UTF-8 US-ASCII)]")
    for wrong in ("SORT () UTF-8 ALL", "SORT (REVERSE) UTF-8 ALL", "SORT (COLOUR) UTF-8 ALL", "SORT (SIZE) UTF-8"):
        assert client.say(wrong).startswith("T BAD"), wrong


def test_five_thousand_messages_are_sorted_in_turns_and_stably() -> None:
    made = world()
    client = made.client()
    client.say("SELECT INBOX")
    for _ in range(10):
        client.say("COPY 1:* INBOX")
    count = 5 * 2**10
    ticks = iter(range(1_000_000))
    made.clock.monotonic = lambda: next(ticks) * 0.001  # type: ignore[method-assign]
    client.send(b"a SORT (SIZE) UTF-8 ALL\r\n")
    assert client.transport.value() == b""
    while not (answer := client.heard()):
        pass
    numbers = [int(number) for number in answer.split("\r\n")[0].split()[2:]]
    sizes = [ROWS[(number - 1) % 5][5] for number in numbers]
    assert len(numbers) == count and sizes == sorted(sizes)
    assert all(one < other for one, other in zip(numbers, numbers[1:], strict=False) if
               ROWS[(one - 1) % 5][5] == ROWS[(other - 1) % 5][5])


def test_a_sort_that_takes_too_long_is_given_up() -> None:
    made = world()
    client = made.client()
    client.say("SELECT INBOX")
    ticks = iter(range(10_000))
    made.clock.monotonic = lambda: next(ticks) * 20.0  # type: ignore[method-assign]
    client.send(b"a SORT (SIZE) UTF-8 ALL\r\n")
    assert client.heard().startswith("a NO [LIMIT]")
