"""Every limit of the connection, at it and one beyond."""

from __future__ import annotations

import time

import pytest

from tests.wire.imap.dialogue import EVERYTHING, fresh, logged_in, play, selected, written
from xtramail.wire.imap import commands
from xtramail.wire.imap.config import BASE_CAPABILITIES, Limits
from xtramail.wire.imap.events import Need
from xtramail.wire.imap.states import State

PIECES = pytest.mark.parametrize("piece", [None, 997])
MINUS = tuple("LITERAL-" if name == "LITERAL+" else name for name in BASE_CAPABILITIES)


@PIECES
@pytest.mark.parametrize(("login", "limit"), [(False, 40 * 1024), (True, 64 * 1024)])
def test_a_line_over_its_limit_is_bad_and_the_connection_goes_on(login: bool, limit: int, piece: int | None) -> None:
    for extra in (0, 1):
        connection = logged_in() if login else fresh()
        line = b"a NOOP ".ljust(limit - 1 + extra, b"x") + b"\r\n"
        assert len(line) == limit + 1 + extra
        happened = written(play(connection, line + b"b NOOP\r\n", piece=piece))
        text = b"Line is too long" if extra else b"Unexpected text after the arguments"
        assert happened == b"a BAD " + text + b"\r\nb OK done\r\n"


@PIECES
def test_a_line_without_end_closes_the_connection(piece: int | None) -> None:
    connection = logged_in()
    assert written(play(connection, b"a NOOP " + b"x" * 1_200_000, piece=piece)) == b"* BYE Too much to read past\r\n"
    assert connection.next_event() is Need.CLOSED


def test_a_literal_behind_a_line_that_is_too_long_is_no_command() -> None:
    octets = b"a NOOP " + b"x" * 70_000 + b" {10+}\r\nx LOGOUT\r\n\r\nb NOOP\r\n"
    for piece in (None, 1009):
        assert written(play(logged_in(), octets, piece=piece)) == b"a BAD Line is too long\r\nb OK done\r\n"


@pytest.mark.parametrize("plus", [b"", b"+"])
def test_before_login_a_literal_over_4_kib_is_bad_and_closes_without_a_plus(plus: bytes) -> None:
    connection = fresh()
    happened = written(play(connection, b"a LOGIN ann {4097%b}\r\n" % plus))
    assert happened == b"a BAD Literal is too large\r\n* BYE Literal is too large\r\n"
    assert connection.next_event() is Need.CLOSED


def test_before_login_all_literals_of_a_command_share_the_limit() -> None:
    octets = b"a LOGIN {4000+}\r\n" + b"x" * 4000 + b" {97}\r\n"
    assert written(play(fresh(), octets)).startswith(b"a BAD Literal is too large\r\n* BYE ")
    octets = b"a LOGIN {4000+}\r\n" + b"x" * 4000 + b" {96}\r\n"
    assert written(play(fresh(), octets)) == b"+ Go ahead\r\n"


def test_after_login_a_literal_over_64_kib_is_bad_without_a_plus() -> None:
    assert written(play(logged_in(), b"a SELECT {65537}\r\nb NOOP\r\n")) == (
        b"a BAD Literal is too large\r\nb OK done\r\n"
    )
    assert written(play(logged_in(), b"a SELECT {65536}\r\n")) == b"+ Go ahead\r\n"


def test_after_login_an_unasked_literal_over_64_kib_closes() -> None:
    connection = logged_in()
    assert written(play(connection, b"a SELECT {65537+}\r\n")) == b"* BYE Literal is not allowed\r\n"
    assert connection.next_event() is Need.CLOSED


def test_a_message_over_its_limit_is_declined_without_a_plus() -> None:
    limits = Limits(append=1000)
    octets = b"a APPEND Sent {1001}\r\nb APPEND Sent {9999999999}\r\nc NOOP\r\n"
    refusal = b" NO [TOOBIG] Message is too large\r\n"
    assert written(play(logged_in(limits=limits), octets)) == b"a" + refusal + b"b" + refusal + b"c OK done\r\n"
    assert written(play(logged_in(limits=limits), b"a APPEND Sent {1000}\r\n")) == b"+ Go ahead\r\n"


def test_an_unasked_message_over_its_limit_closes() -> None:
    connection = logged_in(limits=Limits(append=1000))
    assert written(play(connection, b"a APPEND Sent {1001+}\r\n")) == b"* BYE [TOOBIG] Message is too large\r\n"
    assert connection.next_event() is Need.CLOSED


def test_under_literal_minus_4096_octets_may_come_unasked() -> None:
    octets = b"a APPEND Sent {4096+}\r\n" + b"x" * 4096 + b"\r\n"
    assert written(play(logged_in(capabilities=MINUS), octets)) == b"a OK done\r\n"
    connection = logged_in(capabilities=MINUS)
    play(connection, b"a APPEND Sent {4097+}\r\n")
    assert connection.next_event() is Need.CLOSED


