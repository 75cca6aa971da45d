from __future__ import annotations

import base64

import pytest

from tests.net.smtp_line import Bench, codes, one_by_one, plain
from xtramail.directory.aliases import add_alias
from xtramail.directory.domain_aliases import add_domain_alias
from xtramail.model.errors import StoreFault, StoreFull
from xtramail.model.outcome import Reply
from xtramail.model.pending import Pending, drive
from xtramail.wire.smtp.server import Role

SESSION = (
    b"EHLO mail.sender.example\r\n"
    b"MAIL FROM:<zoe@sender.example> SIZE=100\r\n"
    b"RCPT TO:<ann@local.example>\r\n"
    b"RCPT TO:<nobody@local.example>\r\n"
    b"RCPT TO:<ray@relay.example>\r\n"
    b"DATA\r\n"
)
TEXT = b"Subject: hi\r\n\r\n..dots\r\nend\r\n.\r\n"
ANSWERS = [220, 250, 250, 250, 550, 250, 354, 250, 221]


def deliver(bench: Bench, text: bytes = TEXT) -> list[int]:
    return bench.codes(b"EHLO a.example\r\nMAIL FROM:<z@sender.example>\r\nRCPT TO:<ann@local.example>\r\n") + (
        bench.codes(b"DATA\r\n") + bench.codes(text)
    )


def test_a_whole_dialogue() -> None:
    bench = Bench()
    found = codes(bench.said()) + bench.codes(SESSION) + bench.codes(TEXT) + bench.codes(b"QUIT\r\n")
    assert found == ANSWERS
    (row,) = bench.world.mailbox(bench.world.ann)
    stored = bench.world.octets(row)
    assert stored.endswith(b"\r\nSubject: hi\r\n\r\n.dots\r\nend\r\n")
    assert b"from mail.sender.example ([192.0.2.7])\r\n\tby mx.host.example (xtramail) with ESMTP\r\n" in stored
    assert len(bench.world.queue()) == 1
    assert bench.closed


def test_the_same_byte_by_byte() -> None:
    bench = Bench()
    said = bench.said()
    for octet in one_by_one(SESSION + TEXT + b"QUIT\r\n"):
        said += bench.say(octet)
    assert codes(said) == ANSWERS
    assert bench.world.octets(bench.world.mailbox(bench.world.ann)[0]).endswith(b"\r\n\r\n.dots\r\nend\r\n")


def test_bdat_delivers_the_same() -> None:
    bench = Bench()
    bench.say(SESSION.removesuffix(b"DATA\r\n"))
    assert bench.codes(b"BDAT 15\r\nSubject: hi\r\n\r\nBDAT 6 LAST\r\n.dot\r\n") == [250, 250]
    assert bench.world.octets(bench.world.mailbox(bench.world.ann)[0]).endswith(b"\r\n\r\n.dot\r\n")


def test_several_messages_on_one_connection() -> None:
    bench = Bench()
    for _ in range(3):
        assert deliver(bench)[-1] == 250
    assert len(bench.world.mailbox(bench.world.ann)) == 3
    assert len({row.object_id for row in bench.world.mailbox(bench.world.ann)}) == 3


def test_the_reply_comes_only_after_the_commit() -> None:
    bench = Bench()
    bench.say(SESSION)
    bench.world.engine.pause()
    assert bench.say(TEXT + b"NOOP\r\n") == b""
    bench.world.engine.resume()
    assert codes(bench.said()) == [250, 250]


@pytest.mark.parametrize(("error", "code"), [(StoreFull(), 452), (StoreFault(), 451)])
def test_a_commit_that_fails_is_a_temporary_failure_and_the_connection_goes_on(error: Exception, code: int) -> None:
    bench = Bench()
    bench.say(SESSION)
    bench.world.engine.fail_next(error)
    assert bench.codes(TEXT) == [code]
    assert deliver(bench)[-1] == 250
    assert len(bench.world.mailbox(bench.world.ann)) == 1


def test_a_bug_in_the_commit_is_never_250() -> None:
    bench = Bench()
    bench.say(SESSION)
    bench.world.engine.fail_next(RuntimeError("broken"))
    assert bench.codes(TEXT) == [421]
    assert bench.closed


