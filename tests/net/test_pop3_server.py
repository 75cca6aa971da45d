"""Whole POP3 sessions through one connection, with IMAP beside it: maildrop, logins, deadlines, backpressure, drain."""

from __future__ import annotations

import random
import re

import pytest
from msgspec.structs import replace as changed

from tests.imap_world import ANN, MAIL, PASSWORD, SlowClock, TlsTransport
from tests.pop3_world import Pop3World
from xtramail.model.errors import StoreFault
from xtramail.model.pending import Pending
from xtramail.net.limits import LimitSettings
from xtramail.net.pop3_server import Pop3ServerProtocol
from xtramail.store import keys, messages
from xtramail.wire.pop3.config import Pop3ServerConfig

DOTS = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nend\r\n"
NO_TEXT = b"Subject: no text\r\n"
UNIX = b"Subject: unix\n\n.\n-ERR hah\n"
LARGE = b"Subject: large\r\n\r\n" + b"".join(b".%063d\r\n" % number for number in range(20_000))


def world_with(*mails: bytes) -> Pop3World:
    world = Pop3World()
    for mail in mails:
        world.deliver(mail)
    return world


def test_a_pile_of_commands_lets_others_have_their_turn() -> None:
    world = Pop3World(reactor=SlowClock())
    client = world.pop3()
    client.send(b"STAT\r\n" * 80)
    assert 0 < client.transport.value().count(b"+OK") < 5
    assert client.heard().count(b"+OK") == 80


# The dialogue


@pytest.mark.parametrize("bytewise", [False, True])
def test_a_session_lists_reads_deletes_and_quits(bytewise: bool) -> None:
    world = world_with(MAIL, DOTS, NO_TEXT)
    client = world.pop3(bytewise=bytewise)
    sizes = [len(MAIL), len(DOTS), len(NO_TEXT) + 2]
    assert client.greeting == b"+OK xtramail is ready\r\n"
    assert client.say("STAT") == b"+OK 3 %d\r\n" % sum(sizes)
    assert client.lines("LIST") == [f"{number} {size}" for number, size in enumerate(sizes, 1)]
    assert client.say("LIST 2") == b"+OK 2 %d\r\n" % sizes[1]
    ids = client.lines("UIDL")
    assert all(re.fullmatch(rf"{number} \d+\.{number}", line) for number, line in enumerate(ids, 1))
    assert client.say("UIDL 3").decode() == f"+OK {ids[2]}\r\n"
    assert client.message("RETR 1") == MAIL
    assert client.message("RETR 2") == DOTS
    assert client.message("RETR 3") == NO_TEXT + b"\r\n"
    assert client.message("TOP 2 2") == b"Subject: dots\r\n\r\n.\r\n..\r\n"
    assert client.message("TOP 1 0") == MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert client.message("TOP 1 99") == MAIL
    assert client.say("RETR 4", "DELE 4", "LIST 4") == b"-ERR No such message\r\n" * 3
    assert client.say("DELE 1").startswith(b"+OK")
    assert client.say("DELE 1", "RETR 1", "LIST 1", "UIDL 1") == b"-ERR Message is marked as deleted\r\n" * 4
    assert client.say("STAT") == b"+OK 2 %d\r\n" % sum(sizes[1:])
    assert [line.split()[0] for line in client.lines("LIST") + client.lines("UIDL")] == ["2", "3", "2", "3"]
    client.say("RSET")
    assert client.say("STAT") == b"+OK 3 %d\r\n" % sum(sizes)
    client.say("DELE 3")
    assert client.say("QUIT") == b"+OK Goodbye\r\n"
    assert client.closed
    client.lose()
    assert world.pop3().lines("UIDL") == ids[:2]
    assert world.bugs == 0


