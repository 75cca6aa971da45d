"""THREAD (RFC 5256 §3): both algorithms, on good mail, broken mail and mail that lies."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imap_world import World
from xtramail.mailbox.thread_tree import Letter, Node
from xtramail.mailbox.threading_run import normal_id, thread_text
from xtramail.mailbox.threads import threads_of
from xtramail.wire.imap.config import BASE_CAPABILITIES
from xtramail.wire.imap.sort_commands import ThreadAlgorithm

THREADS = ("THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES")


def run(steps: Generator[None, None, list[Node]]) -> list[Node]:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            roots: list[Node] = end.value
            return roots


def threads(letters: Sequence[Letter], algorithm: ThreadAlgorithm = ThreadAlgorithm.REFERENCES) -> str:
    return b"".join(thread_text(run(threads_of(letters, algorithm)), None)).decode()


def letters(*rows: tuple[str, str] | tuple[str, str, str]) -> list[Letter]:
    """(Message-ID, references apart, subject "Re: x" or "x"), sent in this order."""
    made = []
    for number, (own, references, *rest) in enumerate(rows, 1):
        subject = rest[0] if rest else own
        made.append(
            Letter(
                uid=number,
                order=number,
                sent_at=number,
                subject=subject.removeprefix("Re: "),
                answers=subject.startswith("Re: "),
                message_id=own,
                references=tuple(references.split()),
            )
        )
    return made


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], ""),
        ([("a", ""), ("b", "")], "(1)(2)"),
        ([("a", ""), ("b", "a"), ("c", "a b")], "(1 2 3)"),
        ([("a", ""), ("b", "a"), ("c", "a")], "(1 (2)(3))"),
        ([("a", ""), ("b", "a"), ("c", "a b"), ("d", "a"), ("e", "a d"), ("f", "a d e")], "(1 (2 3)(4 5 6))"),
        # The answer is older than the question.
        ([("b", "a"), ("a", "")], "(2 1)"),
        # What they answer is not there.
        ([("b", "a"), ("c", "a")], "((1)(2))"),
        ([("b", "a")], "(1)"),
        ([("c", "a b"), ("e", "a d")], "((1)(2))"),
        ([("x", ""), ("c", "x a b"), ("e", "x a d")], "(1 (2)(3))"),
    ],
)
def test_references_link_messages(rows: list[tuple[str, str]], expected: str) -> None:
    assert threads(letters(*rows)) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # A loop, a message that answers itself, and one that is its own grandparent.
        ([("a", "b"), ("b", "a")], "(2 1)"),
        ([("a", "a"), ("b", "a b")], "(1 2)"),
        ([("a", "c b"), ("b", "a c"), ("c", "b a")], "(3 2 1)"),
        # The same id twice: the second has none, so only the first has answers.
        ([("a", ""), ("a", "", "other"), ("b", "a")], "(1 3)(2)"),
        # A trimmed References of another message is corrected by the message itself.
        ([("c", "a b x"), ("x", "a b")], "(2 1)"),
        ([("d", "a c"), ("c", "a b")], "(2 1)"),
    ],
)
def test_broken_references_make_no_loops(rows: list[tuple[str, str]], expected: str) -> None:
    assert threads(letters(*rows)) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # A reply without references goes below the message of its subject.
        ([("a", "", "plans"), ("b", "", "Re: plans")], "(1 2)"),
        ([("b", "", "Re: plans"), ("a", "", "plans")], "(2 1)"),
        # Two of a kind become siblings.
        ([("a", "", "plans"), ("b", "", "plans")], "((1)(2))"),
        ([("a", "", "Re: plans"), ("b", "", "Re: plans")], "((1)(2))"),
        ([("a", "", "plans"), ("b", "", "plans"), ("c", "", "Re: plans")], "((1)(2)(3))"),
        # A dummy speaks by its first child, and takes the others of that subject.
        ([("b", "x", "plans"), ("c", "x", "plans"), ("d", "", "plans")], "((1)(2)(3))"),
        ([("b", "x", "p"), ("c", "x", "p"), ("d", "y", "p"), ("e", "y", "p")], "((1)(2)(3)(4))"),
        # No subject is no common subject.
        ([("a", "", ""), ("b", "", "")], "(1)(2)"),
        # Without an id of its own a message can still be gathered.
        ([("", "", "plans"), ("", "", "Re: plans")], "(1 2)"),
    ],
)
def test_what_shares_a_subject_is_gathered(rows: list[tuple[str, str, str]], expected: str) -> None:
    assert threads(letters(*rows)) == expected


def test_siblings_are_in_the_order_they_were_sent() -> None:
    sent = [50, 40, 30, 20, 10]
    rows = letters(("a", ""), ("b", "a"), ("c", "a"), ("d", "b"), ("e", "b"))
    made = [
        Letter(
            uid=one.uid,
            order=one.order,
            sent_at=when,
            subject=one.subject,
            message_id=one.message_id,
            references=one.references,
        )
        for one, when in zip(rows, sent, strict=True)
    ]
    assert threads(made) == "(1 (3)(2 (5)(4)))"


def test_ordered_subject_has_one_level() -> None:
    rows = letters(("a", "", "p"), ("b", "", "q"), ("c", "", "Re: p"), ("d", "", "Re: q"), ("e", "", "p"))
    assert threads(rows, ThreadAlgorithm.ORDEREDSUBJECT) == "(1 (3)(5))(2 4)"


def test_a_very_deep_thread_needs_no_deep_stack() -> None:
    rows = letters(*((str(number), str(number - 1)) for number in range(1, 5000)))
    assert threads(rows).count(" ") == 4998


names = st.sampled_from("abcdefgh")


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.one_of(names, st.just("")), st.lists(names, max_size=6), st.sampled_from(
    ["", "p", "Re: p", "q", "Re: q"]
)), max_size=12))  # fmt: skip
def test_every_message_is_in_one_thread(rows: list[tuple[str, list[str], str]]) -> None:
    made = letters(*((own, " ".join(references), subject) for own, references, subject in rows))
    for algorithm in ThreadAlgorithm:
        text = threads(made, algorithm)
        numbers = text.replace("(", " ").replace(")", " ").split()
        assert sorted(map(int, numbers)) == list(range(1, len(rows) + 1))
        assert text.count("(") == text.count(")") and "()" not in text
        assert "( " not in text and " )" not in text


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"<a@b>", "a@b"),
        (b'<"01KF8JCEOCBS0045PS"@xxx.yyy.com>', "01KF8JCEOCBS0045PS@xxx.yyy.com"),
        (b'<"a\\"b"@c>', 'a"b@c'),
        (b" < a@b > ", "a@b"),
        (b"bare", "bare"),
        (b"", ""),
        (b'<"@b>', '"@b'),
    ],
)
def test_quotes_make_no_other_id(octets: bytes, expected: str) -> None:
    assert normal_id(octets) == expected


def mail(own: str, references: str = "", in_reply_to: str = "", subject: str = "x") -> bytes:
    fields = [("Message-ID", own), ("References", references), ("In-Reply-To", in_reply_to), ("Subject", subject)]
    return "".join(f"{name}: {value}\r\n" for name, value in fields if value).encode() + b"\r\ntext\r\n"


def test_threads_over_the_wire() -> None:
    made = World(capabilities=(*BASE_CAPABILITIES, *THREADS))
    for number, message in enumerate(
        [
            mail("<1@x>", subject="one"),
            mail("<gone@x>", subject="gone"),
            mail("<2@x>", "<1@x>", subject="two"),
            mail("<3@x>", "<1@x>\r\n\t<2@x>", subject="three"),
            mail("<4@x>", in_reply_to="your mail of Monday <1@x> and <2@x>", subject="four"),
            mail("<5@x>", "no ids here", subject="RE: =?utf-8?q?=C3=89t=C3=A9?="),
            mail("<6@x>", subject="été"),
        ]
    ):
        made.deliver(message, received_at=1_000_000 + number)
    client = made.client()
    client.say("SELECT INBOX")
    client.say("STORE 2 +FLAGS (\\Deleted)")
    client.say("EXPUNGE")
    assert client.say("THREAD REFERENCES UTF-8 ALL") == "* THREAD (1 (2 3)(4))(6 5)\r\nT OK Threaded\r\n"
    assert client.say("UID THREAD REFERENCES UTF-8 ALL") == "* THREAD (1 (3 4)(5))(7 6)\r\nT OK Threaded\r\n"
    assert client.say("THREAD ORDEREDSUBJECT US-ASCII 5:6").startswith("* THREAD (5 6)\r\n")
    assert client.say("THREAD REFERENCES UTF-8 FROM nobody") == "* THREAD\r\nT OK Threaded\r\n"
    assert client.say("THREAD COLOUR UTF-8 ALL").startswith("T BAD")
    assert client.say("THREAD REFERENCES X ALL").startswith("T NO [BADCHARSET")
    assert client.say("THREAD REFERENCES UTF-8").startswith("T BAD")
