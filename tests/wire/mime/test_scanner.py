"""The scanner finds the parts that are there, however the octets arrive, and lets no content stop it."""

from __future__ import annotations

import email
import email.message
import time
import tracemalloc
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import corpus
from tests.wire.mime.imap_reader import check_body, check_envelope, read_imap
from xtramail.model.message import Part, Summary
from xtramail.wire.errors import MisuseError
from xtramail.wire.mime import Scanner, limits, summarise

CRLF = b"\r\n"


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("utf-8")


def bodies(message: bytes, summary: Summary) -> dict[tuple[int, ...], bytes]:
    return {part.path: message[part.body_at : part.body_at + part.body_length] for part in summary.parts}


def types(summary: Summary) -> list[tuple[tuple[int, ...], str]]:
    return [(part.path, part.content_type) for part in summary.parts]


def in_pieces(message: bytes, cuts: list[int]) -> Summary:
    scanner = Scanner()
    start = 0
    for cut in sorted({min(cut, len(message)) for cut in cuts}):
        scanner.feed(message[start:cut])
        start = cut
    scanner.feed(memoryview(message)[start:])
    return scanner.finish()


def check_imap(summary: Summary) -> None:
    check_envelope(read_imap(summary.envelope))
    check_body(read_imap(summary.bodystructure), extended=True)
    check_body(read_imap(summary.body), extended=False)


# Shapes


def test_a_plain_message_has_part_1_beside_itself() -> None:
    message = crlf("Subject: x\n\nhello\nworld\n")
    summary = summarise(message)
    assert types(summary) == [((), "text/plain"), ((1,), "text/plain")]
    assert summary.header_length == 14
    assert bodies(message, summary)[(1,)] == b"hello\r\nworld\r\n"


def test_the_line_end_before_a_delimiter_belongs_to_the_delimiter() -> None:
    message = crlf("Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\n\n--b\n\ntwo\n--b--\nafter\n")
    assert bodies(message, summarise(message)) == {
        (): b"pre\r\n--b\r\n\r\none\r\n\r\n--b\r\n\r\ntwo\r\n--b--\r\nafter\r\n",
        (1,): b"one\r\n",
        (2,): b"two",
    }


def test_empty_parts_have_empty_bodies() -> None:
    message = crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b\nContent-Type: image/png\n\n--b--\n")
    summary = summarise(message)
    assert types(summary)[1:] == [((1,), "text/plain"), ((2,), "image/png")]
    assert [part.body_length for part in summary.parts[1:]] == [0, 0]


def test_a_part_header_without_an_empty_line_ends_at_the_delimiter() -> None:
    message = crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\n--b\n\nx\n--b--\n")
    summary = summarise(message)
    assert types(summary)[1:] == [((1,), "image/png"), ((2,), "text/plain")]
    assert bodies(message, summary)[(2,)] == b"x"


def test_a_missing_closing_delimiter_ends_with_the_message() -> None:
    message = crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n")
    assert bodies(message, summarise(message))[(2,)] == b"two\r\n"


def test_an_outer_delimiter_closes_an_unclosed_inner_multipart() -> None:
    message = crlf(
        "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n"
        "--i\n\nin\n--o\n\nout\n--o--\n"
    )
    summary = summarise(message)
    assert types(summary) == [
        ((), "multipart/mixed"),
        ((1,), "multipart/alternative"),
        ((1, 1), "text/plain"),
        ((2,), "text/plain"),
    ]
    assert bodies(message, summary)[(1, 1)] == b"in"
    assert bodies(message, summary)[(2,)] == b"out"


def test_a_boundary_that_begins_with_the_outer_one_is_told_apart() -> None:
    message = crlf(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b1\n\n"
        "--b1\n\none\n--b1--\n--b\n\ntwo\n--b--\n"
    )
    assert types(summarise(message))[1:] == [((1,), "multipart/mixed"), ((1, 1), "text/plain"), ((2,), "text/plain")]


