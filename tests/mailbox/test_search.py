"""SEARCH: every key of RFC 3501 §6.4.4 over stored messages, in slices."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests import corpus
from tests.imap_world import MAIL, World
from xtramail.mailbox.facts import Facts
from xtramail.mailbox.rows import read_rows
from xtramail.mailbox.search import SearchRun
from xtramail.mailbox.view import Access, View
from xtramail.model.bucket import Bucket
from xtramail.model.collation import searchfold
from xtramail.model.flags import Flag
from xtramail.store.engine import Octets, Peek, PeekFunction
from xtramail.store.memory_engine import MemoryEngine
from xtramail.wire.imap.search_keys import BodyContains, HeaderContains, Not, Or, SearchKey, TextContains

T = TypeVar("T")

HTML = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <juergen@example.net>\r\n"
    b"To: ann@example.org\r\nCc: team@example.org\r\nBcc: secret@example.org\r\n"
    b"Subject: =?utf-8?b?w4RuZGVydW5n?=\r\n"
    b"Date: Sat, 3 Jan 2026 00:30:00 +0500\r\n"
    b"X-Odd: yes\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"PHA+R3LDvMOfZSBhdXMgPGI+S8O2bG48L2I+PC9wPg==\r\n"
    b"--b--\r\n"
)
DAY = 86_400
NEW_YEAR = 1_767_225_600


def world() -> World:
    """1: plain, seen, 5 days old; 2: HTML, flagged with a keyword; 3: plain and deleted; 4: answered draft, large."""
    made = World()
    made.deliver(flags=Flag.SEEN, received_at=NEW_YEAR - 5 * DAY)
    made.deliver(HTML, flags=Flag.FLAGGED, keywords=("$Label1",), received_at=NEW_YEAR + DAY)
    made.deliver(flags=Flag.DELETED, received_at=NEW_YEAR)
    made.deliver(MAIL + b"x" * 5000, flags=Flag.ANSWERED | Flag.DRAFT, received_at=NEW_YEAR)
    return made


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("ALL", "1 2 3 4"),
        ("SEEN", "1"),
        ("UNSEEN", "2 3 4"),
        ("FLAGGED", "2"),
        ("UNFLAGGED DELETED", "3"),
        ("ANSWERED DRAFT", "4"),
        ("UNANSWERED UNDRAFT UNDELETED", "1 2"),
        ("KEYWORD $label1", "2"),
        ("UNKEYWORD $Label1", "1 3 4"),
        ("KEYWORD nothing", ""),
        ("NEW", "2 3 4"),
        ("OLD", ""),
        ("RECENT SEEN", "1"),
        ("FROM jürgen", "2"),
        ("FROM example.net", "1 2 3 4"),
        ("TO ann CC team", "2"),
        ("BCC secret", "2"),
        ("SUBJECT änderung", "2"),
        ("SUBJECT LUNCH", "1 3 4"),
        ('HEADER X-Odd ""', "2"),
        ("HEADER X-Odd no", ""),
        ("HEADER Message-ID lunch@example.net", "1 3 4"),
        ("BODY noon", "1 3 4"),
        ("BODY grüsse", "2"),
        ("BODY KÖLN", "2"),
        ("BODY lunch", ""),
        ("TEXT lunch", "1 3 4"),
        ("TEXT noon SUBJECT lunch", "1 3 4"),
        ("NOT TEXT noon", "2"),
        ("OR SEEN FLAGGED", "1 2"),
        ("OR (SEEN BODY noon) (FLAGGED BODY köln)", "1 2"),
        ("NOT OR SEEN NOT FLAGGED", "2"),
        ("LARGER 5000", "4"),
        ("SMALLER 300", "1 3"),
        ("BEFORE 1-Jan-2026", "1"),
        ("ON 1-Jan-2026", "3 4"),
        ("SINCE 1-Jan-2026", "2 3 4"),
        ("SENTBEFORE 2-Jan-2026", "1 3 4"),
        ("SENTON 3-Jan-2026", "2"),
        ("SENTON 2-Jan-2026", ""),
        ("SENTSINCE 3-Jan-2026", "2"),
        ("1,3:4", "1 3 4"),
        ("2:*", "2 3 4"),
        ("UID 2:3 UNDELETED", "2"),
        ("NOT 1", "2 3 4"),
        ("99", ""),
    ],
)
def test_keys(keys: str, expected: str) -> None:
    client = world().client()
    client.say("SELECT INBOX")
    octets = f"x SEARCH CHARSET UTF-8 {keys}\r\n".encode()
    client.send(with_literals(octets))
    answer = client.heard()
    assert answer.split("\r\n")[-3:] == [f"* SEARCH {expected}".rstrip(), "x OK Searched", ""], answer


def with_literals(octets: bytes) -> bytes:
    """Words that are not ASCII as literals, the only form that may carry them."""
    return re.sub(rb"[^\s()]*[\x80-\xff][^\s()]*", lambda word: b"{%d+}\r\n%b" % (len(word[0]), word[0]), octets)


def test_uid_search_answers_uids() -> None:
    made = world()
    client = made.client()
    client.say("SELECT INBOX")
    client.say("EXPUNGE")
    assert client.say("SEARCH ANSWERED").startswith("* SEARCH 3\r\n")
    assert client.say("UID SEARCH ANSWERED").startswith("* SEARCH 4\r\n")


def test_a_search_gives_others_their_turn_and_its_commands_keep_their_order() -> None:
    made = world()
    client = made.client()
    client.say("SELECT INBOX")
    ticks = iter(range(10_000))
    made.clock.monotonic = lambda: next(ticks) * 0.02  # type: ignore[method-assign]
    client.send(b"a SEARCH TEXT noon\r\nb NOOP\r\n")
    assert client.transport.value() == b""
    for _ in range(50):
        made.reactor.advance(0)
    assert client.heard() == "* SEARCH 1 3 4\r\na OK Searched\r\nb OK Done\r\n"


def test_the_client_hears_limit_when_its_search_takes_too_long() -> None:
    made = world()
    client = made.client()
    client.say("SELECT INBOX")
    ticks = iter(range(10_000))
    made.clock.monotonic = lambda: next(ticks) * 20.0  # type: ignore[method-assign]
    client.send(b"a SEARCH TEXT noon\r\n")
    for _ in range(50):
        made.reactor.advance(0)
    assert client.heard().startswith("a NO [LIMIT]")


WORDS = ("", "re", "Jürgen", "example.org", "GRÜSSE", "müller", "invoice", "(", "utf-8", "e@", " the ", "2026", "\n")


def test_headers_and_texts_laid_down_for_searching_fit_as_the_messages_themselves_do() -> None:
    made = World()
    huge = b"From: Re: huge\r\nX-Long: " + b"the 2026 \r\n " * 6_000 + b"\r\n\r\nThe invoice\r\n"
    odd = b"SUBJECT : the\r\nTo: a@example.org\r\nSubject:\r\nTO:\r\n e@b\r\nTopic: invoice\r\n\r\n"
    for message in (MAIL, HTML, huge, odd, b"\r\nre", *corpus.messages(25, 3)):
        made.deliver(message)
    session = made.session()
    view = session.select("INBOX", Access.READ_ONLY)
    rows = read_rows(made.engine, session.account.id, view.mailbox_id, view.places(view.uids))
    facts = {uid: Facts(made.engine, row) for uid, row in rows.items()}
    fits = 0
    for word in WORDS:
        folded = searchfold(word)
        expected: dict[SearchKey, Callable[[Facts], bool]] = {
            BodyContains(word): lambda one, folded=folded: folded in one.body,
            TextContains(word): lambda one, folded=folded: one.anywhere(folded),
        }
        for name in ("subject", "from", "to", "cc", "topic", "received", "x-mailer", "x-long"):
            expected[HeaderContains(name, word)] = lambda one, name=name, folded=folded: one.in_field(name, folded)
        for key, says in expected.items():
            found = searched(made, view, key)
            if word != "\n" or isinstance(key, HeaderContains):
                assert found == [uid for uid, one in facts.items() if says(one)], key
            fits += len(found)
    assert fits > 400


class WorkingEngine(MemoryEngine):
    """Its reading takes as long as it may: two milliseconds for a megabyte, two microseconds for a row."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def peek(self, scope: bytes, function: PeekFunction[T]) -> T:
        def counted(peek: Peek) -> T:
            return function(_Working(self, peek))

        return super().peek(scope, counted)


