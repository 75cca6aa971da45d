"""Dialogues of the server engine, each replayed whole and octet by octet."""

from __future__ import annotations

import dataclasses

import pytest

from tests.wire.smtp.dialogue import MX, Peer, play
from xtramail.model.envelope import BodyType
from xtramail.model.outcome import Reply
from xtramail.wire.errors import MisuseError
from xtramail.wire.smtp.events import (
    Answered,
    Auth,
    AuthAborted,
    Connected,
    DataEnd,
    Hello,
    MailFrom,
    Need,
    RcptTo,
    StartTls,
    Waiting,
)
from xtramail.wire.smtp.server import Role, SmtpServerConnection

SUBMISSION = dataclasses.replace(MX, role=Role.SUBMISSION)
SUBMISSIONS = dataclasses.replace(SUBMISSION, tls_active=True)

GREETING = "S: 220 mx.example.org ESMTP\n"
OPEN = (
    GREETING
    + """
    C: EHLO client.example
    S: 250-mx.example.org
    S: 250-PIPELINING
    S: 250-SIZE 1000
    S: 250-8BITMIME
    S: 250-ENHANCEDSTATUSCODES
    S: 250-CHUNKING
    S: 250-SMTPUTF8
    S: 250-DSN
    S: 250 STARTTLS
"""
)
# Already inside TLS.
SECURED = OPEN.replace("    S: 250 STARTTLS\n", "").replace("S: 250-DSN", "S: 250 DSN")
SUBMIT = OPEN.replace("S: 250 STARTTLS", "S: 250 AUTH PLAIN LOGIN")