def test_padding_behind_a_delimiter_is_allowed() -> None:
    message = crlf("Content-Type: multipart/mixed; boundary=b\n\n--b \t\n\none\n--b-- \n")
    assert bodies(message, summarise(message))[(1,)] == b"one"


def test_a_line_that_only_begins_like_a_delimiter_is_text() -> None:
    message = crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--bc\n-- \n--\n--b--x\n--b--\n")
    assert bodies(message, summarise(message))[(1,)] == b"--bc\r\n-- \r\n--\r\n--b--x"


def test_a_multipart_without_boundary_is_plain_text() -> None:
    message = crlf("Content-Type: multipart/mixed\n\n--b\n\nhello\n--b--\n")
    summary = summarise(message)
    assert types(summary)[1] == ((1,), "text/plain")
    assert "hello" in summary.search_text


def test_a_multipart_whose_delimiter_never_comes_has_one_empty_part() -> None:
    message = crlf("Content-Type: multipart/mixed; boundary=b\n\nnothing\n")
    summary = summarise(message)
    assert types(summary) == [((), "multipart/mixed"), ((1,), "text/plain")]
    assert summary.parts[1].body_length == 0
    check_imap(summary)


def test_a_forwarded_message_numbers_its_parts_below_its_own() -> None:
    message = crlf(
        "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\nSubject: in\n\nbody\n--o\n"
        "Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=i\n\n"
        "--i\n\nx\n--i\n\ny\n--i--\n--o--\n"
    )
    summary = summarise(message)
    assert [path for path, _ in types(summary)] == [(), (1,), (1, 1), (2,), (2, 1), (2, 2)]
    first = summary.parts[1]
    assert message[first.body_at :][: first.inner_header_length] == b"Subject: in\r\n\r\n"
    assert bodies(message, summary)[(1, 1)] == b"body"
    assert bodies(message, summary)[(2, 2)] == b"y"


def test_parts_of_a_digest_are_messages_unless_they_say_otherwise() -> None:
    message = crlf(
        "Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: one\n\n1\n"
        "--d\nContent-Type: text/plain\n\n2\n--d--\n"
    )
    summary = summarise(message)
    assert types(summary)[1:] == [((1,), "message/rfc822"), ((1, 1), "text/plain"), ((2,), "text/plain")]
    assert bodies(message, summary)[(1, 1)] == b"1"


def test_apple_double_is_two_parts_in_one() -> None:
    message = crlf(
        "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/appledouble; boundary=i\n\n"
        "--i\nContent-Type: application/applefile; name=x\n\nAA\n"
        "--i\nContent-Type: image/jpeg; name=x.jpg\n\nBB\n--i--\n--o--\n"
    )
    summary = summarise(message)
    assert types(summary)[2:] == [((1, 1), "application/applefile"), ((1, 2), "image/jpeg")]
    assert summary.filenames == ("x", "x.jpg")


def test_bare_line_feeds_end_lines_too() -> None:
    message = b"Subject: a\n b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n"
    summary = summarise(message)
    assert bodies(message, summary)[(1,)] == b"one"
    assert summary.subject == "a b"


@pytest.mark.parametrize("message", [b"", b"\r\n", b"\n", b"x", b"Subject: x", b"Subject: x\r\n", b"\r\n\r\n"])
def test_next_to_nothing_is_a_message_too(message: bytes) -> None:
    summary = summarise(message)
    assert summary.size == len(message)
    assert summary.parts[0].body_at + summary.parts[0].body_length == len(message)
    check_imap(summary)


def test_lines_are_counted_with_a_last_one_that_has_no_end() -> None:
    message = crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\ntwo\n--b\n\none\n\n--b--\n")
    structure = read_imap(summarise(message).bodystructure)
    assert isinstance(structure, list)
    assert [part[7] for part in structure[:2]] == [2, 1]  # type: ignore[index]


def test_lines_of_a_forwarded_message_include_its_header_and_delimiters() -> None:
    inner = "Subject: in\nContent-Type: multipart/mixed; boundary=i\n\npre\n--i\n\nx\n--i--\nepilogue\n"
    head = "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\n"
    message = crlf(f"{head}{inner}\n--o--\n")
    structure = read_imap(summarise(message).bodystructure)
    assert isinstance(structure, list) and isinstance(structure[0], list)
    assert structure[0][9] == inner.count("\n")


