"""A new connection for each guess, by whatever protocol, gains a guesser nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.imap_world import PASSWORD
from tests.net.smtp_line import Bench, plain
from tests.pop3_world import Pop3World
from xtramail.directory.guard import Guard, GuardLimits
from xtramail.model.errors import BadCredentials
from xtramail.net.login_delays import LoginDelays
from xtramail.wire.smtp.server import Role


def test_refusals_wait_longer_each_time_from_the_attempt_on() -> None:
    delays = LoginDelays(0.3)
    assert [delays.refused(BadCredentials(), spent=0.5) + 0.5 for _ in range(6)] == [1, 2, 4, 8, 8, 8]
    assert delays.refused(BadCredentials(), spent=20) == 0


def test_what_could_not_be_checked_waits_the_least_and_counts_for_nothing() -> None:
    delays = LoginDelays(0.3)
    assert delays.unchecked(spent=0.1) == pytest.approx(0.2)
    assert delays.unchecked(spent=5) == 0
    assert delays.refused(BadCredentials(), spent=0) == 1


def test_the_later_one_of_a_connections_delay_and_its_blocks_holds() -> None:
    assert LoginDelays(0.3).refused(BadCredentials(delay=4.0), spent=0.25) == 3.75
    used = LoginDelays(0.3)
    assert [used.refused(BadCredentials(delay=1.0), spent=0.0) for _ in range(4)] == [1, 2, 4, 8]


class Guessing:
    """Three services that ask one guard, and one connection for each guess. An answer: seconds waited, and the text."""

    def __init__(self) -> None:
        self.mailboxes = Pop3World()
        self.submission = Bench(Role.SUBMISSION)
        guard = Guard(self.mailboxes.clock, GuardLimits())
        self.mailboxes.login.guard = self.mailboxes.pop3_login.guard = self.submission.passwords.guard = guard

    def imap(self, address: str, password: str) -> tuple[float, str]:
        client = self.mailboxes.client(login=False, address=address)
        return self._waited(client.say(f'LOGIN ann@example.org "{password}"'), client.heard)

    def pop3(self, address: str, password: str) -> tuple[float, str]:
        client = self.mailboxes.pop3(login=False, address=address)
        client.say("USER ann@example.org")
        return self._waited(client.say(f"PASS {password}").decode(), lambda: client.heard().decode())

    def smtp(self, address: str, password: str) -> tuple[float, str]:
        bench = self.submission
        bench.open(address)
        bench.start_tls()
        bench.say(b"EHLO phone.example\r\n")
        return self._waited(bench.say(plain("ann@local.example", password)).decode(), lambda: bench.said().decode())

    def _waited(self, said: str, heard: Callable[[], str]) -> tuple[float, str]:
        seconds = 0.0
        while not said and seconds < 20:
            self.mailboxes.advance(0.5)
            self.submission.pass_time(0.5)
            seconds += 0.5
            said = heard()
        return seconds, said


def test_guesses_by_new_connections_are_answered_later_each_time_in_all_protocols_together() -> None:
    guessing = Guessing()
    waited = [
        guess(f"192.0.2.{number}", "wrong")
        for number, guess in enumerate((guessing.imap, guessing.pop3, guessing.smtp) * 2, 1)
    ]
    assert [seconds for seconds, _ in waited] == [1, 2, 4, 8, 8, 8]
    assert all("Login failed. Accounts with two-step sign-in" in said for _, said in waited)
    assert guessing.imap("198.51.100.1", "wrong")[0] == 1, "another block"
    for guess, right in ((guessing.imap, PASSWORD), (guessing.pop3, PASSWORD), (guessing.smtp, "right")):
        assert guess("192.0.2.99", right)[0] == 0, "who knows the password is let in at once"
    assert guessing.imap("192.0.2.99", "wrong")[0] == 8, "and takes nothing from the count"
    guessing.mailboxes.advance(300)
    assert guessing.pop3("192.0.2.99", "wrong")[0] == 1