MX_DIALOGUES = {
    "one message": OPEN
    + """
    C: MAIL FROM:<ann@example.net>
    S: 250 2.1.0 sender ok
    C: RCPT TO:<bob@example.org>
    S: 250 2.1.5 recipient ok
    C: DATA
    S: 354 end with CRLF.CRLF
    C: Subject: hi
    C:
    C: ..dotted
    C: .
    S: 250 2.0.0 accepted
    C: QUIT
    S: 221 2.0.0 bye
    X:
    """,
    "helo has no extensions": GREETING
    + """
    C: HELO client
    S: 250 mx.example.org
    C: MAIL FROM:<>
    S: 250 2.1.0 sender ok
    """,
    "pipelined with one recipient refused": OPEN
    + """
    C: MAIL FROM:<a@b.example> SIZE=20
    C: RCPT TO:<unknown@example.org>
    C: RCPT TO:<bob@example.org>
    C: DATA
    S: 250 2.1.0 sender ok
    S: 550 5.1.1 no such user here
    S: 250 2.1.5 recipient ok
    S: 354 end with CRLF.CRLF
    C: x
    C: .
    C: MAIL FROM:<a@b.example>
    C: RSET
    C: QUIT
    S: 250 2.0.0 accepted
    S: 250 2.1.0 sender ok
    S: 250 2.0.0 ok
    S: 221 2.0.0 bye
    X:
    """,
    "no valid recipients": OPEN
    + """
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<unknown@example.org>
    C: DATA
    S: 250 2.1.0 sender ok
    S: 550 5.1.1 no such user here
    S: 554 5.5.1 no valid recipients
    C: RSET
    S: 250 2.0.0 ok
    C: MAIL FROM:<a@b.example>
    S: 250 2.1.0 sender ok
    C: DATA
    S: 503 5.5.1 send RCPT first
    """,
    "bad sequences": GREETING
    + """
    C: MAIL FROM:<a@b.example>
    S: 503 5.5.1 send EHLO first
    C: STARTTLS
    S: 503 5.5.1 send EHLO first
    C: NOOP
    S: 250 2.0.0 ok
    C: HELO x
    S: 250 mx.example.org
    C: RCPT TO:<a@b.example>
    S: 503 5.5.1 send MAIL first
    C: DATA
    S: 503 5.5.1 send MAIL first
    C: MAIL FROM:<a@b.example>
    S: 250 2.1.0 sender ok
    C: MAIL FROM:<a@b.example>
    S: 503 5.5.1 a transaction is open; send RSET first
    C: STARTTLS
    S: 503 5.5.1 bad sequence of commands
    """,
    "small commands": OPEN
    + """
    C: NOOP with words
    S: 250 2.0.0 ok
    C: VRFY bob
    S: 252 2.1.5 cannot verify; send mail and see
    C: VRFY
    S: 501 5.5.4 write VRFY address
    C: EXPN list
    S: 502 5.5.1 command not offered
    C: HELP
    S: 214 2.0.0 see RFC 5321
    C: FROBNICATE
    S: 500 5.5.1 command not recognised
    C: noop
    S: 250 2.0.0 ok
    C: DATA now
    S: 501 5.5.4 this command takes no argument
    C: EHLO
    S: 501 5.5.4 give your host name
    """,
    "starttls forgets": OPEN
    + """
    C: STARTTLS now
    S: 501 5.5.4 this command takes no argument
    C: STARTTLS
    S: 220 2.0.0 start TLS
    T:
    C: MAIL FROM:<a@b.example>
    S: 503 5.5.1 send EHLO first
    """
    + SECURED.removeprefix(GREETING)
    + """
    C: STARTTLS
    S: 503 5.5.1 TLS is active already
    """,
    "auth on 25": OPEN
    + """
    C: AUTH PLAIN AGEAYg==
    S: 503 5.5.1 authentication is not offered here
    """,
    "chunks": OPEN
    + """
    C: MAIL FROM:<a@b.example>
    S: 250 2.1.0 sender ok
    C: RCPT TO:<bob@example.org>
    S: 250 2.1.5 recipient ok
    C: BDAT 4
    C! ab\\r\\n
    S: 250 2.0.0 4 octets received
    C: NOOP
    S: 250 2.0.0 ok
    C: BDAT 5 LAST
    C! .\\r\\n\\r\\n
    S: 250 2.0.0 accepted
    C: BDAT 3 LAST
    C! abc
    S: 503 5.5.1 send MAIL first
    C: MAIL FROM:<a@b.example>
    S: 250 2.1.0 sender ok
    """,
    "chunks refused with their recipients": OPEN
    + """
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<unknown@example.org>
    C: BDAT 6 LAST
    C! QUIT\\r\\n
    C: RSET
    S: 250 2.1.0 sender ok
    S: 550 5.1.1 no such user here
    S: 554 5.5.1 no valid recipients
    S: 250 2.0.0 ok
    """,
    "DATA spoils chunks": OPEN
    + """
    C: MAIL FROM:<a@b.example>
    C: RCPT TO:<bob@example.org>
    C: BDAT 2
    C! ab
    S: 250 2.1.0 sender ok
    S: 250 2.1.5 recipient ok
    S: 250 2.0.0 2 octets received
    C: RCPT TO:<eve@example.org>
    S: 503 5.5.1 bad sequence of commands
    C: DATA
    S: 503 5.5.1 bad sequence of commands
    C: BDAT 2 LAST
    C! ab
    S: 503 5.5.1 this transaction failed; send RSET
    C: RSET
    S: 250 2.0.0 ok
    C: MAIL FROM:<a@b.example>
    S: 250 2.1.0 sender ok
    """,
    "http": GREETING + "C: POST / HTTP/1.1\nX:",
    "http field": GREETING + "C: Host: mx.example.org\nX:",
    "bare LF ends a command": OPEN
    + """
    C! NOOP\\n
    S: 500 5.5.2 bare CR, bare LF or NUL in a command; lines end with CRLF
    X:
    """,
    "NUL in a command": OPEN
    + """
    C! NO\\x00
    S: 500 5.5.2 bare CR, bare LF or NUL in a command; lines end with CRLF
    X:
    """,
}

SUBMISSION_DIALOGUES = {
    "nothing without TLS": OPEN
    + """
    C: AUTH PLAIN AGEAYg==
    S: 538 5.7.11 encryption required for authentication
    C: MAIL FROM:<a@b.example>
    S: 530 5.7.0 send STARTTLS first
    """,
}