def test_every_size_told_is_the_size_sent() -> None:
    mails = [MAIL, DOTS, NO_TEXT, UNIX, b"", b"\r\n", b"no end", b"a: b\r\n\r\nno end", b"\n", b"a: b\n\n\r\n.", LARGE]
    client = world_with(*mails).pop3()
    sizes = [int(line.split()[1]) for line in client.lines("LIST")]
    sent = [client.message(f"RETR {number}") for number in range(1, len(mails))]
    assert [len(one) for one in sent] == sizes[:-1]
    assert sizes[-1] == len(LARGE)
    assert all(b"\r\n\r\n" in b"\r\n" + one and one.count(b"\n") == one.count(b"\r\n") for one in sent)
    assert sent[3] == UNIX.replace(b"\n", b"\r\n")


def test_pipelined_commands_are_answered_in_order() -> None:
    world = world_with(MAIL, MAIL)
    client = world.pop3(login=False)
    answer = client.say("USER ann@example.org", f"PASS {PASSWORD}", "STAT", "RETR 1", "DELE 1", "NOOP", "QUIT", "NOOP")
    words = [line.split()[1] for line in answer.decode().splitlines() if line.startswith(("+OK", "-ERR"))]
    assert words == ["Password?", "Logged", "2", "Message", "Marked,", "Done", "Goodbye"]


def test_an_empty_inbox_is_empty_lists() -> None:
    client = Pop3World().pop3()
    assert client.say("STAT") == b"+OK 0 0\r\n"
    assert client.lines("LIST") == client.lines("UIDL") == []


# Deletions


def test_only_quit_deletes_and_what_it_deletes_can_be_recovered() -> None:
    world = world_with(MAIL, DOTS)
    lost = world.pop3()
    lost.say("DELE 1", "DELE 2")
    lost.lose()
    client = world.pop3()
    assert client.say("STAT").startswith(b"+OK 2 ")
    client.say("DELE 2", "QUIT")
    assert world.pop3().say("STAT") == b"+OK 1 %d\r\n" % len(MAIL)
    found = world.engine.read(keys.user_scope(ANN), messages.recoverables)
    assert [(row.uid, row.by) for _, _, row in found] == [(2, "ann@example.org")]


def test_quit_is_answered_when_the_deletions_are_durable() -> None:
    world = world_with(MAIL)
    client = world.pop3()
    client.say("DELE 1")
    world.engine.pause()
    assert client.say("QUIT") == b""
    world.advance(700)
    assert not client.closed
    world.engine.resume()
    assert client.heard() == b"+OK Goodbye\r\n"
    assert client.closed


def test_a_store_that_cannot_write_deletes_nothing_and_says_so() -> None:
    world = world_with(MAIL)
    client = world.pop3()
    client.say("DELE 1")
    world.engine.fail_next(StoreFault())
    assert client.say("QUIT").startswith(b"-ERR [SYS/TEMP] Nothing was deleted")
    assert client.closed
    assert world.pop3().say("STAT").startswith(b"+OK 1 ")


# IMAP beside it


def test_numbers_stay_while_imap_deletes_and_mail_comes() -> None:
    world = world_with(MAIL, DOTS, MAIL)
    pop, imap = world.pop3(), world.client()
    before = pop.lines("LIST")
    imap.say("SELECT INBOX")
    imap.say("STORE 2 +FLAGS (\\Deleted)")
    assert "* 2 EXPUNGE" in imap.say("EXPUNGE")
    world.deliver(MAIL)
    assert pop.lines("LIST") == before
    assert pop.say("RETR 2", "TOP 2 0") == b"-ERR Message no longer exists.\r\n" * 2
    assert pop.message("RETR 3") == MAIL
    assert pop.say("DELE 2", "DELE 3", "QUIT").endswith(b"+OK Goodbye\r\n")
    assert "* 2 EXPUNGE" in imap.say("NOOP")
    assert [line.split(".")[1] for line in world.pop3().lines("UIDL")] == ["1", "4"]


def test_what_imap_moved_before_it_was_measured_is_missing_from_every_list() -> None:
    world = world_with(MAIL, MAIL, MAIL)
    pop, imap = world.pop3(), world.client()
    imap.say("SELECT INBOX")
    imap.say("MOVE 2 Trash")
    assert pop.say("STAT") == b"+OK 2 %d\r\n" % (2 * len(MAIL))
    assert [line.split()[0] for line in pop.lines("LIST") + pop.lines("UIDL")] == ["1", "3", "1", "3"]
    assert pop.say("LIST 2") == b"-ERR Message no longer exists.\r\n"
    assert pop.say("DELE 2", "QUIT").endswith(b"+OK Goodbye\r\n")
    assert "MESSAGES 1" in imap.say("STATUS Trash (MESSAGES)")


