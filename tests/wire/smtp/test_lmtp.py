"""LMTP (RFC 2033): LHLO, and one answer for each recipient, whole and octet by octet."""

from __future__ import annotations

import dataclasses

import pytest

from tests.wire.smtp.dialogue import MX, Peer, play
from xtramail.model.outcome import Reply
from xtramail.wire.errors import MisuseError
from xtramail.wire.smtp.events import DataEnd, Need
from xtramail.wire.smtp.server import Role, SmtpServerConnection

LMTP = dataclasses.replace(MX, role=Role.LMTP)
OPEN = """
    S: 220 mx.example.org LMTP
    C: LHLO mta.example
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
TWO_OF_THREE = """
    C: MAIL FROM:<zoe@example.net>
    C: RCPT TO:<ann@example.org>
    C: RCPT TO:<unknown@example.org>
    C: RCPT TO:<bob@example.org>
    S: 250 2.1.0 sender ok
    S: 250 2.1.5 recipient ok
    S: 550 5.1.1 no such user here
    S: 250 2.1.5 recipient ok
"""

DIALOGUES = {
    "an answer for each recipient that was taken": OPEN
    + TWO_OF_THREE
    + """
    C: DATA
    S: 354 end with CRLF.CRLF
    C: Subject: hi
    C:
    C: hello
    C: .
    S: 250 2.0.0 accepted
    S: 250 2.0.0 accepted
    C: QUIT
    S: 221 2.0.0 bye
    X:
""",
    "with chunks only the last is answered for each": OPEN
    + TWO_OF_THREE
    + """
    C! BDAT 5\\r\\nhello
    S: 250 2.0.0 5 octets received
    C! BDAT 2 LAST\\r\\n\\r\\n
    S: 250 2.0.0 accepted
    S: 250 2.0.0 accepted
""",
    "what is void is void for each": OPEN
    + TWO_OF_THREE
    + """
    C: DATA
    S: 354 end with CRLF.CRLF
    C! one\\rtwo\\r\\n.\\r\\n
    S: 550 5.6.11 bare CR or LF, or NUL, in the message; lines end with CRLF
    S: 550 5.6.11 bare CR or LF, or NUL, in the message; lines end with CRLF
    X:
""",
    "EHLO and HELO are not spoken": """
    S: 220 mx.example.org LMTP
    C: EHLO mta.example
    S: 500 5.5.1 this is LMTP; send LHLO
    C: HELO mta.example
    S: 500 5.5.1 this is LMTP; send LHLO
""",
    "no text without a recipient": OPEN
    + """
    C: MAIL FROM:<zoe@example.net>
    C: RCPT TO:<unknown@example.org>
    C: DATA
    S: 250 2.1.0 sender ok
    S: 550 5.1.1 no such user here
    S: 503 5.5.1 send RCPT first
""",
    "nobody logs in": OPEN
    + """
    C: AUTH PLAIN AGFubgByaWdodA==
    S: 503 5.5.1 authentication is not offered here
""",
    "after TLS as before": OPEN
    + """
    C: STARTTLS
    S: 220 2.0.0 start TLS
    T:
    C: LHLO mta.example
    S: 250-mx.example.org
    S: 250-PIPELINING
    S: 250-SIZE 1000
    S: 250-8BITMIME
    S: 250-ENHANCEDSTATUSCODES
    S: 250-CHUNKING
    S: 250-SMTPUTF8
    S: 250 DSN
""",
}


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(name: str, bytewise: bool) -> None:
    play(DIALOGUES[name], bytewise=bytewise, config=LMTP)


def test_lhlo_is_for_lmtp_alone() -> None:
    assert Peer(config=MX).code(b"LHLO x\r\n") == "500 5.5.1"


def at_the_end() -> SmtpServerConnection:
    """Two recipients taken, and the text is here."""
    peer = Peer(config=LMTP)
    peer.say(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
    connection = peer.connection
    connection.feed(b"hello\r\n.\r\nNOOP\r\n")
    while not isinstance(event := connection.next_event(), DataEnd):
        assert not isinstance(event, Need)
    return connection


def test_each_has_an_answer_of_its_own() -> None:
    connection = at_the_end()
    answers = [Reply.of(452, "4.2.2", "Mailbox is full"), Reply.of(250, "2.0.0", "Ok")]
    assert connection.send_each(answers) == b"452 4.2.2 Mailbox is full\r\n250 2.0.0 Ok\r\n"
    assert not isinstance(connection.next_event(), Need), "and it goes on"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_number_of_answers_must_be_right(count: int) -> None:
    with pytest.raises(MisuseError):
        at_the_end().send_each([Reply.of(250, "2.0.0", "Ok")] * count)


def test_with_is_lmtp() -> None:
    peer = Peer(config=LMTP)
    peer.say(b"LHLO x\r\n")
    assert peer.connection.protocol == "LMTP"
    peer.say(b"STARTTLS\r\n")
    peer.start_tls()
    peer.say(b"LHLO x\r\n")
    assert peer.connection.protocol == "LMTPS"
