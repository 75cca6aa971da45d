"""How long an SMTP connection is waited for, at each of its steps."""

from __future__ import annotations

from tests.net.smtp_line import Bench
from xtramail.wire.smtp.server import Role

SESSION = (
    b"EHLO mail.sender.example\r\n"
    b"MAIL FROM:<zoe@sender.example> SIZE=100\r\n"
    b"RCPT TO:<ann@local.example>\r\n"
    b"RCPT TO:<nobody@local.example>\r\n"
    b"RCPT TO:<ray@relay.example>\r\n"
    b"DATA\r\n"
)


def test_a_silent_client_is_told_to_go_after_five_minutes() -> None:
    bench = Bench()
    bench.say(b"EHLO a\r\n")
    bench.pass_time(299)
    assert bench.codes(b"NOOP\r\n") == [250]
    bench.pass_time(299)
    assert not bench.closed
    bench.pass_time(2)
    assert bench.said().startswith(b"421 4.4.2")
    assert bench.closed


def test_octets_of_an_unfinished_command_do_not_move_the_time() -> None:
    bench = Bench()
    for _ in range(6):
        bench.protocol.dataReceived(b"N")
        bench.pass_time(60)
    assert bench.closed


def test_connections_are_scarce_and_patience_is_short() -> None:
    bench = Bench(connections=1)
    bench.say(b"EHLO a\r\n")
    bench.pass_time(11)
    assert bench.closed


def test_nobody_stays_without_a_login() -> None:
    bench = Bench(Role.SUBMISSION)
    for _ in range(7):
        bench.say(b"NOOP\r\n")
        bench.pass_time(9)
    assert bench.closed


def test_a_login_takes_the_deadline_away() -> None:
    bench = Bench(Role.SUBMISSION)
    bench.log_in()
    bench.pass_time(200)
    assert not bench.closed
    assert bench.codes(b"NOOP\r\n") == [250]


def test_a_handshake_that_is_not_finished_is_cut() -> None:
    bench = Bench(tls_active=True)
    bench.pass_time(16)
    assert bench.line.aborted
    assert bench.said() == b""


def test_starttls_beyond_the_limit_of_handshakes_waits_for_its_turn() -> None:
    bench = Bench(handshakes_per_address=1)
    first, answers = bench.protocol, list[int]()
    answers += bench.codes(b"EHLO a\r\nSTARTTLS\r\n")
    second = bench.open()
    answers += bench.codes(b"EHLO b\r\nSTARTTLS\r\n")
    assert answers == [220, 250, 220, 220, 250, 220]
    assert not bench.line.reading
    first.handshakeCompleted()
    assert bench.line.reading
    second.handshakeCompleted()
    assert bench.codes(b"EHLO b\r\n") == [250]


def test_a_slow_text_is_cut_after_its_grace() -> None:
    bench = Bench()
    bench.say(SESSION)
    for _ in range(59):
        bench.say(b"a")
        bench.pass_time(1)
    assert not bench.closed
    for _ in range(3):
        bench.say(b"a")
        bench.pass_time(1)
    assert bench.said().startswith(b"421 4.4.2") or bench.closed
    assert bench.world.mailbox(bench.world.ann) == []


def test_a_text_of_modem_speed_passes() -> None:
    bench = Bench()
    bench.say(SESSION)
    for _ in range(200):
        bench.say(b"x" * 518 + b"\r\n")
        bench.pass_time(1)
    assert not bench.closed
    assert bench.codes(b".\r\n") == [250]


def test_our_own_slowness_is_not_the_peers() -> None:
    bench = Bench()
    bench.say(SESSION)
    bench.world.engine.pause()
    bench.say((b"x" * 98 + b"\r\n") * 3000)
    bench.pass_time(2_000)
    assert not bench.closed
    bench.world.engine.resume()
    assert bench.codes(b".\r\n") == [250]