def test_two_pop_sessions_do_not_lock_each_other_out() -> None:
    world = world_with(MAIL, DOTS)
    one, two = world.pop3(), world.pop3()
    one.say("DELE 1")
    two.say("DELE 1", "DELE 2")
    assert one.say("QUIT") == two.say("QUIT") == b"+OK Goodbye\r\n"
    assert world.pop3().say("STAT") == b"+OK 0 0\r\n"
    assert len(world.engine.read(keys.user_scope(ANN), messages.recoverables)) == 2


def test_pop_takes_neither_seen_nor_recent_from_imap() -> None:
    world = world_with(MAIL)
    world.pop3().say("RETR 1", "QUIT")
    imap = world.client()
    assert "* 1 RECENT" in imap.say("SELECT INBOX")
    assert "\\Seen" not in imap.say("FETCH 1 FLAGS")


def test_a_new_uid_is_a_new_unique_id() -> None:
    world = world_with(MAIL)
    imap = world.client()
    first = world.pop3().lines("UIDL")
    imap.say("SELECT INBOX")
    imap.say("MOVE 1 Trash")
    imap.say("SELECT Trash")
    imap.say("MOVE 1 INBOX")
    again = world.pop3().lines("UIDL")
    assert len(again) == 1 and again != first


# Logins


@pytest.mark.parametrize(
    "login",
    [["AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl"],
     ["AUTH PLAIN", "AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl"],
     ["AUTH LOGIN YW5uQGV4YW1wbGUub3Jn", "Y29ycmVjdCBob3JzZQ=="],
     ["auth login", "YW5uQGV4YW1wbGUub3Jn", "Y29ycmVjdCBob3JzZQ=="]],
)  # fmt: skip
def test_sasl_logs_in(login: list[str]) -> None:
    client = world_with(MAIL).pop3(login=False)
    assert client.say(*login).endswith(b"+OK Logged in\r\n")
    assert client.say("STAT").startswith(b"+OK 1 ")


def test_failed_logins_are_answered_later_each_time_and_end_the_connection() -> None:
    world = Pop3World()
    client = world.pop3(login=False)
    for delay in (1, 2, 4, 8, 8):
        assert client.say("USER ann@example.org", "PASS wrong") == b"+OK Password?\r\n"
        world.advance(delay - 0.01)
        assert client.heard() == b""
        world.advance(0.02)
        assert client.heard().startswith(b"-ERR [AUTH] ")
    assert client.closed


def test_a_busy_login_is_our_trouble_and_not_a_wrong_password() -> None:
    world = Pop3World()
    world.pop3_login.busy = True
    client = world.pop3(login=False)
    answer = client.say("USER ann@example.org", f"PASS {PASSWORD}").split(b"\r\n")
    assert answer[1].startswith(b"-ERR [SYS/TEMP]") and answer[2:] == [b""]
    assert client.closed


def test_a_client_that_left_during_its_login_holds_nothing() -> None:
    world = world_with(MAIL)
    gate: Pending[None] = Pending()
    world.pop3_login.gate = gate
    client = world.pop3(login=False)
    client.say("USER ann@example.org", f"PASS {PASSWORD}")
    client.lose()
    gate.settle(None)
    world.advance(0)
    assert len(world.services.looks) == 0
    assert world.bugs == 0


def test_a_revoked_login_ends_the_session_at_once() -> None:
    world = world_with(MAIL)
    client = world.pop3()
    client.say("DELE 1")
    world.put_account(changed(world.ann, password_changed=9.0))
    assert client.heard() == b"-ERR [AUTH] This login is no longer valid\r\n"
    assert client.closed
    assert len(world.services.looks) == 0


