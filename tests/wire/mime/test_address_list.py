"""Address lists as RFC 5322 has them, and as senders write them."""

from __future__ import annotations

import email.utils

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import corpus
from xtramail.wire.mime import limits
from xtramail.wire.mime.address_list import GROUP_END, EnvelopeAddress, comment_end, parse_addresses, read_addresses
from xtramail.wire.mime.header import header_end, unfold, values

A = EnvelopeAddress


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"ann@example.org", [A(None, None, b"ann", b"example.org")]),
        (b"<ann@example.org>", [A(None, None, b"ann", b"example.org")]),
        (b"Ann Archer <ann@example.org>", [A(b"Ann Archer", None, b"ann", b"example.org")]),
        (b'"Archer, Ann" <ann@x>, bob@x', [A(b"Archer, Ann", None, b"ann", b"x"), A(None, None, b"bob", b"x")]),
        # RFC 5322 A.1.2, A.1.3, A.5
        (b'"Joe Q. Public" <john.q.public@example.com>', [A(b"Joe Q. Public", None, b"john.q.public", b"example.com")]),
        (b'"Giant; \\"Big\\" Box" <sys@example.net>', [A(b'Giant; "Big" Box', None, b"sys", b"example.net")]),
        (b"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
         [A(None, None, b"A Group", None), A(b"Ed Jones", None, b"c", b"a.test"), A(None, None, b"joe", b"where.test"),
          A(b"John", None, b"jdoe", b"one.test"), GROUP_END]),
        (b"Undisclosed recipients:;", [A(None, None, b"Undisclosed recipients", None), GROUP_END]),
        (b"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", [A(b"Pete", None, b"pete", b"silly.test")]),
        (b"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
         [A(None, None, b"Hidden recipients", None), GROUP_END]),
        # RFC 5322 A.6.1, A.6.2, A.6.3
        (b"Joe Q. Public <john.q.public@example.com>", [A(b"Joe Q. Public", None, b"john.q.public", b"example.com")]),
        (b"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
         [A(b"Mary Smith", b"@node.test", b"mary", b"example.net"), A(None, None, b"jdoe", b"test.example")]),
        (b"<@a.test,@b.test:c@d>", [A(None, b"@a.test,@b.test", b"c", b"d")]),
        # The name in a comment, as before RFC 822
        (b"ann@example.org (Ann Archer)", [A(b"Ann Archer", None, b"ann", b"example.org")]),
        (b'"odd local"@example.org', [A(None, None, b"odd local", b"example.org")]),
        (b"x@[192.0.2.1]", [A(None, None, b"x", b"[192.0.2.1]")]),
        (b"=?utf-8?q?J=C3=B6?= <j@x>", [A(b"=?utf-8?q?J=C3=B6?=", None, b"j", b"x")]),
        ("Jörg <jörg@exämple.org>".encode(), [A("Jörg".encode(), None, "jörg".encode(), "exämple.org".encode())]),
        # Broken
        (b"ann", [A(None, None, b"ann", b"")]),
        (b"Ann <ann", [A(b"Ann", None, b"ann", b"")]),
        (b"Ann <ann@x, bob@y", [A(b"Ann", None, b"ann", b"x"), A(None, None, b"bob", b"y")]),
        (b"Ann <>", [A(b"Ann", None, b"", b"")]),
        (b"", []), (b" ,, ;", []), (b"<>", []), (b"(((", []), (b'"', []),
        (b"group: a@b", [A(None, None, b"group", None), A(None, None, b"a", b"b"), GROUP_END]),
    ],
)  # fmt: skip
def test_list(value: bytes, expected: list[EnvelopeAddress]) -> None:
    assert parse_addresses(value) == expected


def test_addresses_of_real_headers_are_those_of_the_standard_library() -> None:
    for message in corpus.messages(60, seed=6):
        for found in values(unfold(message[: header_end(message)]), frozenset((b"from", b"to", b"cc"))).values():
            expected = email.utils.getaddresses([found[0].decode()])
            ours = [((a.name or b"").decode(), a.address) for a in parse_addresses(found[0])]
            assert ours == expected


WORDS = st.sampled_from(["Ann", "Archer", "O'Hara", "J.", '"Q, R"', "=?utf-8?q?a?=", "x-y"])
SPECS = st.sampled_from(["a@b.c", "a.b+c@d-e.org", '"q r"@x.org', "x@[192.0.2.1]"])
ENTRIES = st.one_of(
    SPECS,
    st.builds(lambda words, spec: f"{' '.join(words)} <{spec}>", st.lists(WORDS, min_size=1, max_size=3), SPECS),
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(ENTRIES, min_size=1, max_size=6), st.sampled_from([", ", ",", " ,  "]))
def test_well_formed_lists_are_read_as_the_standard_library_reads_them(entries: list[str], comma: str) -> None:
    value = comma.join(entries)
    ours = [a.address for a in parse_addresses(value.encode())]
    assert ours == [address for _, address in email.utils.getaddresses([value], strict=False)]


def test_the_list_ends_at_the_limit() -> None:
    assert len(parse_addresses(b"a@b, " * 5000)) == limits.ADDRESSES
    assert len(parse_addresses(b"(x) a@b, " * 5000)) == limits.ADDRESSES


def test_a_group_that_is_cut_by_the_limit_is_still_closed() -> None:
    found = parse_addresses(b"g: a@b, c@d, e@f, g@h;", most=3)
    assert len(found) == 3 and found[-1] == GROUP_END


def test_comments_nest_to_the_limit_only() -> None:
    good = b"(" * limits.COMMENT_DEPTH + b")" * limits.COMMENT_DEPTH
    assert comment_end(good, 0) == len(good)
    assert comment_end(b"(" + good + b")", 0) == -1
    assert parse_addresses(good + b" a@b")[0].address == "a@b"
    assert parse_addresses(b"(" + good + b") a@b") == []


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (b"Ann <a@b>", True),
        (b"a@b (Ann), g: c@d;, \"Z\" <@r:z@y> (z)", True),
        (b"a@b, " * 1100 + b"c@d", False),
        (b"(x) a@b, " * 1100 + b"c@d", False),
        (b"a@b (, c@d", False),
        (b"<a@b> <c@d>", False),
        (b"<a@b> c", False),
        (b"<a@b, c@d>", False),
        (b"<a@b", False),
        (b"a@b>", False),
        (b"c@d <a@b>", False),
        (b"Ann c@d (z) <a@b>, e@f", False),
        (b"A@b <a@B>", True),
        (b'"c@d" <a@b>', True),
    ],
)
def test_what_was_passed_over_is_told(value: bytes, whole: bool) -> None:
    assert read_addresses(value)[1] is whole


def test_an_address_as_text_is_quoted_where_needed() -> None:
    assert A(None, None, b"odd local", b"x.org").address == '"odd local"@x.org'
    assert A(None, None, b'a"b', b"x.org").address == '"a\\"b"@x.org'
    assert A(None, None, b"a.b", b"x.org").address == "a.b@x.org"
    assert GROUP_END.address == ""