class _Working:
    def __init__(self, engine: WorkingEngine, peek: Peek) -> None:
        self._engine = engine
        self._peek = peek

    def get(self, bucket: Bucket, key: bytes) -> Octets | None:
        found = self._peek.get(bucket, key)
        self._engine.seconds += 2e-6 + 2e-9 * len(found or b"")
        return found


@pytest.mark.parametrize("key", [TextContains("zebra"), Or(BodyContains("zebra"), Not(TextContains("word")))])
def test_no_slice_of_a_search_through_the_largest_texts_takes_twenty_milliseconds(key: SearchKey) -> None:
    engine = WorkingEngine()
    made = World(engine=engine)
    for _ in range(100):
        made.deliver(b"Subject: s\r\n\r\n" + b"word word\r\n" * 25_000)
    made.clock.monotonic = lambda: engine.seconds  # type: ignore[method-assign]
    view = made.session().select("INBOX", Access.READ_ONLY)
    began, longest = engine.seconds, 0.0
    for _ in SearchRun(made.services, view, key).steps():
        longest, began = max(longest, engine.seconds - began), engine.seconds
    assert engine.seconds > 0.05
    assert 0.015 <= longest < 0.020


def test_a_search_for_hundreds_of_texts_is_refused() -> None:
    made = world()
    client = made.client()
    client.say("SELECT INBOX")
    assert client.say("SEARCH " + " ".join(["TEXT a"] * 256)).endswith("T OK Searched\r\n")
    assert client.say("SEARCH " + " ".join(["TEXT a"] * 257)).startswith("T NO [LIMIT] A search looks for at most 256")


