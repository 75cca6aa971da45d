"""Dialogues, each played whole, byte by byte and in small pieces: what happens must not depend on how octets arrive."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.imap.dialogue import EVERYTHING, events, fresh, logged_in, play, selected, written
from xtramail.model.flags import Flag
from xtramail.model.secret import Secret
from xtramail.wire.errors import MisuseError
from xtramail.wire.imap import commands
from xtramail.wire.imap.append_commands import AppendMore
from xtramail.wire.imap.events import LiteralAborted, Need
from xtramail.wire.imap.server import ImapServerConnection
from xtramail.wire.imap.states import State
from xtramail.wire.imap.status import bad, no, ok

PLUS = b"+ Go ahead\r\n"
PIECES = pytest.mark.parametrize("piece", [None, 1, 7])


def _append(tag: bytes, size: int, mailbox: str = "Sent") -> commands.Append:
    return commands.Append(tag=tag, mailbox=mailbox, size=size, flags=Flag(0), keywords=(), received_at=None)


# Greeting and capabilities


def test_the_greeting_tells_capabilities_and_how_to_log_in() -> None:
    greeting = fresh().greeting()
    assert greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE")
    assert b" AUTH=PLAIN AUTH=LOGIN] " in greeting
    assert b"LOGINDISABLED" not in greeting


def test_without_tls_login_is_disabled_and_starttls_told() -> None:
    connection = fresh(tls_active=False, starttls=True)
    assert b" STARTTLS LOGINDISABLED] " in connection.greeting()
    assert not any(name.startswith("AUTH=") for name in connection.capabilities())


def test_while_a_login_is_under_way_the_capabilities_are_those_after_it() -> None:
    connection = fresh(capabilities=EVERYTHING)
    assert "AUTH=PLAIN" in connection.capabilities()
    connection.feed(b"a LOGIN ann secret\r\n")
    assert isinstance(connection.next_event(), commands.Login)
    assert "AUTH=PLAIN" not in connection.capabilities()
    assert "APPENDLIMIT=52428800" in connection.capabilities()


def test_the_capability_answer_has_the_names_of_the_greeting() -> None:
    connection = fresh()
    assert connection.capability_line() == b"* CAPABILITY " + " ".join(connection.capabilities()).encode() + b"\r\n"


# Login


@PIECES
@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"a LOGIN ann secret\r\n", b""),
        (b'a login "ann" "se\\"cret"\r\n', b""),
        (b"a LOGIN {3}\r\nann {6}\r\nsecret\r\n", PLUS + PLUS),
        (b"a LOGIN {3+}\r\nann {6+}\r\nsecret\r\n", b""),
        (b"a LOGIN ann {6}\r\nsecret\r\n", PLUS),
    ],
)
def test_login_takes_strings_of_every_form(octets: bytes, said: bytes, piece: int | None) -> None:
    connection = fresh()
    happened = play(connection, octets, piece=piece)
    password = Secret('se"cret' if b"\\" in octets else "secret")
    assert commands.Login(tag=b"a", user="ann", password=password) in happened
    assert written(happened) == said + b"a OK done\r\n"
    assert connection.state is State.AUTHENTICATED


def test_a_failed_login_leaves_the_state() -> None:
    connection = fresh()
    assert written(play(connection, b"a LOGIN ann x\r\n", answer=no("Login failed", b"AUTHENTICATIONFAILED"))) == (
        b"a NO [AUTHENTICATIONFAILED] Login failed\r\n"
    )
    assert connection.state is State.NOT_AUTHENTICATED


@pytest.mark.parametrize("arguments", [b"", b" ann", b' "" x', b' "a\x01b" x', b" ann x y", b' "\xff" x'])
def test_a_malformed_login_is_bad(arguments: bytes) -> None:
    assert written(play(fresh(), b"a LOGIN" + arguments + b"\r\n")).startswith(b"a BAD ")


@PIECES
@pytest.mark.parametrize(
    ("octets", "mechanism", "said"),
    [
        (b"a AUTHENTICATE PLAIN " + b64encode(b"\0ann\0secret") + b"\r\n", "PLAIN", b""),
        (b"a AUTHENTICATE plain\r\n" + b64encode(b"ann\0ann\0secret") + b"\r\n", "PLAIN", b"+ \r\n"),
        (
            b"a AUTHENTICATE LOGIN\r\n" + b64encode(b"ann") + b"\r\n" + b64encode(b"secret") + b"\r\n",
            "LOGIN",
            b"+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n",
        ),
        (
            b"a AUTHENTICATE LOGIN " + b64encode(b"ann") + b"\r\n" + b64encode(b"secret") + b"\r\n",
            "LOGIN",
            b"+ UGFzc3dvcmQ6\r\n",
        ),
    ],
)
def test_authenticate_speaks_plain_and_login(octets: bytes, mechanism: str, said: bytes, piece: int | None) -> None:
    connection = fresh()
    happened = play(connection, octets, piece=piece)
    assert commands.Authenticate(tag=b"a", mechanism=mechanism, user="ann", password=Secret("secret")) in happened
    assert written(happened) == said + b"a OK done\r\n"
    assert connection.state is State.AUTHENTICATED


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        (b"a AUTHENTICATE PLAIN\r\n*\r\n", b"+ \r\na BAD Authentication cancelled\r\n"),
        (b"a AUTHENTICATE PLAIN !!!\r\n", b"a BAD Malformed SASL response\r\n"),
        (b"a AUTHENTICATE PLAIN =\r\n", b"a BAD Malformed SASL response\r\n"),
        (b"a AUTHENTICATE LOGIN\r\n{5}\r\n", b"+ VXNlcm5hbWU6\r\na BAD Malformed SASL response\r\n"),
        (b"a AUTHENTICATE PLAIN\r\nbare\n", b"+ \r\na BAD Lines end in CR LF\r\n"),
        (
            b"a AUTHENTICATE PLAIN " + b64encode(b"bob\0ann\0secret") + b"\r\n",
            b"a BAD Malformed SASL response\r\n",
        ),
        (b"a AUTHENTICATE CRAM-MD5\r\n", b"a NO [CANNOT] Mechanism is not offered\r\n"),
    ],
)
def test_a_broken_sasl_exchange_ends_and_commands_go_on(octets: bytes, answer: bytes) -> None:
    connection = fresh()
    assert written(play(connection, octets + b"b NOOP\r\n")) == answer + b"b OK done\r\n"
    assert connection.state is State.NOT_AUTHENTICATED


def test_before_tls_no_password_is_asked_for() -> None:
    connection = fresh(tls_active=False, starttls=True)
    octets = b"a LOGIN {3}\r\nb AUTHENTICATE PLAIN\r\nc LOGIN ann secret\r\nd LOGIN {3+}\r\nann {1+}\r\nx\r\ne NOOP\r\n"
    refusal = b" NO [PRIVACYREQUIRED] Passwords are taken under TLS only\r\n"
    happened = play(connection, octets)
    assert written(happened) == b"".join(tag + refusal for tag in (b"a", b"b", b"c", b"d")) + b"e OK done\r\n"


# STARTTLS


def test_starttls_drops_what_was_buffered_and_forgets() -> None:
    connection = fresh(tls_active=False, starttls=True)
    connection.feed(b"a STARTTLS\r\nb NOOP\r\nc LOG")
    assert isinstance(connection.next_event(), commands.StartTls)
    assert connection.send(ok("Begin TLS")) == b"a OK Begin TLS\r\n"
    assert connection.next_event() is Need.TLS
    connection.tls_started()
    assert connection.next_event() is Need.DATA
    assert connection.tls_active
    assert written(play(connection, b"d STARTTLS\r\ne LOGIN ann secret\r\n")) == (
        b"d BAD TLS is active\r\ne OK done\r\n"
    )


def test_starttls_is_refused_where_it_is_not_offered() -> None:
    assert written(play(fresh(tls_active=False), b"a STARTTLS\r\n")) == b"a BAD STARTTLS is not offered\r\n"


# States


def test_states_follow_the_answers() -> None:
    connection = logged_in()
    for line, answer, state in (
        (b"a SELECT x\r\n", ok("x"), State.SELECTED),
        (b"a SELECT y\r\n", no("x"), State.AUTHENTICATED),
        (b"a EXAMINE y\r\n", ok("x"), State.SELECTED),
        (b"a CLOSE\r\n", no("x"), State.SELECTED),
        (b"a CLOSE\r\n", ok("x"), State.AUTHENTICATED),
        (b"a SELECT y\r\n", ok("x"), State.SELECTED),
        (b"a UNSELECT\r\n", ok("x"), State.AUTHENTICATED),
        (b"a LOGOUT\r\n", ok("x"), State.LOGOUT),
    ):
        play(connection, line, answer=answer)
        assert connection.state is state, line
    assert connection.next_event() is Need.CLOSED
    connection.feed(b"a NOOP\r\n")
    assert connection.next_event() is Need.CLOSED


@pytest.mark.parametrize(
    "line", [b"a SELECT x", b'a LIST "" *', b"a FETCH 1 FLAGS", b"a IDLE", b"a APPEND x {5}", b"a NAMESPACE"]
)
def test_before_login_nothing_of_mailboxes_is_obeyed(line: bytes) -> None:
    assert written(play(fresh(), line + b"\r\n")) == b"a BAD Log in first\r\n"


@pytest.mark.parametrize("line", [b"a FETCH 1 FLAGS", b"a EXPUNGE", b"a CHECK", b"a UID SEARCH ALL", b"a COPY 1 x"])
def test_without_a_selected_mailbox_no_message_is_touched(line: bytes) -> None:
    assert written(play(logged_in(), line + b"\r\n")) == b"a BAD Select a mailbox first\r\n"


@pytest.mark.parametrize("line", [b"a LOGIN x y", b"a AUTHENTICATE PLAIN", b"a STARTTLS"])
def test_after_login_there_is_no_other_login(line: bytes) -> None:
    assert written(play(logged_in(), line + b"\r\n")) == b"a BAD You are logged in already\r\n"


def test_enable_and_condstore_syntax_switch_extensions_on() -> None:
    connection = selected(capabilities=EVERYTHING)
    assert connection.enabled == frozenset()
    play(connection, b"a FETCH 1 (FLAGS MODSEQ)\r\n")
    assert connection.enabled == {"CONDSTORE"}
    play(connection, b"a ENABLE QRESYNC\r\n")
    assert connection.enabled == {"CONDSTORE", "QRESYNC"}


# Order


@PIECES
def test_pipelined_commands_are_answered_in_order(piece: int | None) -> None:
    octets = b"".join(b"t%d UID FETCH %d (FLAGS)\r\n" % (number, number) for number in range(1, 50))
    happened = play(selected(), octets, piece=piece)
    assert written(happened) == b"".join(b"t%d OK done\r\n" % number for number in range(1, 50))


def test_no_command_is_parsed_before_the_last_is_answered() -> None:
    connection = selected()
    connection.feed(b"a NOOP\r\nb NOOP\r\n")
    assert connection.next_event() == commands.Noop(tag=b"a")
    assert connection.next_event() is Need.REPLY
    assert connection.next_event() is Need.REPLY
    assert connection.send(ok("done")) == b"a OK done\r\n"
    assert connection.next_event() == commands.Noop(tag=b"b")


def test_answers_out_of_order_are_a_bug_of_ours() -> None:
    connection = fresh()
    connection.greeting()
    for call in (
        connection.greeting,
        connection.accept,
        connection.tls_started,
        lambda: connection.send(ok("x")),
    ):
        with pytest.raises(MisuseError):
            call()


# APPEND


@PIECES
@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"a APPEND Sent {11}\r\nhello\r\nyou!\r\n", PLUS),
        (b"a APPEND Sent {11+}\r\nhello\r\nyou!\r\n", b""),
        (b"a APPEND {4}\r\nSent {11}\r\nhello\r\nyou!\r\n", PLUS + PLUS),
        (b"a APPEND {4+}\r\nSent {11+}\r\nhello\r\nyou!\r\n", b""),
        (b'a APPEND "Sent" {11}\r\nhello\r\nyou!\r\n', PLUS),
    ],
)
def test_an_appended_message_streams(octets: bytes, said: bytes, piece: int | None) -> None:
    happened = play(logged_in(), octets + b"b NOOP\r\n", piece=piece)
    assert _append(b"a", 11) in happened
    assert bytearray(b"hello\r\nyou!") in happened
    assert written(happened) == said + b"a OK done\r\nb OK done\r\n"


def test_append_tells_flags_and_date() -> None:
    octets = b'a APPEND x (\\Seen $MDNSent) "17-Jul-1996 02:44:25 -0700" {1+}\r\nx\r\n'
    assert play(logged_in(), octets)[0] == commands.Append(
        tag=b"a", mailbox="x", size=1, flags=Flag.SEEN, keywords=("$MDNSent",), received_at=837596665
    )


@PIECES
@pytest.mark.parametrize("plus", [b"", b"+"])
def test_a_refused_append_never_becomes_commands(plus: bytes, piece: int | None) -> None:
    literal = b"x LOGOUT\r\n"
    octets = b"a APPEND Nowhere {%d%b}\r\n" % (len(literal), plus)
    # A client that waits for leave does not send the literal once it was refused.
    octets += literal + b"\r\nb NOOP\r\n" if plus else b"b NOOP\r\n"
    refusal = no("Mailbox does not exist.", b"TRYCREATE")
    happened = play(logged_in(), octets, piece=piece, refuse=refusal)
    assert written(happened) == b"a NO [TRYCREATE] Mailbox does not exist.\r\nb OK done\r\n"


@PIECES
@pytest.mark.parametrize(
    "tail", [b"junk\r\n", b" {3+}\r\nabc\r\n", b" {3}\r\n", b" \r\n", b"\n", b" (\\Seen) {3+}\r\nabc {2+}\r\nxy\r\n"]
)
def test_an_append_with_junk_behind_its_message_is_thrown_away(tail: bytes, piece: int | None) -> None:
    connection = logged_in(capabilities=("IMAP4rev1", "LITERAL+"))
    happened = play(connection, b"a APPEND Sent {5+}\r\nhello" + tail + b"b NOOP\r\n", piece=piece)
    assert LiteralAborted(b"a") in happened
    assert written(happened).startswith(b"a BAD ")
    assert written(happened).endswith(b"\r\nb OK done\r\n")
    assert written(happened).count(b"\r\n") == 2


@PIECES
def test_a_nul_in_a_message_throws_it_away_and_reads_on(piece: int | None) -> None:
    octets = b"a APPEND Sent {9+}\r\nab\0\r\nx NO\r\nb NOOP\r\n"
    happened = play(logged_in(), octets, piece=piece)
    assert LiteralAborted(b"a") in happened
    assert written(happened) == b"a BAD NUL is not allowed\r\nb OK done\r\n"


@PIECES
def test_messages_of_one_append_come_one_after_the_other(piece: int | None) -> None:
    octets = b"a APPEND Sent {5+}\r\nhello (\\Seen) {3}\r\nabc UTF8 (~{2+}\r\nxy) ~{3+}\r\na\0b\r\nb NOOP\r\n"
    happened = play(logged_in(capabilities=EVERYTHING), octets, piece=piece)
    more = [event for event in happened if isinstance(event, AppendMore)]
    assert [(event.size, bool(event.flags & Flag.SEEN)) for event in more] == [(3, True), (2, False), (3, False)]
    assert [bytes(piece) for piece in happened if isinstance(piece, bytearray)] == [b"hello", b"abc", b"xy", b"a\0b"]
    assert written(happened) == b"+ Go ahead\r\na OK done\r\nb OK done\r\n"


@PIECES
@pytest.mark.parametrize(
    "tail",
    [b" (\\Bogus) {3+}\r\nabc\r\n", b" {0+}\r\n\r\n", b") {3+}\r\nabc {2+}\r\nxy\r\n", b" UTF8 (~{2+}\r\nxy\r\n"],
)
def test_a_broken_further_message_throws_all_away(tail: bytes, piece: int | None) -> None:
    happened = play(
        logged_in(capabilities=EVERYTHING), b"a APPEND Sent {5+}\r\nhello" + tail + b"b NOOP\r\n", piece=piece
    )
    assert LiteralAborted(b"a") in happened
    assert written(happened).startswith((b"a BAD ", b"a NO [CANNOT]"))
    assert written(happened).endswith(b"\r\nb OK done\r\n")
    assert written(happened).count(b"\r\n") == 2


def test_an_empty_message_is_declined() -> None:
    assert written(play(logged_in(), b"a APPEND Sent {0}\r\nb APPEND Sent {0+}\r\n\r\nc NOOP\r\n")) == (
        b"a NO [CANNOT] Message is empty\r\nb NO [CANNOT] Message is empty\r\nc OK done\r\n"
    )


def test_a_message_that_failed_to_be_kept_is_answered_so() -> None:
    happened = play(
        logged_in(), b"a APPEND Sent {5+}\r\nhello\r\nb NOOP\r\n", answer=no("Quota exceeded.", b"OVERQUOTA")
    )
    assert written(happened).startswith(b"a NO [OVERQUOTA] Quota exceeded.\r\n")


def test_a_large_message_comes_in_bounded_chunks_and_is_not_kept() -> None:
    connection = logged_in()
    size = 5_000_000
    connection.feed(b"a APPEND Sent {%d+}\r\n" % size)
    assert isinstance(connection.next_event(), commands.Append)
    connection.accept()
    received = 0
    for _ in range(size // 50_000):
        connection.feed(b"x" * 50_000)
        for event in events(connection):
            received += len(event.octets)  # type: ignore[union-attr]
        assert connection.buffered == 0
    assert received == size
    connection.feed(b"\r\n")
    assert [type(event).__name__ for event in events(connection)] == ["LiteralEnd"]


# IDLE


@PIECES
def test_idle_lasts_until_done(piece: int | None) -> None:
    connection = selected()
    happened = play(connection, b"a IDLE\r\ndone\r\nb NOOP\r\n", piece=piece)
    assert happened == [
        commands.Idle(tag=b"a"),
        b"+ idling\r\n",
        commands.Done(tag=b"a"),
        b"a OK done\r\n",
        commands.Noop(tag=b"b"),
        b"b OK done\r\n",
    ]


def test_idling_is_told_while_it_lasts() -> None:
    connection = selected()
    play(connection, b"a IDLE\r\n")
    assert connection.idling
    play(connection, b"DONE\r\n")
    assert not connection.idling


def test_a_command_inside_idle_ends_it_unobeyed() -> None:
    connection = selected()
    assert written(play(connection, b"a IDLE\r\nb EXPUNGE\r\nc NOOP\r\n")) == (
        b"+ idling\r\na BAD Expected DONE\r\nc OK done\r\n"
    )


def test_idle_can_be_refused() -> None:
    connection = selected()
    connection.feed(b"a IDLE\r\nb NOOP\r\n")
    assert connection.next_event() == commands.Idle(tag=b"a")
    assert connection.send(no("Not now", b"UNAVAILABLE")) == b"a NO [UNAVAILABLE] Not now\r\n"
    assert connection.next_event() == commands.Noop(tag=b"b")


# Closing


def test_close_says_bye_once() -> None:
    connection = selected()
    assert connection.close("Idle for too long") == b"* BYE Idle for too long\r\n"
    assert connection.close("again") == b""
    assert connection.next_event() is Need.CLOSED
    assert connection.state is State.LOGOUT


def test_an_answer_to_a_command_may_be_bad() -> None:
    assert written(play(selected(), b"a CHECK\r\n", answer=bad("No"))) == b"a BAD No\r\n"


# Hostile octets


_WORDS = [
    b"a ", b"NOOP", b"LOGIN ", b"APPEND ", b"INBOX ", b"{3}\r\n", b"{3+}\r\n", b"{0+}\r\n", b"\r\n", b"\r", b"\n",
    b"\x00", b'"', b"\\", b"(", b")", b"UID ", b"FETCH ", b"1:* ", b"BODY[", b"]", b"<0.1>", b"SEARCH ", b"NOT ",
    b"OR ", b"IDLE", b"DONE", b"AUTHENTICATE PLAIN", b" ", b"*", b"%", b"{99999999999999}\r\n", b"{99999999+}\r\n",
    b"~{3+}\r\n", b"STORE ", b"FLAGS ", b"\xff", b"&", b"SELECT ", b"LIST ", b"x", b"CHARSET ", b"{", b"}", b"+",
    b"GET / HTTP/1.1",
]  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.lists(st.sampled_from(_WORDS), max_size=40), st.sampled_from(["fresh", "selected"]), st.integers(1, 9))
def test_hostile_octets_are_answered_and_never_raise(words: list[bytes], where: str, piece: int) -> None:
    octets = b"".join(words)

    def outcome(step: int | None) -> tuple[list[object], State]:
        connection: ImapServerConnection = fresh() if where == "fresh" else selected(capabilities=EVERYTHING)
        return play(connection, octets, piece=step), connection.state

    whole = outcome(None)
    assert outcome(piece) == whole
    for line in written(whole[0]).split(b"\r\n")[:-1]:
        assert line.startswith((b"a ", b"* ", b"+ ")) or b" BAD " in line or b" NO " in line or b" OK " in line