def test_a_login_that_was_revoked_before_anybody_watched_ends_at_once() -> None:
    world = world_with(MAIL)
    gate: Pending[None] = Pending()
    world.pop3_login.gate = gate
    client = world.pop3(login=False)
    client.say("USER ann@example.org", f"PASS {PASSWORD}")
    world.put_account(changed(world.ann, status="disabled"))
    gate.settle(None)
    world.advance(0)
    assert b"This login is no longer valid" in client.heard()
    assert client.closed


def test_too_many_connections_of_an_account_are_refused() -> None:
    world = Pop3World(limits=LimitSettings(logged_in_per_account=1))
    world.pop3()
    client = world.pop3(login=False)
    assert b"-ERR [SYS/TEMP] Too many" in client.say("USER ann@example.org", f"PASS {PASSWORD}")
    assert not client.closed


# Time, limits, the end


def test_who_does_not_log_in_in_a_minute_is_sent_away_without_a_word() -> None:
    world = Pop3World()
    client = world.pop3(login=False)
    for _ in range(59):
        world.advance(1)
        client.say("CAPA")
    world.advance(1.1)
    assert client.heard() == b"" and client.closed


def test_ten_idle_minutes_end_a_session_that_deletes_nothing() -> None:
    world = world_with(MAIL)
    client = world.pop3()
    client.say("DELE 1")
    world.advance(599)
    client.say("NOOP")
    world.advance(599)
    assert not client.closed
    world.advance(2)
    assert client.heard() == b"" and client.closed
    assert world.pop3().say("STAT").startswith(b"+OK 1 ")


def test_a_large_message_is_read_only_as_fast_as_it_is_taken() -> None:
    world = world_with(LARGE)
    client = world.pop3()
    client.send(b"RETR 1\r\nNOOP\r\n")
    client.protocol.pauseProducing()
    client.transport.clear()
    client.send(b"RETR 1\r\n")
    assert client.heard() == b""
    client.protocol.resumeProducing()
    answer = client.heard()
    assert answer.endswith(b"\r\n.\r\n")
    taken = 0
    write = client.transport.write

    def slow(octets: bytes) -> None:
        nonlocal taken
        taken += len(octets)
        write(octets)
        client.protocol.pauseProducing()

    client.transport.write = slow  # type: ignore[method-assign]
    client.send(b"RETR 1\r\n")
    assert 0 < taken < 200_000
    while taken < len(LARGE):
        before = taken
        client.protocol.resumeProducing()
        assert before < taken <= before + 200_000


def test_a_peer_that_does_not_read_is_cut_after_ten_minutes() -> None:
    world = world_with(LARGE)
    client = world.pop3()
    client.protocol.pauseProducing()
    client.send(b"RETR 1\r\n")
    world.advance(601)
    assert client.transport.aborted


def test_what_is_sent_while_a_login_waits_is_not_read_without_bound() -> None:
    world = Pop3World()
    world.pop3_login.gate = Pending()
    client = world.pop3(login=False)
    client.send(f"USER ann@example.org\r\nPASS {PASSWORD}\r\n".encode())
    client.send(b"NOOP\r\n" * 20_000)
    assert client.transport.producerState == "paused"


def test_a_stop_lets_a_session_come_to_its_quit() -> None:
    world = world_with(MAIL)
    idle, working, silent = world.pop3(login=False), world.pop3(), world.pop3()
    working.say("DELE 1")
    drained = world.pop3_service.drain()
    assert idle.heard().startswith(b"-ERR [SYS/TEMP]") and idle.closed
    world.advance(3)
    working.say("NOOP")
    world.advance(3)
    assert silent.closed and not working.closed
    assert working.say("QUIT") == b"+OK Goodbye\r\n"
    for client in (idle, working, silent):
        client.lose()
    assert drained.called


def test_a_connection_over_the_limit_is_cut_before_its_handshake() -> None:
    world = Pop3World(limits=LimitSettings(unauthenticated_per_address=1))
    world.pop3(login=False)
    assert world.pop3(login=False).transport.aborted


