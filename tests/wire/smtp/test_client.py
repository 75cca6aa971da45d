"""Dialogues of the client engine, each replayed whole and octet by octet, and what it makes of bad servers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.smtp.client_dialogue import CLIENT, Courier, Job, envelope, play
from xtramail.model.address import Address
from xtramail.model.envelope import BodyType, Envelope, ForwardPath, ReversePath
from xtramail.model.outcome import Reply
from xtramail.model.secret import Secret
from xtramail.wire.errors import MisuseError, ProtocolError
from xtramail.wire.smtp.client import SmtpClientConfig, SmtpClientConnection
from xtramail.wire.smtp.client_events import Asked, BodyWanted, Declined, Finished, Goodbye, Ready, Stage, Verdict
from xtramail.wire.smtp.events import Need

ONE = Job(envelope=envelope("bob@example.org"))
TWO = Job(envelope=envelope("bob@example.org", "eve@example.org"))
QUESTION = Job(envelope=envelope("bob@example.org"), ask=True)

PLAIN = """
    S: 220 primary.example.org
    C: EHLO mx.example.org
    S: 250 primary.example.org
"""
PIPELINING = """
    S: 220 primary.example.org
    C: EHLO mx.example.org
    S: 250-primary.example.org
    S: 250-SIZE 1000
    S: 250 PIPELINING
"""
CHUNKING = PIPELINING.replace("S: 250-SIZE 1000", "S: 250-CHUNKING")
TEXT = """
    C: Subject: x
    C:
    C: ..dot
    C: .
"""
BYE = """
    C: QUIT
    S: 221 2.0.0 bye
    END:
"""


@dataclass(frozen=True)
class Case:
    name: str
    jobs: tuple[Job, ...]
    text: str
    verdicts: tuple[tuple[str, ...], ...]
    config: SmtpClientConfig = CLIENT
    starttls: bool = False
    login: bool = False


CASES = [
    Case(
        "one by one without pipelining",
        (TWO,),
        PLAIN
        + """
        C: MAIL FROM:<ann@example.net>
        S: 250 ok
        C: RCPT TO:<bob@example.org>
        S: 550 5.1.1 no bob
        C: RCPT TO:<eve@example.org>
        S: 250 ok
        C: DATA
        S: 354 go
        """
        + TEXT
        + "S: 250 2.0.0 taken\n"
        + BYE,
        (("refused rcpt", "delivered final"),),
    ),
    Case(
        "pipelined",
        (TWO, ONE),
        PIPELINING
        + """
        C: MAIL FROM:<ann@example.net> SIZE=20
        C: RCPT TO:<bob@example.org>
        C: RCPT TO:<eve@example.org>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 451 4.2.1 later
        S: 354 go
        """
        + TEXT
        + """
        S: 250 2.0.0 taken
        C: MAIL FROM:<ann@example.net> SIZE=20
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go
        """
        + TEXT
        + "S: 452 4.3.1 full\n"
        + BYE,
        (("delivered final", "deferred rcpt"), ("deferred final",)),
    ),
    Case(
        "nobody left but the server wants text",
        (ONE,),
        PIPELINING
        + """
        C: MAIL FROM:<ann@example.net> SIZE=20
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 ok
        S: 550 5.1.1 no bob
        S: 354 go
        C: .
        S: 554 no recipients
        """
        + BYE,
        (("refused rcpt",),),
    ),
    Case(
        "an envelope left behind is reset before the next",
        (ONE, ONE),
        PIPELINING
        + """
        C: MAIL FROM:<ann@example.net> SIZE=20
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 ok
        S: 550 5.1.1 no bob
        S: 503 no recipients
        C: RSET
        C: MAIL FROM:<ann@example.net> SIZE=20
        C: RCPT TO:<bob@example.org>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 250 ok
        S: 451 not now
        """
        + BYE,
        (("refused rcpt",), ("deferred data",)),
    ),
    Case(
        "sender refused without pipelining",
        (TWO, ONE),
        PLAIN
        + """
        C: MAIL FROM:<ann@example.net>
        S: 550 5.7.1 not you
        C: MAIL FROM:<ann@example.net>
        S: 451 later
        """
        + BYE,
        (("refused mail", "refused mail"), ("deferred mail",)),
    ),
    Case(
        "all recipients refused without pipelining",
        (ONE, ONE),
        PLAIN
        + """
        C: MAIL FROM:<ann@example.net>
        S: 250 ok
        C: RCPT TO:<bob@example.org>
        S: 550 5.1.1 no bob
        C: RSET
        S: 250 ok
        C: MAIL FROM:<ann@example.net>
        S: 451 later
        """
        + BYE,
        (("refused rcpt",), ("deferred mail",)),
    ),
    Case(
        "sender refused when pipelined",
        (TWO,),
        PIPELINING
        + """
        C: MAIL FROM:<ann@example.net> SIZE=20
        C: RCPT TO:<bob@example.org>
        C: RCPT TO:<eve@example.org>
        C: DATA
        S: 451 4.7.1 greylisted
        S: 503 no mail
        S: 503 no mail
        S: 503 no mail
        """
        + BYE,
        (("deferred mail", "deferred mail"),),
    ),
    Case(
        "helo when ehlo is not known",
        (ONE,),
        """
        S: 220 old
        C: EHLO mx.example.org
        S: 502 what
        C: HELO mx.example.org
        S: 250 old
        C: MAIL FROM:<ann@example.net>
        S: 250 ok
        C: RCPT TO:<bob@example.org>
        S: 250 ok
        C: DATA
        S: 354 go
        """
        + TEXT
        + "S: 250 taken\n"
        + BYE,
        (("delivered final",),),
    ),
    Case(
        "starttls and login",
        (),
        """
        S: 220 primary
        C: EHLO mx.example.org
        S: 250-primary
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go
        T:
        C: EHLO mx.example.org
        S: 250-primary
        S: 250 AUTH LOGIN PLAIN
        C: AUTH PLAIN AGFubgByaWdodA==
        S: 235 2.7.0 welcome
        """
        + BYE,
        (),
        starttls=True,
        login=True,
    ),
    Case(
        "login where plain is not offered",
        (),
        """
        S: 220 primary
        C: EHLO mx.example.org
        S: 250-primary
        S: 250 AUTH=LOGIN
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: YW5u
        S: 334 UGFzc3dvcmQ6
        C: cmlnaHQ=
        S: 235 2.7.0 welcome
        """
        + BYE,
        (),
        config=replace(CLIENT, tls_active=True),
        login=True,
    ),
    Case(
        "chunks",
        (ONE,),
        CHUNKING
        + """
        C: MAIL FROM:<ann@example.net>
        C: RCPT TO:<bob@example.org>
        S: 250 ok
        S: 250 ok
        C: BDAT 14
        C: Subject: x
        C:
        C: BDAT 6
        C: .dot
        C: BDAT 0 LAST
        S: 250 ok
        S: 250 ok
        S: 250 taken
        """
        + BYE,
        (("delivered final",),),
        config=replace(CLIENT, chunking=True),
    ),
    Case(
        "chunks with nobody left",
        (ONE,),
        CHUNKING
        + """
        C: MAIL FROM:<ann@example.net>
        C: RCPT TO:<bob@example.org>
        S: 250 ok
        S: 550 no bob
        """
        + BYE,
        (("refused rcpt",),),
        config=replace(CLIENT, chunking=True),
    ),
    Case(
        "a chunk refused",
        (ONE, ONE),
        CHUNKING
        + """
        C: MAIL FROM:<ann@example.net>
        C: RCPT TO:<bob@example.org>
        S: 250 ok
        S: 250 ok
        C: BDAT 14
        C: Subject: x
        C:
        C: BDAT 6
        C: .dot
        C: BDAT 0 LAST
        S: 552 5.3.4 too large
        S: 503 spoilt
        S: 503 spoilt
        C: RSET
        C: MAIL FROM:<ann@example.net>
        C: RCPT TO:<bob@example.org>
        S: 250 ok
        S: 451 later
        S: 503 no mail
        """
        + BYE,
        (("refused data",), ("deferred mail",)),
        config=replace(CLIENT, chunking=True),
    ),
    Case(
        "421 among the recipients",
        (TWO,),
        PIPELINING
        + """
        C: MAIL FROM:<ann@example.net> SIZE=20
        C: RCPT TO:<bob@example.org>
        C: RCPT TO:<eve@example.org>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 421 4.3.2 going down
        END:
        """,
        (("deferred rcpt", "deferred rcpt"),),
    ),
    Case(
        "421 to the final dot is an answer",
        (ONE,),
        PLAIN
        + """
        C: MAIL FROM:<ann@example.net>
        S: 250 ok
        C: RCPT TO:<bob@example.org>
        S: 250 ok
        C: DATA
        S: 354 go
        """
        + TEXT
        + """
        S: 421 going down
        END:
        """,
        (("deferred final",),),
    ),
    Case(
        "lost after the final dot",
        (TWO,),
        PIPELINING
        + """
        C: MAIL FROM:<ann@example.net> SIZE=20
        C: RCPT TO:<bob@example.org>
        C: RCPT TO:<eve@example.org>
        C: DATA
        S: 250 ok
        S: 550 no bob
        S: 250 ok
        S: 354 go
        """
        + TEXT
        + """
        X:
        END:
        """,
        (("refused rcpt", "unconfirmed final"),),
    ),
    Case(
        "lost before the go-ahead",
        (TWO,),
        PIPELINING
        + """
        C: MAIL FROM:<ann@example.net> SIZE=20
        C: RCPT TO:<bob@example.org>
        C: RCPT TO:<eve@example.org>
        C: DATA
        S: 250 ok
        S: 250 ok
        X:
        END:
        """,
        (("deferred rcpt", "deferred rcpt"),),
    ),
    Case(
        "a message over the server's size is not sent",
        (replace(ONE, chunks=(b"x" * 1001,)),),
        PIPELINING + BYE,
        (("refused local",),),
    ),
    Case(
        "questions on one connection",
        (QUESTION, QUESTION),
        PIPELINING
        + """
        C: MAIL FROM:<>
        C: RCPT TO:<bob@example.org>
        C: RSET
        S: 250 ok
        S: 550 5.1.1 no bob
        S: 250 ok
        C: MAIL FROM:<>
        C: RCPT TO:<bob@example.org>
        C: RSET
        S: 451 later
        S: 503 no mail
        S: 250 ok
        """
        + BYE,
        (),
    ),
    Case(
        "a question without pipelining",
        (QUESTION, QUESTION),
        PLAIN
        + """
        C: MAIL FROM:<>
        S: 250 ok
        C: RCPT TO:<bob@example.org>
        S: 250 ok
        C: RSET
        S: 250 ok
        C: MAIL FROM:<>
        S: 550 no null senders
        """
        + BYE,
        (),
    ),
]


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_dialogue(case: Case, bytewise: bool) -> None:
    courier = play(
        case.text,
        case.jobs,
        bytewise=bytewise,
        config=case.config,
        starttls=case.starttls,
        login=case.login,
    )
    assert tuple(tuple(verdicts) for verdicts in courier.verdicts) == case.verdicts


def greeted(*extensions: str, config: SmtpClientConfig = CLIENT) -> SmtpClientConnection:
    """A connection whose server offers these."""
    connection = SmtpClientConnection(config)
    connection.feed(b"220 hi\r\n")
    connection.next_event()
    connection.hello()
    lines = ["primary", *extensions]
    connection.feed("".join(f"250-{line}\r\n" for line in lines[:-1]).encode() + f"250 {lines[-1]}\r\n".encode())
    assert isinstance(connection.next_event(), Ready)
    return connection


def in_body(*extensions: str, config: SmtpClientConfig = CLIENT) -> SmtpClientConnection:
    connection = greeted("PIPELINING", *extensions, config=config)
    connection.begin(envelope("bob@example.org"), 10)
    connection.feed(b"250 ok\r\n250 ok\r\n" + (b"" if config.chunking else b"354 go\r\n"))
    assert connection.next_event() == BodyWanted(accepted=(0,))
    return connection


def answers(jobs: list[Job], text: str) -> list[Asked]:
    return [event for event in play(text, jobs, bytewise=False).events if isinstance(event, Asked)]


def test_questions_give_the_answer_and_its_stage() -> None:
    texts = {case.name: case.text for case in CASES}
    first, second = answers([QUESTION, QUESTION], texts["questions on one connection"])
    assert (first.stage, first.reply) == (Stage.RCPT, Reply.of(550, "5.1.1", "no bob"))
    assert (second.stage, second.reply) == (Stage.MAIL, Reply.of(451, "", "later"))
    first, second = answers([QUESTION, QUESTION], texts["a question without pipelining"])
    assert (first.stage, first.reply) == (Stage.RCPT, Reply.of(250, "", "ok"))
    assert second.stage is Stage.MAIL


def test_a_question_on_a_lost_connection_has_no_answer() -> None:
    connection = greeted("PIPELINING")
    connection.ask(Address.parse("bob@example.org"))
    connection.lost()
    assert connection.next_event() == Asked(stage=Stage.MAIL, reply=None)
    assert connection.next_event() is Need.CLOSE


def test_the_octets_before_the_final_dot_are_all_but_that() -> None:
    connection = in_body()
    assert connection.body(b".a\r\nb") == b"..a\r\nb"
    assert connection.body_end() == b"\r\n"
    connection.lost()
    event = connection.next_event()
    assert isinstance(event, Finished)
    assert event.outcomes[0].verdict is Verdict.DEFERRED


@pytest.mark.parametrize("chunking", [False, True])
def test_bare_line_ends_are_never_sent(chunking: bool) -> None:
    connection = in_body("CHUNKING", config=replace(CLIENT, chunking=chunking))
    with pytest.raises(MisuseError):
        connection.body(b"a\nb")


def test_a_reply_in_the_middle_of_the_message_ends_it() -> None:
    connection = in_body()
    connection.body(b"text\r\n")
    connection.feed(b"552 5.3.4 enough\r\n")
    event = connection.next_event()
    assert isinstance(event, Finished)
    assert (event.outcomes[0].verdict, event.outcomes[0].stage) == (Verdict.REFUSED, Stage.DATA)
    assert not connection.body_open
    assert connection.next_event() is Need.CLOSE


def test_a_refused_chunk_ends_the_message_early() -> None:
    connection = in_body("CHUNKING", config=replace(CLIENT, chunking=True))
    assert connection.body(b"text") == b"BDAT 4\r\ntext"
    connection.feed(b"452 4.3.1 full\r\n")
    assert isinstance(connection.next_event(), Finished)
    assert not connection.body_open
    assert connection.idle
    assert connection.begin(envelope("bob@example.org"), 10).startswith(b"RSET\r\n")


def test_a_server_that_turns_us_away_is_declined() -> None:
    connection = SmtpClientConnection(CLIENT)
    connection.feed(b"554 5.7.1 no\r\n")
    assert connection.next_event() == Declined(stage=Stage.CONNECT, reply=Reply.of(554, "5.7.1", "no"))
    assert connection.next_event() is Need.CLOSE


@pytest.mark.parametrize("octets", [b"421 busy\r\n", b"450 busy\r\n"])
def test_a_busy_server_is_declined(octets: bytes) -> None:
    connection = SmtpClientConnection(CLIENT)
    connection.feed(octets)
    event = connection.next_event()
    assert isinstance(event, Declined)
    assert event.stage is Stage.CONNECT


def test_421_while_idle_is_a_goodbye() -> None:
    connection = greeted()
    connection.feed(b"421 4.4.2 idle too long\r\n")
    assert isinstance(connection.next_event(), Goodbye)
    assert not connection.idle
    assert connection.next_event() is Need.CLOSE


def test_starttls_refused_goes_on_in_clear() -> None:
    connection = greeted("STARTTLS")
    connection.starttls()
    connection.feed(b"454 4.7.0 not now\r\n")
    event = connection.next_event()
    assert isinstance(event, Declined)
    assert event.stage is Stage.STARTTLS
    assert connection.idle


def test_replies_sent_ahead_of_tls_are_a_protocol_error() -> None:
    connection = greeted("STARTTLS")
    connection.starttls()
    connection.feed(b"220 go\r\n250 evil\r\n")
    with pytest.raises(ProtocolError):
        connection.next_event()
    assert connection.next_event() is Need.CLOSE


def test_what_was_offered_in_clear_is_forgotten() -> None:
    connection = greeted("STARTTLS", "SIZE 10")
    connection.starttls()
    connection.feed(b"220 go\r\n")
    assert connection.next_event() is Need.TLS
    connection.tls_started()
    assert not connection.offers("SIZE")
    assert connection.tls_active
    with pytest.raises(MisuseError):
        connection.begin(envelope("bob@example.org"), 1)


def test_a_password_is_never_sent_in_clear() -> None:
    with pytest.raises(MisuseError):
        greeted("AUTH PLAIN").login("ann", Secret("right"))


def test_a_refused_login_is_declined() -> None:
    connection = greeted("AUTH PLAIN", config=replace(CLIENT, tls_active=True))
    connection.login("ann", Secret("wrong"))
    connection.feed(b"535 5.7.8 no\r\n")
    event = connection.next_event()
    assert isinstance(event, Declined)
    assert event.stage is Stage.AUTH


def test_no_mechanism_in_common_is_declined() -> None:
    connection = greeted("AUTH GSSAPI", config=replace(CLIENT, tls_active=True))
    assert connection.login("ann", Secret("right")) == b""
    assert isinstance(connection.next_event(), Declined)
    assert connection.idle


def test_a_server_that_goes_on_asking_is_told_to_stop() -> None:
    connection = greeted("AUTH PLAIN", config=replace(CLIENT, tls_active=True))
    connection.login("ann", Secret("right"))
    connection.feed(b"334 more\r\n")
    event = connection.next_event()
    assert getattr(event, "octets", b"") == b"*\r\n"


@pytest.mark.parametrize(
    "octets",
    [b"junk\r\n", b"250 ok\r\n250 ok\r\n250 ok\r\n", b"354 go\r\n", b"250-x\r\n" * 101, b"2" * 3000],
)
def test_junk_after_the_final_dot_leaves_the_message_unconfirmed_or_done(octets: bytes) -> None:
    connection = in_body()
    connection.body_end()
    connection.final_dot()
    connection.feed(octets)
    events = []
    for _ in range(3):
        try:
            events.append(connection.next_event())
        except ProtocolError:
            events.append(None)
    finished = [event for event in events if isinstance(event, Finished)]
    assert len(finished) == 1
    expected = Verdict.DELIVERED if octets.startswith(b"250 ") else Verdict.UNCONFIRMED
    assert finished[0].outcomes[0].verdict is expected
    assert connection.next_event() is Need.CLOSE


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.lists(
        st.sampled_from([b"250 ok\r\n", b"354 go\r\n", b"550 no\r\n", b"451 later\r\n", b"421 bye\r\n", b"x\r\n"]),
        max_size=12,
    )
)
def test_any_server_gives_one_outcome_for_each_recipient(replies: list[bytes]) -> None:
    courier = Courier(jobs=deque([TWO, ONE]))
    courier.hear(b"220 hi\r\n")
    courier.hear(b"250-x\r\n250 PIPELINING\r\n")
    try:
        courier.hear(b"".join(replies))
        courier.lose()
    except ProtocolError:
        courier.run()
    assert courier.need is Need.CLOSE
    begun = courier.output.count(b"MAIL FROM")
    assert [len(event.outcomes) for event in courier.finished] == [2, 1][:begun]


def test_parameters_are_sent_where_they_are_offered() -> None:
    wanted = Envelope(
        reverse_path=ReversePath(
            address=Address.parse("ann@example.net"), body=BodyType.EIGHT_BIT, ret="HDRS", envid="e1"
        ),
        forward_paths=(
            ForwardPath(address=Address.parse("bob@example.org"), notify=("NEVER",), orcpt="rfc822;b@example.org"),
        ),
    )
    full = greeted("PIPELINING", "SIZE", "8BITMIME", "DSN", "SMTPUTF8").begin(wanted, 7).split(b"\r\n")
    assert full[0] == b"MAIL FROM:<ann@example.net> SIZE=7 BODY=8BITMIME RET=HDRS ENVID=e1"
    assert full[1] == b"RCPT TO:<bob@example.org> NOTIFY=NEVER ORCPT=rfc822;b@example.org"
    bare = greeted("PIPELINING").begin(wanted, 7).split(b"\r\n")
    assert bare[:2] == [b"MAIL FROM:<ann@example.net>", b"RCPT TO:<bob@example.org>"]


def test_addresses_beyond_ascii_use_smtputf8() -> None:
    wanted = envelope("bøb@exämple.org")
    sent = greeted("PIPELINING", "SMTPUTF8").begin(wanted, 1).decode().split("\r\n")
    assert sent[:2] == ["MAIL FROM:<ann@example.net> SMTPUTF8", "RCPT TO:<bøb@exämple.org>"]


def test_smtputf8_that_is_not_offered_fails_the_message_only() -> None:
    connection = greeted("PIPELINING")
    assert connection.begin(envelope("bøb@example.org", "eve@example.org"), 1) == b""
    event = connection.next_event()
    assert isinstance(event, Finished)
    assert [(o.verdict, o.stage) for o in event.outcomes] == [(Verdict.REFUSED, Stage.LOCAL)] * 2
    assert event.outcomes[0].reply is not None
    assert event.outcomes[0].reply.enhanced == "5.6.7"
    assert connection.idle


def test_a_domain_beyond_ascii_has_an_ascii_form() -> None:
    sent = greeted("PIPELINING").begin(envelope("bob@exämple.org"), 1)
    assert b"RCPT TO:<bob@xn--exmple-cua.org>\r\n" in sent


def test_local_parts_are_quoted_where_they_need_it() -> None:
    odd = Envelope(
        reverse_path=ReversePath(address=None), forward_paths=(ForwardPath(address=Address("a b>", "example.org")),)
    )
    assert b'RCPT TO:<"a b>"@example.org>\r\n' in greeted("PIPELINING").begin(odd, 1)


@pytest.mark.parametrize("address", [Address("a\r\nb", "example.org"), Address("a", "x>\r\nRSET")])
def test_an_address_cannot_end_a_line(address: Address) -> None:
    odd = Envelope(reverse_path=ReversePath(address=None), forward_paths=(ForwardPath(address=address),))
    with pytest.raises(MisuseError):
        greeted("PIPELINING").begin(odd, 1)


def test_commands_out_of_turn_are_misuse() -> None:
    connection = SmtpClientConnection(CLIENT)
    for command in (connection.hello, connection.starttls, connection.quit, connection.final_dot, connection.body_end):
        with pytest.raises(MisuseError):
            command()
    with pytest.raises(MisuseError):
        connection.tls_started()
    with pytest.raises(MisuseError):
        greeted().begin(Envelope(reverse_path=ReversePath(address=None), forward_paths=()), 1)