SUBMISSIONS_DIALOGUES = {
    "plain with initial response": SUBMIT
    + """
    C: MAIL FROM:<a@b.example>
    S: 530 5.7.0 authentication required
    C: AUTH PLAIN AGFubgByaWdodA==
    S: 235 2.7.0 authenticated
    C: AUTH PLAIN AGFubgByaWdodA==
    S: 503 5.5.1 authenticated already
    C: MAIL FROM:<a@b.example>
    S: 250 2.1.0 sender ok
    """,
    "plain in two steps": SUBMIT
    + """
    C: AUTH plain
    S: 334 \u00b7
    C: AGFubgByaWdodA==
    S: 235 2.7.0 authenticated
    """,
    "login as outlook does": SUBMIT
    + """
    C: AUTH LOGIN
    S: 334 VXNlcm5hbWU6
    C: YW5u
    S: 334 UGFzc3dvcmQ6
    C: cmlnaHQ=
    S: 235 2.7.0 authenticated
    """,
    "login with initial response": SUBMIT
    + """
    C: AUTH LOGIN YW5u
    S: 334 UGFzc3dvcmQ6
    C: d3Jvbmc=
    S: 535 5.7.8 login failed
    C: AUTH LOGIN YW5u
    S: 334 UGFzc3dvcmQ6
    C: *
    S: 501 5.7.0 authentication cancelled
    C: NOOP
    S: 250 2.0.0 ok
    """,
    "malformed logins": SUBMIT
    + """
    C: AUTH
    S: 501 5.5.2 malformed authentication exchange
    C: AUTH CRAM-MD5
    S: 504 5.5.4 mechanism not offered
    C: AUTH PLAIN !!!
    S: 501 5.5.2 malformed authentication exchange
    C: AUTH PLAIN Ym9iAGFubgByaWdodA==
    S: 501 5.5.2 malformed authentication exchange
    C: AUTH PLAIN =
    S: 501 5.5.2 malformed authentication exchange
    C: NOOP
    S: 250 2.0.0 ok
    """,
}

CASES = [
    *((name, MX, text) for name, text in MX_DIALOGUES.items()),
    *((name, SUBMISSION, text) for name, text in SUBMISSION_DIALOGUES.items()),
    *((name, SUBMISSIONS, text) for name, text in SUBMISSIONS_DIALOGUES.items()),
]


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize(("name", "config", "text"), CASES, ids=[case[0] for case in CASES])
def test_dialogue(name: str, config: object, text: str, bytewise: bool) -> None:
    assert config is MX or config is SUBMISSION or config is SUBMISSIONS
    play(text, bytewise=bytewise, config=config)  # type: ignore[arg-type]


def ready(config: object = MX) -> Peer:
    peer = Peer(config=config)  # type: ignore[arg-type]
    peer.say(b"EHLO client\r\n")
    return peer


