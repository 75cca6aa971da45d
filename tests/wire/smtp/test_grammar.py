"""Forms of MAIL, RCPT and BDAT: what is taken, and what each wrong form is told."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.model.address import Address
from xtramail.model.envelope import BodyType
from xtramail.wire.smtp.grammar import BadCommand, parse_bdat, parse_hello, parse_mail, parse_rcpt, split_command


def refusal(arguments: bytes, *, smtputf8: bool = False) -> str:
    """Codes with which RCPT (or MAIL, by its first word) is refused."""
    with pytest.raises(BadCommand) as caught:
        if arguments.upper().startswith(b"FROM"):
            parse_mail(arguments)
        else:
            parse_rcpt(arguments, smtputf8=smtputf8)
    return f"{caught.value.reply.code} {caught.value.reply.enhanced}"


@pytest.mark.parametrize(
    ("path", "local", "domain"),
    [
        ("bob@example.org", "bob", "example.org"),
        ("Bob.Smith+tag@Example.ORG", "Bob.Smith+tag", "Example.ORG"),
        ("!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~", "example.org"),
        ('"bob smith"@example.org', "bob smith", "example.org"),
        (r'"a\"b\\c>"@example.org', 'a"b\\c>', "example.org"),
        ('"a@b"@example.org', "a@b", "example.org"),
        ("bob%other.example@example.org", "bob%other.example", "example.org"),
        ("other.example!bob@example.org", "other.example!bob", "example.org"),
        ("bob@[192.0.2.1]", "bob", "[192.0.2.1]"),
        ("bob@[IPv6:2001:db8::1]", "bob", "[IPv6:2001:db8::1]"),
        ("bob@a_host.example.org", "bob", "a_host.example.org"),
        ("bob@localhost", "bob", "localhost"),
        ("x" * 90 + "@example.org", "x" * 90, "example.org"),
    ],
)
def test_paths_give_the_address(path: str, local: str, domain: str) -> None:
    expected = Address(local=local, domain=domain)
    assert parse_rcpt(f"TO:<{path}>".encode(), smtputf8=False).address == expected
    assert parse_mail(f"from: <{path}> SIZE=1".encode()).address == expected


@pytest.mark.parametrize(
    "path",
    [
        b"bob@example.org",
        b"<bob@example.org",
        b"<bob>",
        b"<@>",
        b"<bob@>",
        b"<@example.org>",
        b"<a..b@example.org>",
        b"<.a@example.org>",
        b"<a.@example.org>",
        b"<a b@example.org>",
        b"<a@b@example.org>",
        b"<a\\@b@example.org>",
        b'<"a"b@example.org>',
        b'<"a@example.org>',
        b'<""@example.org>',
        b"<a(comment)@example.org>",
        b"<a@example..org>",
        b"<a@-example.org>",
        b"<a@example.org.>",
        b"<a@exam ple.org>",
        b"<a@exam!ple.org>",
        b"<a@[192.0.2]>",
        b"<a@[192.0.2.1>",
        b"<a@[IPv6:::g]>",
        b"<a@[IPv6:fe80::1%eth0]>",
        b"<a@[tag:x]>",
        b"<a@" + b"x" * 64 + b".org>",
        b"<" + b"a" * 250 + b"@example.org>",
        b"<a@example.org>x",
        b"< a@example.org>",
        b"<a\t@example.org>",
        b"<a\x7f@example.org>",
    ],
)
def test_malformed_paths_are_refused(path: bytes) -> None:
    assert refusal(b"TO:" + path) == "501 5.1.3"
    assert refusal(b"FROM:" + path) == "501 5.1.7"


@pytest.mark.parametrize("arguments", [b"", b"bob@example.org", b"TO <bob@example.org>"])
def test_a_missing_keyword_is_refused(arguments: bytes) -> None:
    assert refusal(arguments) == "501 5.5.4"


def test_the_null_path_is_a_sender_only() -> None:
    assert parse_mail(b"FROM:<>").address is None
    assert refusal(b"TO:<>") == "501 5.1.3"


def test_postmaster_alone_is_a_recipient_only() -> None:
    assert parse_rcpt(b"TO:<POSTMASTER>", smtputf8=False).address == Address(local="postmaster", domain="")
    assert refusal(b"FROM:<postmaster>") == "501 5.1.7"


@pytest.mark.parametrize("path", [b"<@relay.example:bob@example.org>", b"<@a.example,@b.example:bob@example.org>"])
def test_source_routes_are_parsed_and_refused(path: bytes) -> None:
    assert refusal(b"TO:" + path) == "550 5.7.1"
    assert refusal(b"FROM:" + path) == "550 5.7.1"


def test_a_malformed_source_route_is_malformed() -> None:
    assert refusal(b"TO:<@a.example,b.example:bob@example.org>") == "501 5.1.3"
    assert refusal(b"TO:<@a.example:bob>") == "501 5.1.3"
    assert refusal(b'TO:<@a.example:"bob"@example.org>') == "550 5.7.1"


def test_addresses_beyond_ascii_need_smtputf8() -> None:
    path = "<bøb@exämple.org>".encode()
    assert refusal(b"TO:" + path) == "553 5.6.7"
    assert refusal(b"FROM:" + path) == "550 5.6.7"
    assert parse_rcpt(b"TO:" + path, smtputf8=True).address == Address(local="bøb", domain="exämple.org")
    assert parse_mail(b"FROM:" + path + b" SMTPUTF8").address == Address(local="bøb", domain="exämple.org")


def test_octets_that_are_not_utf8_are_malformed() -> None:
    assert refusal(b"TO:<b\xf8b@example.org>", smtputf8=True) == "501 5.1.3"


def test_parameters_of_mail() -> None:
    path = parse_mail(b"FROM:<a@b.example> size=0001 Body=8bitmime RET=full ENVID=QQ314159 AUTH=e+3Dmc2@example.com")
    assert (path.size, path.body, path.ret, path.envid) == (1, BodyType.EIGHT_BIT, "FULL", "QQ314159")
    assert not path.smtputf8


def test_parameters_of_rcpt() -> None:
    path = parse_rcpt(b"TO:<a@b.example> NOTIFY=success,DELAY ORCPT=rfc822;a+2Bb@b.example", smtputf8=False)
    assert (path.notify, path.orcpt) == (("SUCCESS", "DELAY"), "rfc822;a+2Bb@b.example")
    assert parse_rcpt("TO:<a@b.example> ORCPT=utf-8;bøb@b.example".encode(), smtputf8=True).orcpt is not None


@pytest.mark.parametrize(
    "parameter",
    [
        "SIZE",
        "SIZE=",
        "SIZE=x",
        "SIZE=1 SIZE=1",
        "BODY",
        "BODY=BINARYMIME",
        "SMTPUTF8=yes",
        "RET=SOME",
        "ENVID",
        "ENVID=" + "x" * 101,
        "ENVID=a+2",
        "ENVID=a+2b",
        "ENVID=a=b",
        "AUTH",
        "=x",
        "S!ZE=1",
    ],
)
def test_malformed_parameters_of_mail_are_refused(parameter: str) -> None:
    assert refusal(f"FROM:<a@b.example> {parameter}".encode()) == "501 5.5.4"


@pytest.mark.parametrize(
    "parameter",
    [
        "NOTIFY",
        "NOTIFY=",
        "NOTIFY=NEVER,DELAY",
        "NOTIFY=DELAY,DELAY",
        "NOTIFY=SOMETIMES",
        "ORCPT=bob@b.example",
        "ORCPT=rfc822;",
        "ORCPT=rfc822;a=b",
        "ORCPT=rfc822;" + "x" * 500,
        "ORCPT=utf-8;bøb@b.example",
    ],
)
def test_malformed_parameters_of_rcpt_are_refused(parameter: str) -> None:
    assert refusal(f"TO:<a@b.example> {parameter}".encode()) == "501 5.5.4"


def test_unknown_parameters_are_told_so() -> None:
    assert refusal(b"FROM:<a@b.example> FANCY=1") == "555 5.5.4"
    assert refusal(b"TO:<a@b.example> FANCY") == "555 5.5.4"
    # Parameters of the other command are unknown to this one.
    assert refusal(b"TO:<a@b.example> SIZE=1") == "555 5.5.4"


def test_chunk_sizes() -> None:
    assert parse_bdat(b"0") == (0, False)
    assert parse_bdat(b"0012 last") == (12, True)


def test_verbs_in_any_case() -> None:
    assert split_command(b"mail FROM:<a b>  ") == ("MAIL", b"FROM:<a b>")
    assert split_command(b"\xc3\xa9t\xc3\xa9") == ("\ufffd\ufffdT\ufffd\ufffd", b"")
    assert split_command(b"") == ("", b"")


def test_hello_wants_a_name_of_bearable_length() -> None:
    for name in (b"", b"  ", b"x" * 256):
        with pytest.raises(BadCommand):
            parse_hello(name)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.sampled_from([b"", b"TO:<", b"FROM:<", b'TO:<"', b"TO:<a@b.example> "]))
def test_no_octets_do_worse_than_a_refusal(octets: bytes, start: bytes) -> None:
    for parse in (parse_mail, parse_bdat, parse_hello, lambda line: parse_rcpt(line, smtputf8=True)):
        try:
            parse(start + octets)  # type: ignore[operator]
        except BadCommand:
            pass


@settings(derandomize=True, deadline=None, max_examples=200)
@given(local=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60))
def test_every_quotable_local_part_comes_back(local: str) -> None:
    address = Address(local=local, domain="example.org")
    assert parse_rcpt(f"TO:<{address}>".encode(), smtputf8=False).address == address


HOSTILE = [b'TO:<"' + b"\\a" * 1020, b'TO:<"' + b"a" * 2040, b"TO:<" + b"@a:" * 680, b"<" * 2040]


@pytest.mark.parametrize("octets", HOSTILE)
def test_patterns_do_not_backtrack(octets: bytes) -> None:
    start = time.process_time()
    for _ in range(10):
        with pytest.raises(BadCommand):
            parse_rcpt(octets, smtputf8=False)
    assert time.process_time() - start < 1.0
