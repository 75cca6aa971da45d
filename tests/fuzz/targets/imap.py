"""IMAP and POP3 servers that hear anything: the connections alone, and the whole servers down to their store."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from itertools import zip_longest
from random import Random

from tests.fuzz.running_clock import RunningClock
from tests.fuzz.target import Play, Target, pieces
from tests.imap_grammar import check
from tests.imap_world import MAIL, PASSWORD, World
from tests.pop3_world import Pop3World
from tests.wire.imap import dialogue
from tests.wire.imap.dialogue import EVERYTHING
from tests.wire.pop3.dialogue import CLEAR, TLS, Peer
from xtramail.wire.imap.commands import StartTls
from xtramail.wire.imap.events import LiteralAborted
from xtramail.wire.pop3.config import Pop3ServerConfig
from xtramail.wire.pop3.events import Need

_COMMANDS = (
    b"a FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE MODSEQ PREVIEW (LAZY))\r\n",
    b'a UID FETCH 1,2:4,* (BODY.PEEK[HEADER.FIELDS (From "To" {4+}\r\nDate)]<0.10> BINARY[1]<1.2> BODY[1.2.MIME])\r\n',
    b"a FETCH 1 (BODY[TEXT] RFC822.HEADER BINARY.SIZE[1] EMAILID THREADID SAVEDATE) (CHANGEDSINCE 1 VANISHED)\r\n",
    b'a SEARCH RETURN (MIN MAX ALL COUNT SAVE PARTIAL 1:10) CHARSET UTF-8 OR (NOT SUBJECT "x" SINCE 1-Jan-2026) '
    b"(HEADER X {3+}\r\nabc KEYWORD $x LARGER 5 UID 1:* MODSEQ 1 OLDER 5 EMAILID M1)\r\n",
    b"a UID STORE 1:2 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Seen \\Deleted $Forwarded abc)\r\nb EXPUNGE\r\n",
    b'a UID MOVE $ Sent\r\nb COPY 1:* &AOQ-\r\nc UID EXPUNGE 1:*\r\nd CLOSE\r\ne EXAMINE "INBOX" (CONDSTORE)\r\n',
    b"a SELECT INBOX (QRESYNC (1 2 1:5 (1 1)))\r\nb ENABLE QRESYNC UTF8=ACCEPT IMAP4rev2\r\nc UNSELECT\r\n",
    b'a LIST (SUBSCRIBED RECURSIVEMATCH) "" ("*" "%/x") RETURN (STATUS (MESSAGES UIDNEXT SIZE) CHILDREN '
    b'SPECIAL-USE MYRIGHTS)\r\nb LSUB "" *\r\nc STATUS INBOX (MESSAGES RECENT UNSEEN HIGHESTMODSEQ '
    b"MAILBOXID DELETED)\r\n",
    b"a CREATE a/b (USE (\\Sent))\r\nb RENAME a/b c\r\nc DELETE c\r\nd SUBSCRIBE x\r\ne UNSUBSCRIBE x\r\nf "
    b"NAMESPACE\r\n",
    b'a APPEND INBOX (\\Seen x) "01-Jan-2026 10:00:00 +0100" {24+}\r\nSubject: x\r\n\r\nHello.\r\n\r\nb NOOP\r\n',
    b"a APPEND INBOX {3+}\r\nabc (\\Seen) ~{4+}\r\na\0bc\r\nb APPEND x UTF8 (~{4+}\r\nabcd)\r\nc REPLACE 1 "
    b"INBOX {1+}\r\nx\r\n",
    b"a SORT (REVERSE DATE SUBJECT ARRIVAL) UTF-8 ALL\r\nb THREAD REFERENCES UTF-8 ALL\r\nc UID THREAD ORDEREDSUBJECT "
    b'US-ASCII TEXT "x"\r\nd UID SORT RETURN (COUNT PARTIAL -1:-5) (SIZE) UTF-8 UNSEEN\r\n',
    b'a IDLE\r\nDONE\r\nb GETQUOTA ""\r\nc GETQUOTAROOT INBOX\r\nd ID ("name" "x" "y" NIL)\r\ne CAPABILITY\r\n',
    b"a LOGOUT\r\nb NOOP\r\n",
    b"a COMPRESS DEFLATE\r\nb NOOP\r\n",
)
_RIGHT = base64.b64encode(f"\0ann@example.org\0{PASSWORD}".encode())
_LOGINS = (
    f'a LOGIN ann@example.org "{PASSWORD}"\r\nb SELECT INBOX\r\nc LOGIN x y\r\n'.encode(),
    b"a AUTHENTICATE PLAIN " + _RIGHT + b"\r\nb LIST \"\" *\r\nc AUTHENTICATE PLAIN\r\n",
    b"a LOGIN ann secret\r\nb SELECT INBOX\r\nc FETCH 1 FULL\r\n",
    b"a LOGIN {3}\r\nann {6}\r\nsecret\r\nb LOGOUT\r\n",
    b"a AUTHENTICATE PLAIN\r\nAGFubgBzZWNyZXQ=\r\nb CAPABILITY\r\n",
    b"a AUTHENTICATE LOGIN\r\nYW5u\r\nc2VjcmV0\r\nb AUTHENTICATE PLAIN AGFubgBzZWNyZXQ=\r\n",
    b'a AUTHENTICATE PLAIN\r\n*\r\nb STARTTLS\r\nc ID NIL\r\nd LOGIN "a\\"b" ""\r\n',
)
_WORDS = (
    b"FETCH",
    b"UID ",
    b"STORE",
    b"SEARCH",
    b"SELECT INBOX\r\n",
    b"APPEND INBOX ",
    b"{3}\r\n",
    b"{3+}\r\n",
    b"~{4+}\r\n",
    b"{99999999999}\r\n",
    b"{4294967295+}\r\n",
    b"(",
    b")",
    b"((",
    b"))",
    b"OR ",
    b"NOT ",
    b"NIL",
    b"1:*",
    b"*",
    b"$",
    b"4294967295:1",
    b"BODY[",
    b"BODY.PEEK[1.2.3.4.5",
    b"HEADER.FIELDS.NOT (",
    b"]<0.4294967295>",
    b"]<4294967295.1>",
    b'"',
    b"\\",
    b"\\Seen",
    b"\\*",
    b"INBOX",
    b"&AOQ-",
    b"&-",
    b"&",
    b"&AAAA-",
    b"&2AA-",
    b"\x80\xff",
    b"\xc3\xa4",
    b"x DONE\r\n",
    b"DONE\r\n",
    b"CHARSET KOI8-R ",
    b"RETURN (",
    b"PARTIAL 4294967295:1",
    b"MODSEQ 18446744073709551615 ",
    b"1-Jan-0000",
    b"31-Feb-2026",
    b'"01-Jan-9999 23:59:60 +9959"',
    b"a b c\r\n",
    b"* ",
    b"+ ",
    b"\r\n",
    b"%/%/%/%",
    b"*%*%*%*",
    b"LOGIN ann {1000+}\r\n",
    b"AUTHENTICATE PLAIN =\r\n",
    b"GET / HTTP/1.1\r\n",
    b"RETURN (STATUS (SIZE))",
)


def _connection(*, state: str) -> Play:
    def play(octets: bytes, rng: Random) -> Iterator[None]:
        """The same comes of it however it is cut, and every answer has the form of one."""
        made = [_fresh(state) for _ in range(2)]
        whole = dialogue.play(made[0], octets)
        yield
        cut: list[object] = []
        for piece in pieces(octets, rng):
            for one in dialogue.play(made[1], piece):
                if isinstance(one, bytearray) and cut and isinstance(cut[-1], bytearray):
                    cut[-1] += one
                else:
                    cut.append(one)
            yield
        check(dialogue.written(whole))
        if not any(isinstance(one, StartTls) for one in whole + cut):
            assert _told(whole) == _told(cut)

    return play


def _fresh(state: str) -> dialogue.ImapServerConnection:
    match state:
        case "clear":
            return dialogue.fresh(tls_active=False, starttls=True)
        case "login":
            return dialogue.fresh(capabilities=EVERYTHING)
        case "selected":
            return dialogue.selected(capabilities=EVERYTHING)
    return dialogue.selected()


def _told(happened: list[object]) -> str:
    """In one text; without pieces of a literal that did not come to its end, of which fewer or more were seen."""
    told: list[str] = []
    for one, following in zip_longest(happened, happened[1:]):
        if isinstance(one, bytearray) and (following is None or isinstance(following, LiteralAborted)):
            continue
        told.append(one.decode("latin-1") if type(one) is bytes else repr(one))
    return "".join(told)


_NUMBERED = (
    MAIL,
    MAIL.replace(b"\r\n", b"\n"),
    b"",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
)


def _mailbox(octets: bytes, rng: Random) -> Iterator[None]:
    """A client that is logged in, with messages, down to the store: never a fault of ours."""
    world = World(capabilities=EVERYTHING, reactor=RunningClock())
    for message in _NUMBERED:
        world.deliver(message)
    client, other = world.client(), world.client()
    client.say("SELECT INBOX")
    other.say("SELECT INBOX")
    heard = ""
    for piece in pieces(octets, rng):
        if client.closed:
            break
        client.send(piece)
        yield
        yield from world.reactor.turns()
        world.advance(rng.choice((0, 1)))
        heard += client.heard()
    if b"COMPRESS" not in octets.upper():
        check(heard.encode("latin-1"))
    assert "SERVERBUG" not in heard
    if not other.closed:
        other.say("NOOP")
        other.say("UID FETCH 1:* (FLAGS MODSEQ)")
    client.lose()
    other.lose()
    assert (
        world.service.collaborators.metrics.registry.get_sample_value("xtramail_bugs_total", {"where": "imap"}) is None
    )
    assert len(world.services.looks) == 0


def _login(octets: bytes, rng: Random) -> Iterator[None]:
    world = World(reactor=RunningClock())
    client = world.client(login=False)
    heard = ""
    for piece in pieces(octets, rng):
        if client.closed:
            break
        client.send(piece)
        yield
        yield from world.reactor.turns()
        world.advance(rng.choice((0, 1, 9)))
        heard += client.heard()
    check(heard.encode("latin-1"))
    assert "SERVERBUG" not in heard
    client.lose()


_POP3 = (
    b"USER ann\r\nPASS right one\r\nSTAT\r\nLIST\r\nLIST 1\r\nUIDL\r\nUIDL 2\r\nRETR 1\r\nTOP 1 0\r\nDELE "
    b"1\r\nRSET\r\nQUIT\r\n",
    b"CAPA\r\nAUTH\r\nAUTH PLAIN\r\nAGFubgByaWdodCBvbmU=\r\nTOP 2 100\r\nNOOP\r\nLAST\r\nDELE 2\r\nQUIT\r\n",
    b"AUTH LOGIN\r\nYW5u\r\ncmlnaHQgb25l\r\nRETR 3\r\nXTND\r\nAPOP a b\r\n",
    b"STLS\r\nUSER x\r\nUSER y\r\nPASS\r\nPASS right one\r\nLANG en\r\nUTF8\r\nRETR 1\r\nRETR 2\r\n",
)
_POP3_WORDS = (
    b"USER ",
    b"PASS ",
    b"RETR ",
    b"TOP 1 ",
    b"LIST",
    b"UIDL",
    b"DELE ",
    b"RSET\r\n",
    b"STLS\r\n",
    b"AUTH PLAIN ",
    b"AUTH =",
    b"*\r\n",
    b"=\r\n",
    b"QUIT\r\n",
    b"CAPA\r\n",
    b"GET / HTTP/1.1\r\n",
    b"4294967296",
    b"-1",
    b"0",
    b"1 2 3",
    b"\r\n",
    b"NOOP\r\n",
    b"\xc3\xa4",
    b"\x00",
)
_POP3_ANSWERS = re.compile(rb"(?:(?:\+OK|-ERR)[^\r\n\0]*\r\n|\+ [^\r\n\0]*\r\n|[^\r\n]*\r\n)*\Z")


def _pop3(config: Pop3ServerConfig) -> Play:
    def play(octets: bytes, rng: Random) -> Iterator[None]:
        whole, cut = Peer(config=config), Peer(config=config)
        _say(whole, octets)
        yield
        for piece in pieces(octets, rng):
            _say(cut, piece)
            yield
        assert _POP3_ANSWERS.match(whole.output)
        assert all(len(line) <= 510 for line in whole.output.split(b"\r\n"))
        if config.tls_active:
            assert whole.output == cut.output and whole.closed == cut.closed

    return play


def _say(peer: Peer, octets: bytes) -> None:
    peer.say(octets)
    if peer.need is Need.TLS:
        peer.start_tls()


def _pop3_mailbox(octets: bytes, rng: Random) -> Iterator[None]:
    world = Pop3World(reactor=RunningClock())
    for message in _NUMBERED:
        world.deliver(message)
    client = world.pop3(login=rng.random() < 0.8)
    for piece in pieces(octets, rng):
        if client.closed:
            break
        client.send(piece)
        yield
        yield from world.reactor.turns()
        world.advance(rng.choice((0, 1, 9)))
        client.heard()
    client.lose()
    assert not world.bugs


IMAP = (
    Target(name="imap", play=_connection(state="selected"), seeds=_COMMANDS, words=_WORDS, runs=500),
    Target(name="imap-rev1", play=_connection(state="base"), seeds=_COMMANDS, words=_WORDS, runs=200),
    Target(name="imap-login", play=_connection(state="login"), seeds=_LOGINS, words=_WORDS),
    Target(name="imap-clear", play=_connection(state="clear"), seeds=_LOGINS, words=_WORDS, runs=200),
    Target(name="imap-world", play=_mailbox, seeds=_COMMANDS, words=_WORDS, runs=150),
    Target(name="imap-login-world", play=_login, seeds=_LOGINS, words=_WORDS, runs=60),
    Target(name="pop3", play=_pop3(TLS), seeds=_POP3, words=_POP3_WORDS),
    Target(name="pop3-clear", play=_pop3(CLEAR), seeds=_POP3, words=_POP3_WORDS, runs=200),
    Target(
        name="pop3-world",
        play=_pop3_mailbox,
        seeds=tuple(one.replace(b"AGFubgByaWdodCBvbmU=", b"AGFubgB4") for one in _POP3),
        words=_POP3_WORDS,
        runs=100,
    ),
)