def in_transaction(config: object = MX) -> Peer:
    peer = ready(config)
    assert peer.code(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.org>\r\n") == "250 2.1.5"
    return peer


def test_message_octets_are_exact() -> None:
    peer = in_transaction()
    peer.say(b"DATA\r\n")
    peer.say(b"..\r\n. x\r\n\x80\xff\t \r\n\r\n.\r\n")
    assert peer.messages == [b".\r\n x\r\n\x80\xff\t \r\n\r\n"]


def test_greeting_can_turn_a_peer_away() -> None:
    connection = SmtpServerConnection(MX)
    assert connection.next_event() == Connected()
    assert connection.send(Reply.of(554, "5.7.1", "not you")) == b"554 5.7.1 not you\r\n"
    assert connection.next_event() is Need.CLOSE


def test_a_reply_with_the_wrong_code_is_misuse() -> None:
    connection = SmtpServerConnection(MX)
    connection.next_event()
    with pytest.raises(MisuseError):
        connection.send(Reply.of(250, "2.0.0", "ok"))


def test_a_reply_without_an_event_is_misuse() -> None:
    connection = SmtpServerConnection(MX)
    with pytest.raises(MisuseError):
        connection.send(Reply.of(220, "", "hello"))


def test_tls_started_without_starttls_is_misuse() -> None:
    with pytest.raises(MisuseError):
        SmtpServerConnection(MX).tls_started()


def test_a_late_reply_after_hanging_up_is_dropped() -> None:
    connection = SmtpServerConnection(MX)
    connection.next_event()
    assert connection.hang_up(Reply.of(421, "4.3.2", "closing")) == b"421 4.3.2 closing\r\n"
    assert connection.send(Reply.of(220, "", "hello")) == b""
    assert connection.next_event() is Need.CLOSE
    assert connection.hang_up(Reply.of(421, "4.3.2", "closing")) == b""


def test_421_from_policy_closes() -> None:
    peer = Peer(policy=lambda event: Reply.of(421, "4.3.2", "going") if isinstance(event, MailFrom) else None)
    peer.say(b"EHLO x\r\n")
    assert peer.code(b"MAIL FROM:<>\r\nNOOP\r\n") == "421 4.3.2"
    assert peer.closed


def test_bytes_behind_starttls_end_the_connection() -> None:
    peer = ready()
    assert peer.code(b"STARTTLS\r\nMAIL FROM:<evil@b.example>\r\n") == "554 5.5.1"
    assert peer.closed
    assert not any(isinstance(event, StartTls | MailFrom) for event in peer.events)


def test_bytes_that_come_before_the_tls_go_ahead_end_the_connection() -> None:
    connection = ready().connection
    connection.feed(b"STARTTLS\r\n")
    assert connection.next_event() == StartTls()
    connection.feed(b"RSET\r\n")
    assert connection.send(connection.usual_reply(StartTls())).startswith(b"554 5.5.1")
    assert connection.next_event() is Need.CLOSE


def test_bytes_that_come_before_the_handshake_are_dropped() -> None:
    connection = ready().connection
    connection.feed(b"STARTTLS\r\n")
    connection.next_event()
    connection.send(connection.usual_reply(StartTls()))
    assert connection.next_event() is Need.TLS
    connection.feed(b"MAIL FROM:<evil@b.example>\r\n")
    connection.tls_started()
    assert connection.next_event() is Need.DATA


def test_tls_refused_by_policy_goes_on_in_clear() -> None:
    peer = Peer(policy=lambda event: Reply.of(454, "4.7.0", "not now") if isinstance(event, StartTls) else None)
    peer.say(b"EHLO x\r\n")
    assert peer.code(b"STARTTLS\r\n") == "454 4.7.0"
    assert peer.code(b"MAIL FROM:<>\r\n") == "250 2.1.0"


def test_starttls_is_not_offered_without_tls() -> None:
    peer = Peer(config=dataclasses.replace(MX, tls_available=False))
    assert "250 DSN" in peer.lines(b"EHLO x\r\n")
    assert peer.code(b"STARTTLS\r\n") == "502 5.5.1"


def test_ehlo_voids_the_transaction() -> None:
    peer = in_transaction()
    peer.say(b"EHLO again\r\n")
    assert peer.code(b"RCPT TO:<bob@example.org>\r\n") == "503 5.5.1"
    assert peer.connection.hello_name == "again"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"my_host", "my_host"),
        (b"[192.0.2.1]", "[192.0.2.1]"),
        (b"[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
        (b"two words", "two"),
        (b"a(b)<\"", "a?b???"),
    ],
)
def test_hello_names_are_accepted_and_made_safe(name: bytes, shown: str) -> None:
    peer = Peer()
    peer.say(b"EHLO " + name + b"\r\n")
    hellos = [event.name for event in peer.events if isinstance(event, Hello)]
    assert hellos == [shown]


def test_outlook_puts_a_space_before_the_path() -> None:
    assert ready().code(b"MAIL FROM: <a@b.example>\r\n") == "250 2.1.0"


def test_mail_parameters_reach_policy() -> None:
    peer = ready()
    peer.say("MAIL FROM:<é@b.example> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb AUTH=<>\r\n".encode())
    event = peer.events[-1]
    assert isinstance(event, MailFrom)
    path = event.path
    assert path.address is not None
    assert (path.address.local, path.size, path.body) == ("é", 7, BodyType.EIGHT_BIT)
    assert (path.smtputf8, path.ret, path.envid) == (True, "HDRS", "a+2Bb")
    assert peer.connection.protocol == "UTF8SMTP"