# Pieces


@pytest.mark.parametrize("shape", [shape for shape, _ in corpus.SHAPES], ids=lambda shape: shape.__name__)
def test_octet_by_octet_equals_whole(shape: object) -> None:
    message = corpus.message(2500, seed=5, shape=shape)  # type: ignore[arg-type]
    assert in_pieces(message, list(range(len(message)))) == summarise(message)


MESSAGES = list(corpus.messages(60, seed=9))


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.sampled_from(MESSAGES), st.lists(st.integers(0, 30_000), max_size=12))
def test_any_cut_equals_whole(message: bytes, cuts: list[int]) -> None:
    assert in_pieces(message, cuts) == summarise(message)


PIECES = st.sampled_from(
    [
        b"--a", b"--b", b"--a--", b"--b--", b"\r\n", b"\n", b"\r", b" ", b"-", b"--", b"text", b"\r\n\r\n", b"x" * 1030,
        b"\r\n--a\r\n", b"\r\n--b--\r\n", b"\r\n\t", b"\xff\x00", b"Subject: s\r\n", b"From: (((a@b, \"\\\r\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n", b"Content-Type: multipart/digest; boundary=b\r\n\r\n",
        b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: text/html\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
    ]
)  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.lists(PIECES, max_size=40), st.lists(st.integers(0, 600), max_size=10))
def test_anything_gives_valid_imap_and_does_not_depend_on_cuts(pieces: list[bytes], cuts: list[int]) -> None:
    message = b"".join(pieces)
    whole = summarise(message)
    assert in_pieces(message, cuts) == whole
    check_imap(whole)
    for part in whole.parts:
        assert 0 <= part.mime_at <= part.mime_at + part.mime_length <= len(message)
        assert part.body_at + part.body_length <= len(message)
    whole.search_text.encode("utf-8")
    whole.header_text.encode("utf-8")


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.binary(max_size=300), st.sampled_from([b"From: ", b"Content-Type: ", b"Subject: ", b"To: ", b"Date: ", b""]))
def test_any_octets_in_a_header_give_valid_imap(octets: bytes, field: bytes) -> None:
    check_imap(summarise(field + octets + b"\r\n\r\nbody"))


# Against the standard library


def stdlib_tree(message: email.message.Message) -> list[object]:
    if message.get_content_type() == "message/rfc822":
        return ["message/rfc822", stdlib_tree(message.get_payload(0))]  # type: ignore[arg-type]
    if message.get_content_type() == "message/delivery-status":
        return ["message/delivery-status"]
    if message.is_multipart():
        return [message.get_content_type(), *(stdlib_tree(part) for part in message.get_payload())]  # type: ignore[arg-type]
    return [message.get_content_type(), message.get_payload(decode=False)]


def our_tree(message: bytes, summary: Summary) -> list[object]:
    by_path = {part.path: part for part in summary.parts}

    def children(path: tuple[int, ...]) -> list[Part]:
        found = []
        for number in count(1):
            part = by_path.get((*path, number))
            if part is None:
                return found
            found.append(part)
        raise AssertionError

    def inner(path: tuple[int, ...]) -> list[object]:
        # A message inside that is a multipart has no number of its own; its header says what it is.
        part = by_path[path]
        end = part.body_at + part.inner_header_length
        kind = email.message_from_bytes(message[part.body_at : end]).get_content_type()
        if kind.startswith("multipart/"):
            return [kind, *(tree(child) for child in children(path))]
        return tree(by_path[(*path, 1)])

    def tree(part: Part) -> list[object]:
        if part.content_type == "message/rfc822":
            return ["message/rfc822", inner(part.path)]
        if part.content_type.startswith("multipart/"):
            return [part.content_type, *(tree(child) for child in children(part.path))]
        if part.content_type == "message/delivery-status":
            # The library takes its fields apart as if they were messages.
            return [part.content_type]
        octets = message[part.body_at : part.body_at + part.body_length]
        return [part.content_type, octets.decode("ascii", "surrogateescape")]

    # A message that is no multipart is described by its part 1.
    return tree(by_path[()] if by_path[()].content_type.startswith("multipart/") else by_path[(1,)])