def test_a_handshake_beyond_the_limit_is_not_read_until_its_turn() -> None:
    world = Pop3World(limits=LimitSettings(handshakes_per_address=1))
    lines = [TlsTransport(), TlsTransport()]
    protocols = [Pop3ServerProtocol(world.pop3_service) for _ in lines]
    for protocol, line in zip(protocols, lines, strict=True):
        protocol.makeConnection(line)
    assert [line.producerState for line in lines] == ["producing", "paused"]
    protocols[0].connectionLost()
    assert lines[1].producerState == "producing"
    protocols[1].handshakeCompleted()
    assert lines[1].value().startswith(b"+OK")


def test_without_tls_no_login_is_taken() -> None:
    world = Pop3World(config=Pop3ServerConfig(tls_active=False, starttls=True))
    client = world.pop3(login=False)
    assert client.greeting.startswith(b"+OK")
    assert client.say("USER ann@example.org").startswith(b"-ERR No login without TLS")
    assert b"\r\nSTLS\r\n" in client.say("CAPA")


def test_a_damaged_message_is_refused_and_the_others_are_served() -> None:
    world = world_with(MAIL, DOTS)
    client = world.pop3()
    client.say("LIST")
    places = world.engine.read(keys.user_scope(ANN), lambda snap: [
        (bucket, row.body.id) for bucket in snap.buckets() if bucket
        for uid, row in messages.message_rows(snap, 1, bucket, 1, 1)
    ])  # fmt: skip
    for bucket, body in places:
        world.engine.transact(keys.BODY, lambda txn, b=bucket, i=body: txn.delete(b, keys.body_chunk(i, 0)))  # type: ignore[misc]
    assert client.say("RETR 1").startswith(b"-ERR ")
    assert client.message("RETR 2") == DOTS


WORDS = ("USER", "PASS", "AUTH", "CAPA", "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "RSET", "NOOP", "QUIT", "STLS",
         "1", "2", "3", "0", "-1", "99999999999", "x" * 600, "\x80\xff", "", "PLAIN", "=", "*")  # fmt: skip


@pytest.mark.parametrize("seed", range(10))
def test_random_words_never_find_a_bug_and_only_quit_changes_the_maildrop(seed: int) -> None:
    rng = random.Random(seed)
    world = world_with(MAIL, UNIX, DOTS, NO_TEXT)
    left = {1, 2, 3, 4}
    for _ in range(20):
        numbers = dict(enumerate(sorted(left), 1))
        client = world.pop3()
        marked: set[int] = set()
        for _ in range(25):
            words = [rng.choice(WORDS[:14] if rng.random() < 0.9 else WORDS), *rng.choices(WORDS, k=rng.randint(0, 2))]
            if words[0] == "QUIT" and rng.random() < 0.6:
                continue
            line = " ".join(words)
            answer = client.say(line)
            world.advance(2)
            answer += client.heard()
            assert b"Internal" not in answer
            if words[0] == "DELE" and answer.startswith(b"+OK"):
                marked.add(numbers[int(words[1])])
            if words[0] == "RSET" and answer.startswith(b"+OK"):
                marked.clear()
            if words[0] == "QUIT" and answer.startswith(b"+OK"):
                left -= marked
            if client.closed:
                break
        client.lose()
        if rng.random() < 0.1:
            left.add(world.deliver(MAIL).uid)
    ids = [int(line.split(".")[1]) for line in world.pop3().lines("UIDL")]
    assert ids == sorted(left)
    assert world.bugs == 0
    assert len(world.services.looks) == 1, "the last client's"


@pytest.mark.parametrize("seed", range(4))
def test_random_octets_never_find_a_bug(seed: int) -> None:
    rng = random.Random(seed)
    world = world_with(MAIL)
    for login in (True, False):
        client = world.pop3(login=login)
        while not client.closed:
            client.send(rng.randbytes(rng.randint(1, 200)) + rng.choice((b"\r\n", b"", b"\n")))
            world.advance(rng.choice((0, 1, 30)))
            assert b"Internal" not in client.heard()
    assert world.bugs == 0