def test_postmaster_needs_no_domain() -> None:
    peer = ready()
    peer.say(b"MAIL FROM:<>\r\nRCPT TO:<Postmaster>\r\n")
    event = peer.events[-1]
    assert isinstance(event, RcptTo)
    assert (event.path.address.local, event.path.address.domain) == ("postmaster", "")


def test_protocol_tells_how_mail_came() -> None:
    peer = Peer(config=SUBMISSIONS)
    peer.say(b"HELO x\r\n")
    assert peer.connection.protocol == "SMTP"
    peer.say(b"EHLO x\r\n")
    assert peer.connection.protocol == "ESMTPS"
    peer.say(b"AUTH PLAIN AGFubgByaWdodA==\r\n")
    assert peer.connection.protocol == "ESMTPSA"
    assert ready().connection.protocol == "ESMTP"


def test_login_is_forgotten_with_tls() -> None:
    peer = ready(SUBMISSION)
    peer.say(b"STARTTLS\r\n")
    peer.start_tls()
    peer.say(b"EHLO x\r\nAUTH PLAIN AGFubgByaWdodA==\r\n")
    assert peer.connection.protocol == "ESMTPSA"
    assert peer.code(b"STARTTLS\r\n") == "503 5.5.1"


def test_aborting_a_login_waits_for_an_answer() -> None:
    peer = ready(SUBMISSIONS)
    peer.say(b"AUTH LOGIN\r\n*\r\n")
    assert peer.events[-1] == AuthAborted()


def test_passwords_do_not_show_in_events() -> None:
    peer = ready(SUBMISSIONS)
    peer.say(b"AUTH PLAIN AGFubgByaWdodA==\r\n")
    event = next(event for event in peer.events if isinstance(event, Auth))
    assert event.authcid == "ann"
    assert "right" not in repr(event)


def test_a_refused_go_ahead_leaves_the_dialogue_open() -> None:
    def full(event: Waiting) -> Reply | None:
        return Reply.of(452, "4.3.1", "no room") if type(event).__name__ == "DataStart" else None

    peer = Peer(policy=full)
    assert peer.code(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n") == "452 4.3.1"
    assert peer.code(b"MAIL FROM:<>\r\n") == "250 2.1.0"
    peer.say(b"RCPT TO:<a@b.example>\r\n")
    assert peer.lines(b"BDAT 6\r\nQUIT\r\n") == ["452 4.3.1 no room"]
    assert peer.code(b"RSET\r\n") == "250 2.0.0"
    assert not peer.messages


def test_text_that_did_not_wait_for_a_refused_go_ahead_is_not_obeyed() -> None:
    peer = ready()
    assert peer.code(b"DATA\r\nRSET\r\nQUIT\r\n") == "503 5.5.0"
    assert peer.closed


def test_a_refused_message_leaves_the_dialogue_open() -> None:
    peer = Peer(policy=lambda event: Reply.of(554, "5.6.0", "no") if isinstance(event, DataEnd) else None)
    peer.say(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
    assert peer.code(b"x\r\n.\r\n") == "554 5.6.0"
    assert peer.code(b"MAIL FROM:<>\r\n") == "250 2.1.0"


def test_engine_answers_tell_their_command() -> None:
    peer = ready()
    peer.say(b"NOOP\r\n")
    event = peer.events[-1]
    assert isinstance(event, Answered)
    assert event.command == "NOOP"


@pytest.mark.parametrize("bytewise", [False, True])
def test_a_peer_that_is_trusted_sends_without_a_login(bytewise: bool) -> None:
    peer = ready(SUBMISSION)
    assert peer.code(b"MAIL FROM:<ann@example.org>\r\n") == "530 5.7.0"
    peer.connection.trust()
    say = peer.say_bytewise if bytewise else peer.say
    say(b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n")
    say(b"hello\r\n.\r\n")
    assert peer.messages == [b"hello\r\n"]


def test_trust_does_not_outlive_clear_text_by_itself() -> None:
    peer = ready(SUBMISSION)
    peer.connection.trust()
    peer.say(b"STARTTLS\r\n")
    peer.start_tls()
    assert peer.code(b"EHLO x\r\nMAIL FROM:<ann@example.org>\r\n") == "530 5.7.0"