def comparable(tree: object) -> object:
    """Payloads of 8-bit text are told in a charset of the library's choosing: compare their ASCII."""
    if isinstance(tree, list):
        return [comparable(item) for item in tree]
    return tree.encode("ascii", "ignore") if isinstance(tree, str) else tree


@pytest.mark.parametrize("seed", range(1, 6))
def test_structure_and_octets_are_those_of_the_standard_library(seed: int) -> None:
    for message in corpus.messages(60, seed=seed):
        expected = stdlib_tree(email.message_from_bytes(message))
        assert comparable(our_tree(message, summarise(message))) == comparable(expected)


def write_tree(tree: object, depth: int = 0) -> bytes:
    if isinstance(tree, bytes):
        return b"Content-Type: text/plain\r\n\r\n" + tree
    assert isinstance(tree, tuple)
    kind, children = tree
    if kind == "forward":
        return b"Content-Type: message/rfc822\r\n\r\nSubject: inside\r\n" + write_tree(children[0], depth + 1)
    # One boundary begins with the other.
    boundary = b"=_" + b"x" * (depth + 1)
    parts = b"".join(b"--%b\r\n%b\r\n" % (boundary, write_tree(child, depth + 1)) for child in children)
    return b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\npreamble\r\n%b--%b--\r\nepilogue' % (
        boundary,
        parts,
        boundary,
    )


LEAVES = st.sampled_from(
    [b"", b"a", b"a\r\n", b"\r\nb", b"--\r\n-- x\r\n", b"--=_\r\n", b"From: a\r\n\r\nb", b"c\r\n\r\n"]
)
TREES = st.recursive(
    LEAVES,
    lambda below: st.one_of(
        st.tuples(st.just("mixed"), st.lists(below, min_size=1, max_size=3)),
        st.tuples(st.just("forward"), st.lists(below, min_size=1, max_size=1)),
    ),
    max_leaves=8,
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(TREES)
def test_any_tree_is_read_as_the_standard_library_reads_it(tree: object) -> None:
    message = b"Subject: tree\r\n" + write_tree(tree)
    summary = summarise(message)
    assert comparable(our_tree(message, summary)) == comparable(stdlib_tree(email.message_from_bytes(message)))
    check_imap(summary)


# Hostile mail


def test_a_long_run_of_false_delimiters_makes_it_opaque() -> None:
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + b"--\n" * (limits.DELIMITER_LOOKS + 5)
    summary = summarise(message)
    assert summary.opaque
    assert types(summary) == [((), "text/plain"), ((1,), "text/plain")]
    assert summary.parts[1].body_at + summary.parts[1].body_length == len(message) == summary.size
    check_imap(summary)


def test_one_part_too_many_makes_it_opaque() -> None:
    head = b"Subject: many\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    allowed = head + b"--b\r\n\r\nx\r\n" * (limits.PARTS - 1)
    assert not summarise(allowed).opaque
    summary = summarise(allowed + b"--b\r\n\r\nx\r\n")
    assert summary.opaque and summary.subject == "many"
    assert b"many" in summary.envelope
    check_imap(summary)


def nested(depth: int) -> bytes:
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))


def test_one_level_too_deep_makes_it_opaque() -> None:
    assert not summarise(nested(limits.DEPTH - 1) + b"\r\n").opaque
    assert summarise(nested(limits.DEPTH) + b"\r\n").opaque
    assert summarise(nested(100_000)).opaque


def test_forwards_of_forwards_are_bounded_too() -> None:
    summary = summarise(b"Content-Type: message/rfc822\r\n\r\n" * 10_000)
    assert summary.opaque
    check_imap(summary)