def test_a_connection_that_is_cut_in_the_text_delivers_nothing() -> None:
    bench = Bench()
    bench.say(SESSION)
    bench.say(TEXT[:-2])
    bench.protocol.connectionLost()
    assert bench.world.mailbox(bench.world.ann) == []
    assert bench.world.queue() == []
    assert bench.timers() == 0


def test_a_connection_that_is_cut_after_the_dot_was_accepted_all_the_same() -> None:
    bench = Bench()
    bench.say(SESSION)
    bench.world.engine.pause()
    bench.say(TEXT)
    bench.protocol.connectionLost()
    bench.world.engine.resume()
    assert len(bench.world.mailbox(bench.world.ann)) == 1
    assert bench.timers() == 0


@pytest.mark.parametrize("inner", [b"\nMAIL", b"\r\rMAIL", b"a\0b", b"\n.\r\nMAIL FROM:<x@y.example>\r\n"])
def test_bare_line_ends_are_refused_and_deliver_nothing(inner: bytes) -> None:
    bench = Bench()
    bench.say(SESSION)
    assert bench.say(b"Subject: x\r\n\r\n" + inner + b"\r\n.\r\n").startswith(b"550 5.6.11")
    assert bench.closed
    assert bench.world.mailbox(bench.world.ann) == []


def test_a_question_to_the_primary_holds_up_what_follows_it() -> None:
    bench = Bench()
    waiting: Pending[Reply] = Pending()
    bench.world.primary.ask = lambda domain, address: waiting  # type: ignore[method-assign]
    bench.said()
    two = b"RCPT TO:<eve@ask.example>\r\nRCPT TO:<ann@local.example>\r\n"
    assert bench.codes(b"EHLO a\r\nMAIL FROM:<>\r\n" + two) == [250, 250]
    waiting.settle(Reply.of(250, "2.1.5", "ok"))
    assert codes(bench.said()) == [250, 250]


@pytest.mark.parametrize("sender", [b"zoe@sender.example", b"", b"ann@local.example"])
@pytest.mark.parametrize(
    "recipient",
    [
        b"victim@outside.example",
        b"victim%outside.example@relay.example",
        b"victim%outside.example",
        b"victim@outside.example@relay.example",
        b'"victim@outside.example"',
        b'"victim@outside.example"@relay.example',
        b'"victim%outside.example"@relay.example',
        b"@relay.example:victim@outside.example",
        b"@local.example,@relay.example:victim@outside.example",
        b"outside.example!victim@relay.example",
        b"outside.example!victim",
        b"relay.example!outside.example!victim",
        b"victim@[192.0.2.7]",
        b"victim@[IPv6:::1]",
        b"victim%outside.example@[127.0.0.1]",
        b"victim@relay.example.outside.example",
        b"victim@outside.example.",
    ],
)
def test_no_spelling_on_the_wire_makes_us_relay(sender: bytes, recipient: bytes) -> None:
    bench = Bench()
    bench.say(b"EHLO a\r\nMAIL FROM:<" + sender + b">\r\n")
    (code,) = bench.codes(b"RCPT TO:<" + recipient + b">\r\n")
    assert 500 <= code < 600
    assert bench.codes(b"DATA\r\n")[0] in (503, 554)
    assert bench.world.queue() == []


# Backpressure.


def test_a_peer_is_not_read_while_the_store_is_behind() -> None:
    bench = Bench()
    bench.say(SESSION)
    bench.world.engine.pause()
    sent = 0
    while bench.line.reading and sent < 8 << 20:
        bench.protocol.dataReceived(b"x" * 998 + b"\r\n" + b"y" * 998 + b"\r\n")
        sent += 2000
    assert 65_000 < sent < 1 << 20
    bench.world.engine.resume()
    assert bench.line.reading
    assert bench.codes(b".\r\n") == [250]
    assert bench.world.mailbox(bench.world.ann)[0].size > sent


def test_a_peer_that_does_not_read_is_not_answered_on_and_on() -> None:
    bench = Bench()
    bench.say(b"EHLO a\r\n")
    bench.protocol.pauseProducing()
    assert bench.say(b"NOOP\r\n" * 20) == b""
    bench.protocol.dataReceived(b"VRFY x\r\n" * 10_000)
    assert not bench.line.reading
    bench.protocol.resumeProducing()
    assert codes(bench.said())[:20] == [250] * 20


# STARTTLS and logins.


