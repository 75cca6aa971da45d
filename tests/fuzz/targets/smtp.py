"""SMTP from both sides: a server that hears anything in each role and state, and a client that is answered so."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from random import Random

from tests.delivery.world import World
from tests.fuzz.target import Play, Target, pieces
from tests.net.smtp_line import Bench
from tests.wire.smtp.client_dialogue import Courier, Job, envelope
from tests.wire.smtp.dialogue import Peer
from xtramail.wire.errors import ProtocolError
from xtramail.wire.smtp.client_config import SmtpClientConfig
from xtramail.wire.smtp.client_events import Verdict
from xtramail.wire.smtp.events import Need
from xtramail.wire.smtp.server import Role, SmtpServerConfig

_REPLY = re.compile(rb"(?:[2-5][0-9]{2}(?:-[^\r\n\0]*| [^\r\n\0]+)\r\n)*\Z")
_DEPENDS_ON_CUTS = ("plain text behind STARTTLS", "text before the go-ahead")
_HELLO = {Role.MX: b"EHLO mail.example.net\r\n", Role.SUBMISSION: b"EHLO pc\r\n", Role.LMTP: b"LHLO mda\r\n"}
_LOGIN = b"AUTH PLAIN AGFubgByaWdodA==\r\n"
_TEXT = b"From: a@b.example\r\nTo: c@d.example\r\nSubject: x\r\n\r\nHi.\r\n..\r\n.\r\n"
_DIALOGUES = (
    b"MAIL FROM:<a@b.example> SIZE=100 BODY=8BITMIME\r\nRCPT TO:<c@example.org>\r\nDATA\r\n" + _TEXT + b"QUIT\r\n",
    b'MAIL FROM:<> RET=HDRS ENVID=x+20y\r\nRCPT TO:<"a b"@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@b\r\n'
    b"RCPT TO:<unknown@example.org>\r\nBDAT 10\r\n0123456\r\n\r\nBDAT 4 LAST\r\nab\r\nNOOP\r\nRSET\r\n",
    b"STARTTLS\r\nEHLO again\r\nMAIL FROM:<\xc3\xa4@\xc3\xbc.example> SMTPUTF8\r\nRCPT TO:<x@[IPv6:::1]>\r\nDATA\r\n"
    + _TEXT
    + _TEXT,
    b"AUTH LOGIN\r\nYW5u\r\ncmlnaHQ=\r\nMAIL FROM:<ann@local.example>\r\nRCPT TO:<@a,@b:c@d>\r\nBDAT 0 LAST\r\n",
    b"AUTH PLAIN\r\n*\r\nAUTH PLAIN =\r\nHELP\r\nVRFY ann\r\nEXPN x\r\nETRN y\r\nBDAT 3\r\nabcBDAT 0 "
    b"LAST\r\nDATA\r\n.\r\n",
    b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@example.org>\r\nRCPT TO:<d@example.org>\r\nDATA\r\n" + _TEXT * 2,
)
_WORDS = (
    b"EHLO",
    b"HELO",
    b"LHLO",
    b"MAIL FROM:",
    b"RCPT TO:",
    b"DATA\r\n",
    b"BDAT ",
    b" LAST",
    b"RSET\r\n",
    b"QUIT\r\n",
    b"NOOP\r\n",
    b"STARTTLS\r\n",
    b"AUTH PLAIN ",
    b"AUTH LOGIN ",
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"<>",
    b"<a@b.example>",
    b"<@a:b@c>",
    b'<"\\"@\\ "@x>',
    b" SIZE=",
    b" BODY=BINARYMIME",
    b" SMTPUTF8",
    b" RET=FULL",
    b" ENVID=",
    b" NOTIFY=NEVER",
    b" ORCPT=utf-8;",
    b" ORCPT=rfc822;",
    b"[127.0.0.1]",
    b"[IPv6:",
    b"xn--",
    b"xn--a.",
    b"GET / HTTP/1.1\r\n",
    b"Host: x\r\n",
    b"unknown@example.org",
    b"busy@example.org",
    b"MAIL FROM:<a%b@c>\r\n",
)


def _server(role: Role, *, tls_active: bool) -> Play:
    config = SmtpServerConfig(hostname="mx.example.org", role=role, tls_active=tls_active, size_limit=1000)

    def play(octets: bytes, rng: Random) -> Iterator[None]:
        """The same comes of it however it is cut; every answer has the form of one; texts have whole line ends."""
        whole, cut = Peer(config=config), Peer(config=config)
        hello = _HELLO[role] + (_LOGIN if role is Role.SUBMISSION and tls_active else b"")
        for peer in (whole, cut):
            peer.say(hello)
        yield
        _hear(whole, octets)
        yield
        for piece in pieces(octets, rng):
            _hear(cut, piece)
            yield
        for peer in (whole, cut):
            assert _REPLY.match(peer.output), peer.output
            assert all(len(line) <= 510 for line in peer.output.split(b"\r\n"))
            for message in peer.messages:
                assert len(message) <= 1000 and b"\0" not in message
                assert message.count(b"\r") == message.count(b"\n") == message.count(b"\r\n")
        closed = {whole.connection.close_reason, cut.connection.close_reason}
        if not closed.intersection(_DEPENDS_ON_CUTS) and b"STARTTLS" not in octets.upper():
            assert (whole.output, whole.messages) == (cut.output, cut.messages)

    return play


def _hear(peer: Peer, octets: bytes) -> None:
    peer.say(octets)
    if peer.need is Need.TLS:
        peer.start_tls()
        peer.say(b"EHLO again\r\n")


def _listening(role: Role) -> Play:
    """The whole server, from its transport to its store."""
    world = World()

    def play(octets: bytes, rng: Random) -> Iterator[None]:
        bench = Bench(role, world=world)
        if role is Role.SUBMISSION:
            bench.log_in()
        else:
            bench.say(_HELLO[role])
        for piece in pieces(octets, rng):
            if bench.closed:
                break
            bench.protocol.dataReceived(piece)
            yield
            bench.pass_time(rng.choice((0.0, 1.0, 20.0)))
            if bench.line.tls:
                bench.line.tls.clear()
                bench.protocol.handshakeCompleted()
        said = bench.said()
        assert _REPLY.match(said), said
        bench.protocol.connectionLost()
        assert bench.metrics.registry.get_sample_value("xtramail_bugs_total", {"where": "smtp"}) is None
        assert bench.timers() == 0 or bench.closed

    return play


_ANSWERS = (
    b"220 host ESMTP\r\n250-host\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
    b"250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n220 go\r\n250-host\r\n250-CHUNKING\r\n250 AUTH=LOGIN\r\n235 in\r\n"
    b"250 ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n250 taken\r\n250 ok\r\n250 ok\r\n550 no\r\n221 bye\r\n",
    b"220-x\r\n220 y\r\n502 no\r\n250 host\r\n250 ok\r\n451 4.7.1 later\r\n250 ok\r\n354 go\r\n452 4.2.2 full\r\n"
    b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n250 ok\r\n221 bye\r\n",
    b"220 x\r\n250-x\r\n250-CHUNKING\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 chunk\r\n250 done\r\n"
    b"421 4.3.2 going down\r\n",
    b"554 5.7.1 no\r\n221 bye\r\n",
)
_ANSWER_WORDS = (
    b"220 ",
    b"221 ",
    b"250 ",
    b"250-",
    b"334 ",
    b"334 VXNlcm5hbWU6\r\n",
    b"354 ",
    b"421 4.3.2 bye\r\n",
    b"450 ",
    b"500 5.5.1 what\r\n",
    b"550-5.1.1 a\r\n550 5.1.1 b\r\n",
    b"251 ",
    b"252 ",
    b"999 ",
    b"000 ",
    b"25",
    b"2500 ",
    b"250\r\n",
    b"250-\r\n",
    b"250-SIZE\r\n",
    b"250-SIZE 99999999999999999999\r\n",
    b"250-PIPELINING\r\n",
    b" SIZE 10",
    b"250-CHUNKING\r\n",
    b"250-AUTH =\r\n",
    b"\r\n250 ok\r\n",
    b"5.1.1",
    b"5.999.9999",
    b"2.0.0",
    b"\x1b]0;x\x07",
)


def _client(octets: bytes, rng: Random) -> Iterator[None]:
    """Every recipient has one outcome, whatever a primary says; nothing but whole lines is written to it."""
    wanted = [
        Job(envelope("bob@example.org", "eve@example.org")),
        Job(envelope("unknown@example.org"), ask=True),
        Job(envelope("\u00e4@\u00fc.example"), chunks=(b"x: y\r\n\r\n", b"\xc3\xa4\r\n" * 300)),
    ]
    login = rng.random() < 0.4
    config = SmtpClientConfig(hostname="mx.example.org", tls_active=login)
    courier = Courier(jobs=deque(wanted), config=config, starttls=rng.random() < 0.5, login=login)
    for piece in pieces(octets, rng):
        try:
            courier.hear(piece)
            if courier.need is Need.TLS:
                courier.start_tls()
        except ProtocolError:
            courier.run()
        yield
        if courier.need is Need.CLOSE:
            break
    courier.lose()
    assert courier.need is Need.CLOSE
    assert courier.output.count(b"\r") == courier.output.count(b"\n") == courier.output.count(b"\r\n")
    begun = [job for job in wanted if job not in courier.jobs and not job.ask]
    assert [len(done.outcomes) for done in courier.finished] == [len(job.envelope.forward_paths) for job in begun]
    for outcome in (one for done in courier.finished for one in done.outcomes):
        code = outcome.reply.code if outcome.reply is not None else 0
        assert (outcome.verdict is Verdict.DELIVERED) is (200 <= code < 300), outcome


SMTP = tuple(
    Target(name=name, play=_server(role, tls_active=tls), seeds=_DIALOGUES, words=_WORDS)
    for name, role, tls in (
        ("smtp", Role.MX, False),
        ("submission", Role.SUBMISSION, True),
        ("submission-clear", Role.SUBMISSION, False),
        ("lmtp", Role.LMTP, False),
    )
) + (
    Target(name="smtp-world", play=_listening(Role.MX), seeds=_DIALOGUES, words=_WORDS, runs=60),
    Target(name="submission-world", play=_listening(Role.SUBMISSION), seeds=_DIALOGUES, words=_WORDS, runs=60),
    Target(name="smtp-client", play=_client, seeds=_ANSWERS, words=_ANSWER_WORDS, runs=500),
)