@pytest.mark.parametrize("size", [b"99999999999", b"9" * 20])
def test_a_size_of_more_than_ten_digits_is_not_believed(size: bytes) -> None:
    assert written(play(logged_in(), b"a SELECT {%b}\r\nb NOOP\r\n" % size)) == (
        b"a BAD Literal is not allowed here\r\nb OK done\r\n"
    )
    connection = logged_in()
    assert written(play(connection, b"a SELECT {%b+}\r\n" % size)) == b"* BYE Literal is too large\r\n"
    assert connection.next_event() is Need.CLOSED


def test_more_than_a_thousand_literals_close() -> None:
    connection = selected()
    play(connection, b"a SEARCH" + b" {0+}\r\n" * 1001)
    assert connection.next_event() is Need.CLOSED


@pytest.mark.parametrize("octets", [b"a NOOP\n", b"a NO\rOP\r\n", b"a NOOP\r\r\n", b"a NO\0OP\r\n"])
def test_bare_line_ends_and_nul_are_bad(octets: bytes) -> None:
    for piece in (None, 1):
        happened = written(play(logged_in(), octets + b"b NOOP\r\n", piece=piece))
        assert happened.startswith(b"a BAD ")
        assert happened.endswith(b"\r\nb OK done\r\n")


def test_a_nul_in_a_literal_is_bad() -> None:
    for piece in (None, 1):
        assert written(play(logged_in(), b"a SELECT {3+}\r\na\0b\r\nb NOOP\r\n", piece=piece)) == (
            b"a BAD NUL is not allowed\r\nb OK done\r\n"
        )


@pytest.mark.parametrize("octets", [b"\r\n", b"x\r\n", b"+ NOOP\r\n", b" NOOP\r\n", b"a  NOOP\r\n", b"\xff NOOP\r\n"])
def test_a_line_without_tag_and_command_is_bad(octets: bytes) -> None:
    happened = written(play(logged_in(), octets + b"b NOOP\r\n"))
    assert b" BAD Write a tag, a space and a command\r\n" in happened
    assert happened.endswith(b"b OK done\r\n")


def test_the_twentieth_error_ends_the_connection() -> None:
    connection = logged_in()
    assert written(play(connection, b"a X\r\n" * 19)).count(b"BAD") == 19
    assert connection.errors == 19
    assert written(play(connection, b"a X\r\nb NOOP\r\n")) == b"a BAD Unknown command\r\n* BYE Too many errors\r\n"
    assert connection.next_event() is Need.CLOSED


def test_errors_before_login_are_forgiven_by_it() -> None:
    connection = fresh()
    play(connection, b"a X\r\n" * 10 + b"b LOGIN ann secret\r\n")
    assert connection.errors == 0


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n",
        b"POST /x HTTP/1.1\r\nHost: y\r\n\r\na LOGIN ann secret\r\n",
        b"CONNECT x:993 HTTP/1.1\r\n",
        b"Host: x\r\n",
        b"GET / HTTP/1.1\n",
    ],
)
def test_a_browser_is_closed_on_without_an_answer(octets: bytes) -> None:
    for piece in (None, 1):
        connection = fresh()
        assert play(connection, octets, piece=piece) == []
        assert connection.next_event() is Need.CLOSED


def test_a_set_of_a_thousand_ranges_passes_and_a_longer_one_keeps_the_connection() -> None:
    numbers = [b"%d" % (2 * number) for number in range(1, 1002)]
    connection = selected()
    happened = play(connection, b"a UID FETCH " + b",".join(numbers[:-1]) + b" FLAGS\r\n")
    assert isinstance(happened[0], commands.Fetch)
    assert written(play(connection, b"b UID FETCH " + b",".join(numbers) + b" FLAGS\r\n")).startswith(b"b NO [LIMIT] ")
    assert connection.state is State.SELECTED


def test_ten_thousand_words_are_too_many() -> None:
    words = b" ".join([b"SEEN"] * 10_001)
    assert written(play(selected(), b"a SEARCH " + words + b"\r\n")) == b"a BAD Command has too many words\r\n"


@pytest.mark.parametrize(
    "octets",
    [
        b"a SEARCH " + b"NOT " * 15_000 + b"ALL\r\n",
        b"a SEARCH " + b"(" * 60_000 + b"\r\n",
        b"a FETCH 1 (" + b"BODY[" * 12_000 + b"\r\n",
        b"a FETCH " + b"1:2," * 15_000 + b"1 FLAGS\r\n",
        b"a FETCH 1 (" + b"UID " * 15_000 + b"UID)\r\n",
        b'a LIST "" "' + b"*%" * 30_000 + b'"\r\n',
        b'a SELECT "' + b"\\\\" * 30_000 + b'"\r\n',
        b"a SELECT &" + b"A" * 60_000 + b"-\r\n",
        b"a STORE 1 FLAGS (" + b"k " * 30_000 + b"\r\n",
        b"{0+}\r\n" * 10_000,
        b"a {0+}\r\n" * 8_000,
        b"\r\n" * 30_000,
        b"a SELECT " + b" {0+}\r\n" * 8_000 + b"\r\n",
        b"a NOOP " + b"x" * 65_000 + b"{1+}\r\n" * 50_000,
    ],
)
def test_bombs_cost_little_time(octets: bytes) -> None:
    for piece in (None, 4096):
        connection = selected(capabilities=EVERYTHING)
        started = time.process_time()
        play(connection, octets, piece=piece)
        assert time.process_time() - started < 2.0