def test_what_was_said_before_tls_is_forgotten() -> None:
    bench = Bench()
    bench.said()
    bench.say(b"EHLO a\r\nMAIL FROM:<z@sender.example>\r\n")
    bench.say(b"RSET\r\n")
    assert bench.codes(b"STARTTLS\r\n") == [220]
    assert bench.line.tls == ["the context"]
    assert bench.say(b"") == b""
    bench.protocol.handshakeCompleted()
    assert bench.codes(b"MAIL FROM:<z@sender.example>\r\n") == [503]
    assert deliver(bench)[-1] == 250
    stored = bench.world.octets(bench.world.mailbox(bench.world.ann)[0])
    assert b"with ESMTPS\r\n\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tid " in stored


def test_plain_text_behind_starttls_is_never_obeyed() -> None:
    bench = Bench()
    bench.say(b"EHLO a\r\n")
    bench.say(b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<z@sender.example>\r\n")
    assert bench.closed
    assert bench.line.tls == []


@pytest.mark.parametrize("command", [b"MAIL FROM:<ann@local.example>\r\n", plain("ann@local.example", "right")])
def test_submission_wants_tls_first(command: bytes) -> None:
    bench = Bench(Role.SUBMISSION)
    bench.say(b"EHLO a\r\n")
    assert bench.codes(command)[0] in (530, 538)
    assert bench.passwords.tried == []


def test_port_25_has_no_login() -> None:
    bench = Bench()
    assert b"AUTH" not in bench.say(b"EHLO a\r\n")
    assert bench.codes(plain("ann@local.example", "right")) == [503]


def test_a_user_logs_in_and_submits() -> None:
    bench = Bench(Role.SUBMISSION)
    assert codes(bench.log_in()) == [235]
    bench.say(b"MAIL FROM:<ann@local.example>\r\nRCPT TO:<bob@local.example>\r\nDATA\r\n")
    assert bench.codes(b"From: ann@local.example\r\n\r\nhi\r\n.\r\n") == [250]
    assert len(bench.world.mailbox(bench.world.bob)) == 1
    assert len(bench.world.mailbox(bench.world.ann, "Sent")) == 1
    assert b"with ESMTPSA" in bench.world.octets(bench.world.mailbox(bench.world.bob)[0])


def test_a_submission_byte_by_byte() -> None:
    bench = Bench(Role.SUBMISSION)
    bench.start_tls()
    said = b""
    for octet in one_by_one(
        b"EHLO a\r\n" + plain("ann@local.example", "right") + b"MAIL FROM:<ann@local.example>\r\n"
        b"RCPT TO:<bob@local.example>\r\nRCPT TO:<far@sender.example>\r\nDATA\r\n"
        b"From: ann@local.example\r\nBcc: far@sender.example\r\n\r\n..hi\r\n.\r\nQUIT\r\n"
    ):
        said += bench.say(octet)
    assert codes(said) == [250, 235, 250, 250, 250, 354, 250, 221]
    (row,) = bench.world.mailbox(bench.world.bob)
    assert bench.world.octets(row).endswith(b"From: ann@local.example\r\n\r\n.hi\r\n")
    (sent,) = bench.world.mailbox(bench.world.ann, "Sent")
    assert b"\r\nBcc: far@sender.example\r\n" in bench.world.octets(sent)


@pytest.mark.parametrize("sender", [b"bob@local.example", b"x@outside.example"])
def test_a_stranger_to_an_address_may_not_use_it(sender: bytes) -> None:
    bench = Bench(Role.SUBMISSION)
    bench.log_in()
    assert bench.say(b"MAIL FROM:<" + sender + b">\r\n").startswith(b"553 5.7.1")


def test_auth_login_as_outlook_does_it() -> None:
    bench = Bench(Role.SUBMISSION)
    bench.start_tls()
    bench.say(b"EHLO [192.168.0.2]\r\n")
    assert bench.say(b"AUTH LOGIN\r\n") == b"334 VXNlcm5hbWU6\r\n"
    assert bench.say(base64.b64encode(b"ann@local.example") + b"\r\n") == b"334 UGFzc3dvcmQ6\r\n"
    assert bench.codes(base64.b64encode(b"right") + b"\r\n") == [235]


def test_outlook_logs_in_with_an_initial_response_from_a_host_with_underscores_and_puts_spaces_behind_colons() -> None:
    bench = Bench(Role.SUBMISSION)
    bench.start_tls()
    assert b"250 AUTH PLAIN LOGIN\r\n" in bench.say(b"EHLO OFFICE_PC_12\r\n")
    user, password = base64.b64encode(b"ann@local.example"), base64.b64encode(b"right")
    assert bench.say(b"AUTH LOGIN " + user + b"\r\n") == b"334 " + base64.b64encode(b"Password:") + b"\r\n"
    assert bench.codes(password + b"\r\n") == [235]
    assert bench.codes(b"MAIL FROM: <ann@local.example>\r\nRCPT TO: <bob@local.example>\r\n") == [250, 250]


def test_failed_logins_are_answered_later_and_later_and_five_are_enough() -> None:
    bench = Bench(Role.SUBMISSION)
    bench.start_tls()
    bench.say(b"EHLO a\r\n")
    for delay in (1, 2, 4, 8, 8):
        assert bench.say(plain("ann@local.example", "wrong")) == b""
        bench.clock.advance(delay - 0.01)
        assert bench.said() == b""
        bench.clock.advance(0.02)
        assert bench.said().startswith(b"535 5.7.8 Login failed. Accounts with two-step sign-in")
    assert bench.closed


def test_a_full_pool_is_not_a_wrong_password() -> None:
    bench = Bench(Role.SUBMISSION)
    bench.passwords.busy = True
    bench.log_in()
    bench.clock.advance(0.5)
    assert bench.said().startswith(b"454 4.7.0")
    bench.passwords.busy = False
    assert bench.codes(plain("ann@local.example", "right")) == [235]


def test_a_login_ends_when_its_account_changes() -> None:
    bench = Bench(Role.SUBMISSION)
    bench.log_in()
    bench.world.change_account(bench.world.ann, status="disabled")
    assert bench.said().startswith(b"421 4.7.0")
    assert bench.closed


def test_a_login_that_ends_while_an_answer_is_made_ends_behind_that_answer() -> None:
    bench = Bench(Role.SUBMISSION)
    waiting: Pending[Reply] = Pending()
    bench.world.primary.ask = lambda domain, address: waiting  # type: ignore[method-assign]
    bench.log_in()
    assert bench.codes(b"MAIL FROM:<ann@local.example>\r\nRCPT TO:<eve@ask.example>\r\nDATA\r\n") == [250]
    bench.world.change_account(bench.world.ann, status="disabled")
    assert bench.said() == b""
    waiting.settle(Reply.of(250, "2.1.5", "ok"))
    assert codes(bench.said()) == [250, 421], "no DATA after it"
    assert bench.closed


def test_a_login_is_counted_with_its_account() -> None:
    bench = Bench(Role.SUBMISSION, logged_in_per_account=1)
    assert codes(bench.log_in()) == [235]
    first = bench.protocol
    bench.open()
    assert codes(bench.log_in()) == [421]
    first.connectionLost()
    bench.open()
    assert codes(bench.log_in()) == [235]


# Limits, errors, the end.


def test_one_connection_too_many_is_turned_away() -> None:
    bench = Bench(unauthenticated_per_address=1)
    bench.open()
    assert bench.said().startswith(b"421 4.7.0")
    assert bench.closed
    bench.open("192.0.2.8")
    assert bench.said().startswith(b"220")


def test_a_place_is_free_again_when_its_connection_ends() -> None:
    bench = Bench(unauthenticated_per_address=1)
    bench.protocol.connectionLost()
    bench.open()
    assert bench.said().startswith(b"220")


def test_a_client_of_many_errors_is_slowed_and_sent_away() -> None:
    bench = Bench()
    bench.said()
    bench.say(b"EHLO a\r\n" + b"FOO\r\n" * 9)
    assert bench.codes(b"FOO\r\n" * 15) != [500] * 15
    for _ in range(30):
        bench.clock.advance(1)
    assert b"421" in bench.said()
    assert bench.closed


def test_a_connection_that_goes_away_leaves_no_timer_behind() -> None:
    bench = Bench(Role.SUBMISSION)
    bench.log_in(password="wrong")
    bench.protocol.connectionLost()
    assert bench.timers() == 0
    assert bench.limits.connections("submission") == 0


def test_drain_lets_a_message_be_finished() -> None:
    bench = Bench()
    bench.say(SESSION)
    bench.protocol.dataReceived(TEXT[:5])
    gone: list[None] = []
    bench.service.drain().addCallback(gone.append)
    assert not bench.closed
    assert bench.codes(TEXT[5:]) == [250, 421]
    assert bench.closed
    bench.protocol.connectionLost()
    assert gone == [None]


def test_drain_sends_idle_clients_away() -> None:
    bench = Bench()
    bench.said()
    bench.service.drain()
    assert bench.said().startswith(b"421 4.3.2")
    bench.open()
    assert bench.said().startswith(b"421 4.3.2")


def test_what_is_left_after_the_drain_is_cut() -> None:
    bench = Bench()
    bench.say(SESSION)
    bench.service.drain()
    bench.service.cut()
    assert bench.line.aborted


def test_a_peer_that_does_not_take_our_last_words_is_cut() -> None:
    bench = Bench()
    bench.say(b"QUIT\r\n")
    assert not bench.line.aborted
    bench.clock.advance(11)
    assert bench.line.aborted


def test_an_ipv4_peer_on_an_ipv6_socket_is_named_as_ipv4() -> None:
    bench = Bench()
    bench.open("::ffff:203.0.113.9")
    deliver(bench)
    assert b"([203.0.113.9])" in bench.world.octets(bench.world.mailbox(bench.world.ann)[0])


def test_http_gets_no_answer() -> None:
    bench = Bench()
    bench.said()
    assert b"200" not in bench.say(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<>\r\n")
    assert bench.closed


def test_a_message_over_the_limit_is_refused_early_and_late() -> None:
    bench = Bench(size_limit=1000)
    bench.said()
    assert bench.codes(b"EHLO a\r\nMAIL FROM:<z@sender.example> SIZE=1001\r\n") == [250, 552]
    assert deliver(bench, b"x" * 998 + b"\r\n" + b"y\r\n.\r\n")[-1] == 552
    assert bench.world.mailbox(bench.world.ann) == []
    assert deliver(bench)[-1] == 250


def test_a_whole_dialogue_with_aliases_and_reports_of_what_was_sent_on() -> None:
    bench = Bench()
    drive(add_alias(bench.world.desk, "team@local.example", ["ann@local.example", "zed@far.example"]))
    drive(add_domain_alias(bench.world.desk, "bücher.example", "local.example"))
    bench.said()
    named = (
        b"EHLO mail.sender.example\r\n"
        b"MAIL FROM:<zoe@sender.example>\r\n"
        b"RCPT TO:<Team@xn--BCHER-kva.example>\r\n"
        b'RCPT TO:<"ann+shop"@local.example>\r\n'
        b"RCPT TO:<nobody@xn--bcher-kva.example>\r\n"
        b"DATA\r\n"
    )
    assert bench.codes(named) == [250, 250, 250, 250, 550, 354]
    assert bench.codes(TEXT) == [250]
    assert len(bench.world.mailbox(bench.world.ann)) == 1
    (entry,) = bench.world.queue()
    sender = entry.sender.encode()
    assert sender.startswith(b"SRS0=") and sender.endswith(b"=sender.example=zoe@local.example")
    for path, text in (
        (sender, b"250 2.1.5 <"),
        (sender.replace(b"zoe", b"eve"), b"550 5.1.1 No mail was forwarded under this address lately"),
        (b"SRS0=aaaaaaaa=aa=sender.example=zoe@local.example", b"550 5.1.1 No mail was forwarded"),
    ):
        assert bench.say(b"MAIL FROM:<>\r\nRCPT TO:<" + path + b">\r\nRSET\r\n").splitlines()[1].startswith(text)
    answer = bench.say(b"MAIL FROM:<spam@sender.example>\r\nRCPT TO:<" + sender + b">\r\nRSET\r\n").splitlines()[1]
    assert answer == b"550 5.7.1 This address takes reports of forwarded mail, with the null sender"
    report = b"MAIL FROM:<>\r\nRCPT TO:<" + sender.lower() + b">\r\nDATA\r\n" + TEXT
    assert bench.codes(report) == [250, 250, 354, 250]
    assert [one.recipients[0].address for one in bench.world.queue()] == ["zed@far.example", "zoe@sender.example"]
