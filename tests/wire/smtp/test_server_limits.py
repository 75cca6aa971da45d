"""What the server engine does not put up with: smuggling, floods, sizes, wrong forms."""

from __future__ import annotations

import dataclasses

import pytest

from tests.wire.smtp.dialogue import MX, Peer
from xtramail.model.outcome import Reply
from xtramail.wire.smtp.events import Auth, DataEnd, DataRefused, MailFrom
from xtramail.wire.smtp.server import Role

# What a smuggler hopes somebody takes for the end of a message.
FALSE_ENDS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\n.\r",
    b"\r\n\x00.\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n.\r\r\n",
]
SMUGGLED = b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nsmuggled\r\n.\r\n"


def ready() -> Peer:
    peer = Peer(config=MX)
    peer.say(b"EHLO client\r\n")
    return peer


def in_text(*, size_limit: int = 1000) -> Peer:
    peer = Peer(config=dataclasses.replace(MX, size_limit=size_limit))
    peer.say(b"EHLO client\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
    return peer


def in_chunks(*, size_limit: int = 1000) -> Peer:
    peer = Peer(config=dataclasses.replace(MX, size_limit=size_limit))
    peer.say(b"EHLO client\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.org>\r\n")
    return peer


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("false_end", FALSE_ENDS)
def test_a_false_end_never_starts_a_second_message(false_end: bytes, bytewise: bool) -> None:
    peer = in_text()
    text = b"first" + false_end + SMUGGLED
    reply = peer.say_bytewise(text) if bytewise else peer.say(text)
    assert reply.startswith(b"550 5.6.11 ")
    assert reply.count(b"\r\n") == 1
    assert peer.closed
    assert not peer.messages
    assert sum(isinstance(event, MailFrom) for event in peer.events) == 1


@pytest.mark.parametrize("octets", [b"a\rb", b"a\nb", b"a\0b", b"a\r", b"\n"])
def test_bare_line_ends_in_chunks_are_refused(octets: bytes) -> None:
    peer = in_chunks()
    assert peer.code(b"BDAT %d LAST\r\n%b" % (len(octets), octets)) == "550 5.6.11"
    assert peer.closed
    assert not peer.messages


def test_a_line_end_may_lie_across_two_chunks() -> None:
    peer = in_chunks()
    peer.say(b"BDAT 2\r\na\rBDAT 1 LAST\r\n\n")
    assert peer.messages == [b"a\r\n"]


def test_a_false_end_that_never_ends_is_cut_off_at_twice_the_limit() -> None:
    peer = in_text()
    peer.say(b"a\nb")
    assert peer.say(b"x" * 2001).startswith(b"550 5.6.11 ")
    assert peer.closed


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
def test_a_command_line_of_2048_octets_passes_and_one_more_does_not(bytewise: bool) -> None:
    peer = ready()
    say = peer.say_bytewise if bytewise else peer.say
    assert say(b"NOOP " + b"x" * 2041 + b"\r\n").startswith(b"250 ")
    assert say(b"NOOP " + b"x" * 2042 + b"\r\n").startswith(b"500 5.5.6 ")
    assert say(b"NOOP\r\n").startswith(b"250 ")


def test_no_prefix_of_a_long_line_is_obeyed() -> None:
    peer = ready()
    assert peer.lines(b"QUIT" + b" " * 60_000 + b"\r\nNOOP\r\n") == ["500 5.5.6 line too long", "250 2.0.0 ok"]


def test_a_line_that_does_not_end_closes_after_64_kib() -> None:
    peer = ready()
    assert peer.say(b"x" * 60_000) == b""
    assert peer.say(b"x" * 10_000).startswith(b"500 5.5.6 ")
    assert peer.closed


def test_a_long_line_ended_by_a_bare_lf_closes() -> None:
    peer = ready()
    assert peer.code(b"x" * 3000 + b"\n") == "500 5.5.2"
    assert peer.closed


def test_a_tls_hello_on_a_port_in_clear_is_turned_away_at_once() -> None:
    assert Peer().code(bytes.fromhex("16030100c8010000c40303")) == "500 5.5.2"


def test_an_announced_size_over_the_limit_is_refused_at_mail() -> None:
    peer = ready()
    assert peer.code(b"MAIL FROM:<a@b.example> SIZE=1001\r\n") == "552 5.3.4"
    assert peer.code(b"MAIL FROM:<a@b.example> SIZE=99999999999999999999\r\n") == "552 5.3.4"
    assert peer.code(b"MAIL FROM:<a@b.example> SIZE=1000\r\n") == "250 2.1.0"


@pytest.mark.parametrize("size", [b"", b"=", b"=x", b"=-1", b"=1e3", b"=" + b"9" * 21])
def test_nonsense_for_a_size_is_a_syntax_error(size: bytes) -> None:
    assert ready().code(b"MAIL FROM:<a@b.example> SIZE" + size + b"\r\n") == "501 5.5.4"


def test_a_message_of_just_the_limit_passes() -> None:
    peer = in_text()
    assert peer.code(b"x" * 998 + b"\r\n.\r\n") == "250 2.0.0"


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
def test_a_message_over_the_limit_is_read_to_its_end_and_refused(bytewise: bool) -> None:
    peer = in_text()
    text = b"x" * 999 + b"\r\n.\r\n"
    reply = peer.say_bytewise(text) if bytewise else peer.say(text)
    assert reply.startswith(b"552 5.3.4 ")
    assert not peer.closed
    assert peer.code(b"MAIL FROM:<a@b.example>\r\n") == "250 2.1.0"


def test_a_message_that_does_not_end_is_cut_off_at_twice_the_limit() -> None:
    peer = in_text()
    assert peer.say(b"x" * 2000) == b""
    assert peer.say(b"xx").startswith(b"552 5.3.4 ")
    assert peer.closed


def test_a_chunk_over_twice_the_limit_closes_at_once() -> None:
    peer = in_chunks()
    assert peer.code(b"BDAT 2001\r\n") == "552 5.3.4"
    assert peer.closed


def test_chunks_over_the_limit_together_are_refused() -> None:
    peer = in_chunks()
    assert peer.code(b"BDAT 600\r\n" + b"x" * 600) == "250 2.0.0"
    assert peer.code(b"BDAT 600\r\n" + b"x" * 600) == "552 5.3.4"
    assert peer.code(b"BDAT 5 LAST\r\nQUIT\n") == "503 5.5.1"
    assert peer.code(b"RSET\r\n") == "250 2.0.0"
    assert isinstance(peer.events[-3], DataRefused)


@pytest.mark.parametrize("arguments", [b"", b"x", b"-1", b"99999999999", b"5 LASTS", b"5 LAST LAST"])
def test_a_malformed_chunk_size_closes(arguments: bytes) -> None:
    peer = in_chunks()
    assert peer.code(b"BDAT " + arguments + b"\r\nRSET\r\n") == "501 5.5.4"
    assert peer.closed


def test_an_empty_last_chunk_ends_the_message() -> None:
    peer = in_chunks()
    assert peer.code(b"BDAT 3\r\nabcBDAT 0 LAST\r\n") == "250 2.0.0"
    assert peer.messages == [b"abc"]


def test_a_line_of_a_mebibyte_passes_and_one_more_octet_does_not() -> None:
    mebibyte = 1024 * 1024
    peer = in_text(size_limit=5 * mebibyte)
    assert peer.code(b"short\r\n" + b"x" * mebibyte + b"\r\n.\r\n") == "250 2.0.0"
    peer = in_text(size_limit=5 * mebibyte)
    assert peer.code(b"short\r\n" + b"x" * (mebibyte + 1) + b"\r\n.\r\n") == "550 5.6.0"
    assert not peer.closed


def test_the_thousand_and_first_recipient_is_told_to_come_again() -> None:
    peer = ready()
    peer.say(b"MAIL FROM:<a@b.example>\r\n")
    replies = peer.lines(b"RCPT TO:<bob@example.org>\r\n" * 1200)
    assert replies[999] == "250 2.1.5 recipient ok"
    assert set(replies[1000:]) == {"452 4.5.3 too many recipients; send the rest in another transaction"}
    assert peer.code(b"DATA\r\n") == "354 end"


def test_errors_are_slowed_down_and_the_twentieth_ends_it() -> None:
    peer = ready()
    peer.delays.clear()
    replies = peer.lines(b"WHAT\r\n" * 25)
    assert [line[:3] for line in replies] == ["500"] * 19 + ["421"]
    assert peer.delays == [0.0] * 10 + [1.0] * 10
    assert peer.closed
    assert peer.connection.close_reason


def test_recipients_refused_by_policy_count_as_errors() -> None:
    peer = ready()
    peer.say(b"MAIL FROM:<a@b.example>\r\n")
    replies = peer.lines(b"RCPT TO:<unknown@example.org>\r\n" * 25)
    assert replies[-1].startswith("421 4.7.0 ")
    assert len(replies) == 20


def test_recipients_deferred_by_policy_do_not_count() -> None:
    peer = ready()
    peer.say(b"MAIL FROM:<a@b.example>\r\n")
    assert len(peer.lines(b"RCPT TO:<busy@example.org>\r\n" * 50)) == 50


def test_old_address_books_of_those_who_logged_in_do_not_count() -> None:
    peer = Peer(config=dataclasses.replace(MX, role=Role.SUBMISSION, tls_active=True))
    peer.say(b"EHLO x\r\nAUTH PLAIN AGFubgByaWdodA==\r\nMAIL FROM:<a@b.example>\r\n")
    assert len(peer.lines(b"RCPT TO:<unknown@example.org>\r\n" * 50)) == 50


def test_an_accepted_message_forgives_errors() -> None:
    peer = ready()
    for _ in range(3):
        peer.say(b"WHAT\r\n" * 15)
        peer.say(b"MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
        assert peer.code(b".\r\n") == "250 2.0.0"


@pytest.mark.parametrize("command", [b"NOOP\r\n", b"RSET\r\n", b"VRFY x\r\n", b"HELP\r\n", b"EHLO x\r\n"])
def test_a_hundred_commands_without_mail_end_it(command: bytes) -> None:
    peer = Peer()
    replies = peer.lines(command * 120)
    assert replies[-1].startswith("421 4.7.0 ")
    assert peer.closed


def test_idle_commands_between_messages_are_borne() -> None:
    peer = ready()
    for _ in range(3):
        assert peer.code(b"NOOP\r\n" * 90) == "250 2.0.0"
        peer.say(b"MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
        peer.say(b".\r\n")


def test_the_fifth_failed_login_closes() -> None:
    peer = Peer(config=dataclasses.replace(MX, role=Role.SUBMISSION, tls_active=True))
    peer.say(b"EHLO x\r\n")
    replies = peer.lines(b"AUTH PLAIN AGFubgB3cm9uZw==\r\n" * 6)
    assert [line[:3] for line in replies] == ["535"] * 5
    assert peer.closed


def test_logins_that_cannot_be_checked_now_do_not_count() -> None:
    def busy(event: object) -> Reply | None:
        return Reply.of(454, "4.7.0", "try later") if isinstance(event, Auth) else None

    peer = Peer(config=dataclasses.replace(MX, role=Role.SUBMISSION, tls_active=True), policy=busy)
    peer.say(b"EHLO x\r\n")
    assert len(peer.lines(b"AUTH PLAIN AGFubgB3cm9uZw==\r\n" * 10)) == 10


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "get"])
def test_a_browser_is_not_answered(verb: str) -> None:
    peer = Peer()
    assert peer.say(f"{verb} / HTTP/1.1\r\nHost: x\r\n\r\nQUIT\r\n".encode()) == b""
    assert peer.closed
    assert peer.connection.close_reason == "HTTP on a mail port"


def test_the_buffer_says_when_it_is_full() -> None:
    peer = in_text()
    connection = peer.connection
    assert not connection.full
    connection.feed(b"x" * 70_000)
    assert connection.full


def test_a_large_message_comes_in_chunks_of_at_most_64_kib() -> None:
    peer = in_text(size_limit=10_000_000)
    body = (b"x" * 76 + b"\r\n") * 50_000
    assert peer.code(body + b".\r\n") == "250 2.0.0"
    assert peer.messages == [body]
    assert isinstance(peer.events[-1], DataEnd)


def test_refused_text_tells_the_adapter_to_throw_it_away() -> None:
    peer = in_text()
    peer.say(b"good so far\r\n")
    peer.say(b"bad\n\r\n.\r\n")
    assert isinstance(peer.events[-1], DataRefused)
