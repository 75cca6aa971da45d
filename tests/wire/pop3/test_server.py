"""POP3 dialogues, whole and octet by octet."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.pop3.dialogue import CLEAR, TLS, Peer, play
from xtramail.wire.errors import MisuseError
from xtramail.wire.pop3.config import Pop3ServerConfig
from xtramail.wire.pop3.events import Answered, LogIn, Need, Quit, Retrieve, Sizes, Stat
from xtramail.wire.pop3.replies import err, ok
from xtramail.wire.pop3.server import Pop3ServerConnection

SESSION = """
S: +OK xtramail is ready
C: CAPA
S: +OK Capabilities follow
S: TOP
S: UIDL
S: PIPELINING
S: RESP-CODES
S: AUTH-RESP-CODE
S: USER
S: SASL PLAIN LOGIN
S: IMPLEMENTATION xtramail
S: .
C: STAT
S: -ERR Not now: this command belongs to another state
C: PASS right one
S: -ERR Not now: this command belongs to another state
C: user ann@example.org
S: +OK Password?
C: PASS wrong
S: -ERR [AUTH] wrong
C: PASS right one
S: -ERR Not now: this command belongs to another state
C: USER ann@example.org
S: +OK Password?
C: NOOP
S: -ERR Not now: this command belongs to another state
C: PASS right one
S: -ERR Not now: this command belongs to another state
C: USER ann@example.org
S: +OK Password?
C: CAPA
S: +OK Capabilities follow
S: TOP
S: UIDL
S: PIPELINING
S: RESP-CODES
S: AUTH-RESP-CODE
S: USER
S: SASL PLAIN LOGIN
S: IMPLEMENTATION xtramail
S: .
C: PASS right one
S: +OK in
C: CAPA
S: +OK Capabilities follow
S: TOP
S: UIDL
S: PIPELINING
S: RESP-CODES
S: AUTH-RESP-CODE
S: IMPLEMENTATION xtramail
S: .
C: USER ann@example.org
S: -ERR Not now: this command belongs to another state
C: STAT
C: LIST
C: LIST 2
C: uidl
C: UIDL 1
C: RETR 1
C: RETR 3
C: TOP 1 0
C: DELE 1
C: NOOP
C: RSET
S: +OK Stat
S: +OK Sizes
S: one
S: ..two
S: .
S: +OK Sizes
S: +OK UniqueIds
S: one
S: ..two
S: .
S: +OK UniqueIds
S: +OK Retrieve
S: one
S: ..two
S: .
S: -ERR no such message
S: +OK Retrieve
S: one
S: ..two
S: .
S: +OK Delete
S: +OK Done
S: +OK Reset
C: RETR
S: -ERR Wrong arguments: message numbers begin with 1
C: RETR 0
S: -ERR Wrong arguments: message numbers begin with 1
C: RETR 1 2
S: -ERR Wrong arguments: message numbers begin with 1
C: TOP 1
S: -ERR Wrong arguments: message numbers begin with 1
C: TOP 1 -1
S: -ERR Wrong arguments: message numbers begin with 1
C: LIST x
S: -ERR Wrong arguments: message numbers begin with 1
C: STAT 1
S: -ERR This command takes no arguments
C: LAST
S: -ERR Unknown command
C: QUIT
S: +OK Quit
X:
"""

UPGRADE = """
S: +OK xtramail is ready
C: CAPA
S: +OK Capabilities follow
S: TOP
S: UIDL
S: PIPELINING
S: RESP-CODES
S: AUTH-RESP-CODE
S: STLS
S: IMPLEMENTATION xtramail
S: .
C: USER ann@example.org
S: -ERR No login without TLS: say STLS first, or use port 995
C: AUTH PLAIN
S: -ERR No login without TLS: say STLS first, or use port 995
C: STLS
S: +OK StartTls
T:
C: STLS
S: -ERR TLS is active already
C: AUTH
S: +OK Mechanisms follow
S: PLAIN
S: LOGIN
S: .
C: AUTH PLAIN
S: + \u00b7
C: *
S: -ERR Login cancelled
C: AUTH CRAM-MD5
S: -ERR Unknown mechanism
C: AUTH LOGIN
S: + VXNlcm5hbWU6
C: YW5u
S: + UGFzc3dvcmQ6
C: cmlnaHQgb25l
S: +OK in
C: QUIT
S: +OK Quit
X:
"""


@pytest.mark.parametrize("bytewise", [False, True])
def test_a_session_from_greeting_to_quit(bytewise: bool) -> None:
    peer = play(SESSION, bytewise=bytewise)
    assert [event for event in peer.events if isinstance(event, (Stat, Retrieve, Quit))] == [
        Stat(), Retrieve(1), Retrieve(3), Retrieve(1, 0), Quit(update=True)
    ]  # fmt: skip
    assert Sizes(None) in peer.events and Sizes(2) in peer.events


@pytest.mark.parametrize("bytewise", [False, True])
def test_a_login_in_clear_waits_for_stls(bytewise: bool) -> None:
    play(UPGRADE, bytewise=bytewise, config=CLEAR)


def test_an_initial_response_logs_in_at_once() -> None:
    peer = Peer()
    assert peer.say(b"AUTH PLAIN AGFubgByaWdodCBvbmU=\r\n") == b"+OK in\r\n"
    login = next(event for event in peer.events if isinstance(event, LogIn))
    assert (login.mechanism, login.authcid, login.password.reveal()) == ("PLAIN", "ann", "right one")


def test_an_empty_initial_response_is_malformed_plain() -> None:
    assert Peer().say(b"AUTH PLAIN =\r\n") == b"-ERR Malformed login\r\n"
    assert Peer().say(b"AUTH PLAIN not base64\r\n") == b"-ERR Malformed login\r\n"
    assert Peer().say(b"AUTH PLAIN\r\n!!\r\nCAPA\r\n").startswith(b"+ \r\n-ERR Malformed login\r\n+OK Cap")


def test_spaces_belong_to_a_password() -> None:
    peer = Peer()
    peer.say(b"USER ann\r\nPASS  a b \r\n")
    login = next(event for event in peer.events if isinstance(event, LogIn))
    assert login.password.reveal() == " a b "


def test_quit_before_a_login_updates_nothing() -> None:
    peer = Peer()
    assert peer.say(b"QUIT\r\n") == b"+OK Quit\r\n"
    assert peer.events == [Quit(update=False)]
    assert peer.closed


def test_the_connection_ends_after_quit_whatever_became_of_it() -> None:
    peer = Peer(answering=lambda event: (ok("x"), b"") if isinstance(event, LogIn) else (err("no"), b""))
    assert peer.say(b"USER a\r\nPASS b\r\nQUIT\r\nNOOP\r\n").endswith(b"+OK x\r\n-ERR no\r\n")
    assert peer.closed


@pytest.mark.parametrize("behind", [b"USER ann\r\n", b"x"])
def test_what_follows_stls_in_clear_ends_the_connection(behind: bytes) -> None:
    peer = Peer(config=CLEAR)
    assert peer.say(b"STLS\r\n" + behind) == b"-ERR Nothing may follow STLS before TLS is up\r\n"
    assert peer.closed


def test_what_comes_before_the_handshake_is_never_obeyed() -> None:
    peer = Peer(config=CLEAR)
    peer.say(b"STLS\r\n")
    peer.connection.feed(b"USER eve\r\n")
    peer.start_tls()
    assert peer.say(b"PASS x\r\n").startswith(b"-ERR Not now")


def test_stls_is_refused_where_it_is_not_offered() -> None:
    peer = Peer(config=Pop3ServerConfig(tls_active=False))
    assert peer.say(b"STLS\r\n") == b"-ERR Not offered here\r\n"
    assert b"STLS" not in peer.say(b"CAPA\r\n")


@pytest.mark.parametrize("line", [b"NOOP\n", b"NO\rOP\r\n", b"NO\0OP\r\n", b"\x16\x03\x01\0"])
def test_bare_line_ends_and_nul_end_the_connection(line: bytes) -> None:
    peer = Peer()
    assert peer.say(line) == b"-ERR Lines end in CRLF and hold no NUL\r\n"
    assert peer.closed


def test_a_line_too_long_is_dropped_whole() -> None:
    peer = Peer()
    assert peer.say(b"QUIT" + b" " * 3000 + b"\r\n") == b"-ERR Line is too long\r\n"
    assert not peer.closed
    peer.say(b"A" * 70_000)
    assert peer.closed


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"post / HTTP/1.1", b"Host: x"])
def test_a_browser_is_sent_away_without_an_answer(line: bytes) -> None:
    peer = Peer()
    assert peer.say(line + b"\r\nUSER x\r\n") == b""
    assert peer.closed


def test_errors_are_answered_late_and_then_not_at_all() -> None:
    peer = Peer()
    peer.say(b"BOGUS\r\n" * 19)
    assert not peer.closed
    delays = [event.delay for event in peer.events if isinstance(event, Answered)]
    assert delays == [0.0] * 10 + [1.0] * 9
    assert peer.say(b"BOGUS\r\nNOOP\r\n") == b"-ERR Too many errors\r\n"
    assert peer.closed


def test_commands_that_do_nothing_are_borne_a_hundred_times() -> None:
    peer = Peer()
    peer.say(b"USER a\r\nPASS right one\r\n" + b"NOOP\r\n" * 100)
    assert not peer.closed
    peer.say(b"RETR 1\r\n" + b"NOOP\r\n" * 100)
    assert not peer.closed
    assert peer.say(b"RSET\r\n").startswith(b"-ERR Too many commands")
    assert peer.closed


def test_misuse_is_ours_and_raises() -> None:
    connection = Pop3ServerConnection(TLS)
    with pytest.raises(MisuseError):
        connection.send(ok("x"))
    with pytest.raises(MisuseError):
        connection.end_lines()
    with pytest.raises(MisuseError):
        connection.tls_started()
    connection.hang_up(ok("x"))
    assert connection.send(ok("x")) == b"" == connection.hang_up(ok("x"))


WORDS = [b"USER", b"PASS", b"AUTH", b"STLS", b"CAPA", b"STAT", b"LIST", b"RETR", b"TOP", b"DELE", b"UIDL", b"QUIT",
         b"1", b"0", b"99999999999", b"\xb2", b"\xff", b"", b"=", b"PLAIN", b"right one", b"\r", b"*"]  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    lines=st.lists(st.lists(st.sampled_from(WORDS), max_size=3).map(b" ".join), max_size=12),
    login=st.booleans(),
    clear=st.booleans(),
    step=st.integers(1, 40),
)
def test_any_words_are_answered_alike_for_any_cut(lines: list[bytes], login: bool, clear: bool, step: int) -> None:
    said = (b"USER a\r\nPASS right one\r\n" if login else b"") + b"".join(line + b"\r\n" for line in lines)
    outputs = []
    for size in (len(said) or 1, step):
        peer = Peer(config=CLEAR if clear else TLS)
        for at in range(0, len(said), size):
            if peer.need is not Need.DATA:
                break
            peer.say(said[at : at + size])
        outputs.append(peer.output)
        for line in peer.output.split(b"\r\n"):
            assert len(line) < 512
    if not clear:
        assert outputs[0] == outputs[1]