def test_when_its_time_is_over_nothing_more_is_looked_into() -> None:
    ticks = count()
    scanner = Scanner(clock=lambda: next(ticks) * limits.TIME_SECONDS / 2)
    scanner.feed(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n")
    part = b"--b\r\n\r\nx\r\n"
    for _ in range(50):
        scanner.feed(part)
    assert next(ticks) < 10, "octets that are only counted cost no look at the clock"
    assert scanner.size == 45 + 50 * len(part)
    assert scanner.finish().opaque


def test_limits_hit_the_same_whatever_the_pieces() -> None:
    message = nested(limits.DEPTH + 5) + b"\r\ntext"
    assert in_pieces(message, list(range(0, len(message), 7))) == summarise(message)


def test_time_is_only_counted_inside_and_ends_in_opaque() -> None:
    ticks = count(0.0, limits.TIME_SECONDS / 3)
    scanner = Scanner(clock=lambda: next(ticks))
    scanner.feed(b"Subject: slow\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n")
    for _ in range(5):
        scanner.feed(b"--b\r\n\r\nx\r\n")
    summary = scanner.finish()
    assert summary.opaque and summary.subject == "slow"


def test_the_top_header_is_read_even_when_time_is_over() -> None:
    ticks = count(0.0, 1.0)
    scanner = Scanner(clock=lambda: next(ticks))
    for piece in (b"Subject: late", b"\r\nFrom: a@b\r", b"\n\r\nbody"):
        scanner.feed(piece)
    summary = scanner.finish()
    assert summary.opaque and summary.header_length == 28 and summary.subject == "late"


def test_a_header_bomb_is_cut_but_measured() -> None:
    header = b"Subject: first\r\n" + b"X-Bomb: boom\r\n" * 50_000 + b"\r\n"
    summary = summarise(header + b"body")
    assert summary.header_length == len(header)
    assert summary.field_count == limits.FIELDS + 1
    assert len(summary.header_text) <= limits.HEADER_OCTETS
    assert not summary.opaque and summary.search_text == "body"


def test_one_endless_header_line_is_cut() -> None:
    summary = summarise(b"Subject: " + b"a" * 1_000_000 + b"\r\n\r\nbody")
    assert len(summary.subject) <= limits.HEADER_OCTETS
    assert len(summary.envelope) < 2 * limits.STRING_OCTETS
    assert summary.parts[1].body_length == 4


def test_a_large_message_needs_little_memory() -> None:
    line = b"VGhpcyBpcyBub3QgaW50ZXJlc3RpbmcgYXQgYWxsLCBub3QgdG8gYW55Ym9keSBhdCBhbGwu\r\n"
    block = line * 800
    scanner = Scanner()
    scanner.feed(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n")
    scanner.feed(b"--b\r\nContent-Type: text/plain\r\n\r\n")
    tracemalloc.start()
    for _ in range(400):
        scanner.feed(block)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    scanner.feed(b"\r\n--b--\r\n")
    summary = scanner.finish()
    assert summary.parts[2].body_length == 400 * len(block)
    assert peak < 2 * 1024 * 1024
    assert len(summary.search_text.encode()) <= limits.TEXT_OCTETS


def test_feeding_after_finish_is_misuse() -> None:
    scanner = Scanner()
    scanner.finish()
    with pytest.raises(MisuseError):
        scanner.feed(b"x")
    with pytest.raises(MisuseError):
        scanner.finish()


BIG = 250_000
HOSTILE = {
    "parentheses": b"From: " + b"(" * BIG,
    "closed comments": b"From: " + b"()" * (BIG // 2),
    "comment and text": b"To: " + b"(a)b " * (BIG // 5),
    "quotes": b"From: " + b'"' * BIG,
    "backslashes": b'From: "' + b"\\" * BIG,
    "angles": b"From: " + b"<" * BIG,
    "commas": b"From: " + b"," * BIG,
    "colons": b"From: " + b":;" * (BIG // 2),
    "spaces": b"From: " + b" " * BIG + b"x",
    "phrase without end": b"From: " + b"a " * (BIG // 2),
    "at signs": b"From: " + b"@" * BIG,
    "routes": b"From: <" + b"@a," * (BIG // 3),
    "addresses": b"To: " + b"a@b," * (BIG // 4),
    "parameters": b"Content-Type: a/b" + b";a=b" * (BIG // 4),
    "semicolons": b"Content-Type: a/b" + b";" * BIG,
    "quoted semicolons": b'Content-Type: a/b;"' + b';"' * (BIG // 2),
    "equals": b"Content-Type: a/b;" + b"=" * BIG,
    "no value": b"Content-Type: a/b;" + b"a" * BIG,
    "continuations": b"Content-Type: a/b" + b"".join(b";n*%d*=%%41" % n for n in range(20_000)),
    "sections": b"Content-Type: a/b;n*" + b"9" * BIG + b"=x",
    "type comments": b"Content-Type: " + b"(" * BIG + b"text/plain",
    "percent": b"Content-Disposition: attachment; filename*=utf-8''" + b"%4" * (BIG // 2),
    "encoded words": b"Subject: " + b"=?a?q??=" * (BIG // 8),
    "half words": b"Subject: " + b"=?a?q?" * (BIG // 6),
    "word starts": b"Subject: " + b"=?" * (BIG // 2),
    "unknown charsets": b"Subject: " + b" ".join(b"=?x-%d?q?a?=" % n for n in range(15_000)),
    "punycode": b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a-b" * (BIG // 3),
    "idna": b"Content-Type: text/plain; charset=idna\r\n\r\n" + b"xn--" * (BIG // 4),
    "references": b"References: " + b"<" * BIG,
    "ids": b"References: " + b"<a>" * (BIG // 3),
    "date": b"Date: " + b"1 " * (BIG // 2),
    "date comments": b"Date: Mon, " + b" " * BIG,
    "languages": b"Content-Language: " + b"," * BIG,
    "folds": b"Subject: a" + b"\r\n " * (BIG // 3),
    "nested tags": b"Content-Type: text/html\r\n\r\n" + b"<div>" * (BIG // 5),
    "less than": b"Content-Type: text/html\r\n\r\n" + b"<" * BIG,
    "comments": b"Content-Type: text/html\r\n\r\n" + b"<!--" * (BIG // 4),
    "references in text": b"Content-Type: text/html\r\n\r\n" + b"&" * BIG,
    "numbers in text": b"Content-Type: text/html\r\n\r\n&#" + b"9" * BIG,
    "styles": b"Content-Type: text/html\r\n\r\n" + b"<style>" * (BIG // 7),
    "blank html": b"Content-Type: text/html\r\n\r\n" + b" \n" * (BIG // 2),
    "base64 noise": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"A===" * (BIG // 4),
    "quoted-printable noise": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * BIG,
    "part headers": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\nContent-Type: a/b;a=(\r\n" * 8000,
    "dashes": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--" * (BIG // 2),
    "long boundary": b"Content-Type: multipart/mixed; boundary=" + b"b" * BIG + b"\r\n\r\n",
    "boundary prefixes": b"".join(
        b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n--%b\r\n" % (b"a" * n, b"a" * n) for n in range(1, 49)
    )
    + b"\r\n"
    + b"--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 5000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_takes_bounded_time_and_gives_valid_imap(name: str) -> None:
    # Processor time, so that a busy machine does not matter.
    started = time.process_time()
    summary = summarise(HOSTILE[name] + b"\r\n\r\n")
    # Each takes 1 to 60 ms; anything quadratic takes minutes.
    assert time.process_time() - started < 2.0
    check_imap(summary)
    assert len(summary.search_text.encode()) <= limits.TEXT_OCTETS


@pytest.mark.parametrize(
    ("message", "header"), [(b"\n\r\n\r\n", 1), (b"A: b\n\n\r\nx\r\n", 6), (b"A: b\r\n\r\n\nx", 8)]
)
def test_the_first_empty_line_ends_the_header_whatever_its_line_end(message: bytes, header: int) -> None:
    assert summarise(message).header_length == header
    for cut in range(len(message)):
        assert in_pieces(message, [cut]) == summarise(message)