def searched(made: World, view: View, key: SearchKey) -> list[int]:
    run = SearchRun(made.services, view, key)
    for _ in run.steps():
        pass
    return run.found


def test_names_of_attachments_and_text_in_any_script_are_found() -> None:
    made = World()
    made.deliver(
        b"From: a@example.net\r\nSubject: =?koi8-r?b?8NLJ18XU?=\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + "会議は東京で".encode("iso-2022-jp") + b"\r\n"
        b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n"
        b" filename*=utf-8''U%CC%88bersicht%202026.PDF\r\n\r\nx\r\n--b--\r\n"
    )
    client = made.client()
    client.say("SELECT INBOX")
    for charset, key, word in (
        ("UTF-8", "BODY", "übersicht 2026.pdf"),
        ("UTF-8", "TEXT", "ÜBERSICHT"),
        ("ISO-8859-1", "BODY", "Übersicht"),
        ("ISO-2022-JP", "BODY", "東京"),
        ("KOI8-R", "SUBJECT", "ПРИВЕТ"),
        ("WINDOWS-1251", "TEXT", "привет"),
        ("UTF-16BE", "SUBJECT", "вет"),
    ):
        octets = word.encode(charset)
        client.send(b"x SEARCH CHARSET %b %b {%d+}\r\n%b\r\n" % (charset.encode(), key.encode(), len(octets), octets))
        assert client.heard().startswith("* SEARCH 1\r\n"), (charset, key, word)


def test_a_needle_is_never_found_half_in_the_header_and_half_in_the_text() -> None:
    made = World()
    made.deliver(b"Subject: one\r\n\r\ntwo\r\n")
    client = made.client()
    client.say("SELECT INBOX")
    for needle in (b"one\ntwo", b"one\r\ntwo"):
        client.send(b"x SEARCH TEXT {%d+}\r\n%b\r\n" % (len(needle), needle))
        assert client.heard().startswith("* SEARCH\r\n")


def test_a_search_of_headers_opens_no_body_and_one_by_date_no_text() -> None:
    made = world()
    engine, read = made.engine, made.engine.read_body
    opened: list[int] = []
    engine.read_body = lambda *where: opened.append(where[1]) or read(*where)  # type: ignore[method-assign, func-returns-value]
    client = made.client()
    client.say("SELECT INBOX")
    assert client.say("SEARCH SUBJECT lunch FROM bob").startswith("* SEARCH 1 3 4\r\n")
    assert client.say("SEARCH TEXT noon SINCE 1-Jan-2026").startswith("* SEARCH 3 4\r\n")
    assert client.say("SORT (FROM DATE SUBJECT) UTF-8 ALL").startswith("* SORT ")
    assert opened == []
