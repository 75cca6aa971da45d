"""Passwords for single devices, two-step sign-in, and what ends a login: on the wire, with the programs people use."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import signal
import smtplib
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from tests.journeys.conftest import ANN, BEN
from tests.journeys.harness import PATIENCE, PROGRAMS, Installation, Own, Refused, eventually

ONE_TEXT = "Login failed. Accounts with two-step sign-in need a device password."


def device(office: Installation, name: str, *more: str, user: str = ANN) -> str:
    made: str = office.command("device", "add", user, "--name", name, *more)["generated"]
    return made


@contextlib.contextmanager
def pop3(office: Installation, user: str, password: str) -> Iterator[poplib.POP3_SSL]:
    client = poplib.POP3_SSL("localhost", office.ports["pop3s"], context=office.tls(), timeout=60)
    try:
        client.user(user)
        client.pass_(password)
        yield client
    finally:
        with contextlib.suppress(OSError, poplib.error_proto):
            client.quit()


def refusals(office: Installation, user: str, password: str) -> dict[str, str]:
    """What each protocol says to a login; empty where it lets one in."""
    said: dict[str, str] = {}
    office.users[user], before = password, office.users.get(user, "")
    try:
        for name, enter in (("imap", office.imap(user)), ("smtp", office.submissions(user))):
            try:
                with enter:
                    said[name] = ""
            except (imaplib.IMAP4.error, smtplib.SMTPAuthenticationError) as error:
                said[name] = str(error)
        try:
            with pop3(office, user, password):
                said["pop"] = ""
        except poplib.error_proto as error:
            said["pop"] = str(error)
    finally:
        office.users[user] = before
    return said


def ended(client: imaplib.IMAP4_SSL) -> bool:
    try:
        client.noop()
    except (imaplib.IMAP4.abort, OSError):
        return True
    return False


@contextlib.contextmanager
def inside(office: Installation, user: str, password: str) -> Iterator[imaplib.IMAP4_SSL]:
    """An IMAP session that may be ended from the other side."""
    office.users[user], before = password, office.users.get(user, "")
    try:
        with office.imap(user) as client:
            office.users[user] = before
            yield client
    finally:
        office.users[user] = before


def test_a_device_opens_what_it_is_for_and_is_seen_in_the_list(office: Installation) -> None:
    phone = device(office, "Ann's iPhone")
    old = device(office, "old reader", "--scope", "pop")
    assert refusals(office, ANN, phone.upper().replace("-", " ")) == {"imap": "", "smtp": "", "pop": ""}
    said = refusals(office, ANN, old)
    assert said["pop"] == "" and ONE_TEXT in said["imap"] and ONE_TEXT in said["smtp"]
    with inside(office, ANN, phone) as client:
        client.xatom("ID", '("name" "Gnus" "version" "5.13")')
        listed = eventually(
            lambda: [
                one
                for one in office.command("device", "list", ANN)
                if one["name"] == "Ann's iPhone" and one["client"] == "Gnus 5.13"
            ],
        )
    assert listed[0]["from"] == "127.0.0.0/24" and listed[0]["last-used"]
    reasons = [line["reason"] for line in office.log("login-refused")]
    assert "device password 'old reader' does not open imap" in reasons


def test_revoking_ends_the_sessions_of_that_device_and_of_no_other(office: Installation) -> None:
    phone, laptop = device(office, "phone"), device(office, "laptop")
    with (
        inside(office, ANN, phone) as one,
        inside(office, ANN, laptop) as two,
        pop3(office, ANN, phone) as three,
        office.submissions_unauthenticated() as four,
    ):
        four.login(ANN, phone)
        office.command("device", "revoke", ANN, "phone")
        office.promptly(lambda: ended(one), within=5.0, what="IMAP ends")
        with pytest.raises((poplib.error_proto, OSError)):
            office.promptly(lambda: three.noop() and False, within=5.0)
        with pytest.raises((smtplib.SMTPServerDisconnected, AssertionError)):
            office.promptly(lambda: four.noop()[0] == 421, within=5.0)
            raise smtplib.SMTPServerDisconnected
        assert not ended(two)
        office.command("user", "passwd", ANN, "--generate")
        assert not ended(two), "its own password is another"
        office.command("user", "set", ANN, "status=disabled")
        office.promptly(lambda: ended(two), within=5.0, what="a disabled user has no session")
    assert all(ONE_TEXT in text for text in refusals(office, ANN, phone).values())


def test_an_expired_device_is_logged_out_though_nothing_else_happens(office: Installation) -> None:
    for seconds in (8, 30, 90):
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        brief = device(office, f"brief {seconds}", "--expires", f"{until:%Y-%m-%dT%H:%M:%S}")
        # A busy machine may come to the login when it is too late.
        with contextlib.suppress(imaplib.IMAP4.error), inside(office, ANN, brief) as client:
            client.select()
            client.send(b"i IDLE\r\n")
            assert client.readline().startswith(b"+")
            own, left = Own(office.pid), (until - datetime.now(UTC)).total_seconds()
            client.sock.settimeout(seconds + PATIENCE)
            assert client.readline() == b"* BYE This login is no longer valid\r\n"
            assert datetime.now(UTC) >= until - timedelta(seconds=1)
            assert own.seconds() <= left + 6
            return
    raise AssertionError("no login in time")


def test_a_revoked_device_stays_revoked_whatever_dies_next(office: Installation) -> None:
    """Killed as soon as success is printed, the server and the command line alike."""
    for number in range(2):
        name = f"phone {number}"
        made = device(office, name)
        assert refusals(office, ANN, made)["imap"] == ""
        command = [str(PROGRAMS / "xtramail"), "--config", str(office.config), "device", "revoke", ANN, name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as revoking:
            assert revoking.stdout is not None
            assert "revoked" in revoking.stdout.readline()
            revoking.send_signal(signal.SIGKILL)
            office.kill()
        office.start()
        assert all(ONE_TEXT in text for text in refusals(office, ANN, made).values())
        assert office.command("device", "list", ANN) == []


def test_a_guesser_shuts_out_himself_and_no_known_device(office: Installation) -> None:
    phone = device(office, "phone", user=BEN)

    def guess(number: int) -> None:
        where = imaplib.IMAP4_SSL("localhost", office.ports["imaps"], ssl_context=office.tls(), timeout=60)
        with where as client, pytest.raises(imaplib.IMAP4.error, match="Login failed"):
            client.login(BEN, f"guess {number}")

    # Side by side: each is answered later than the one before.
    with ThreadPoolExecutor(4) as guessers:
        list(guessers.map(guess, range(12)))
    with pytest.raises(imaplib.IMAP4.error), inside(office, BEN, office.users[BEN]):
        pass
    assert refusals(office, BEN, phone) == {"imap": "", "smtp": "", "pop": ""}
    # Written behind a login's back.
    eventually(
        lambda: {row["why"] for row in office.command("auth", "log", BEN)} >= {"wrong password", "by a device password"}
    )
    (shut,) = {line["reason"] for line in office.log("login-refused")} - {"wrong password"}
    assert shut == "too many failures from this address"


def test_two_step_sign_in_from_the_first_code_to_the_last(office: Installation) -> None:
    """A wrong code, the password in three protocols, a device instead, a recovery code for one time."""
    phone = pyotp.TOTP(office.command("totp", "start", ANN)["secret"])
    with pytest.raises(Refused, match="clock"):
        office.command("totp", "confirm", ANN, "12345678")
    with inside(office, ANN, office.users[ANN]) as client:
        codes = office.command("totp", "confirm", ANN, phone.now())["recovery-codes"]
        office.promptly(lambda: ended(client), within=5.0, what="what came by the password alone goes")
    password = office.users[ANN]
    for _ in range(2):
        said = refusals(office, ANN, password)
        assert all(ONE_TEXT in text for text in said.values()), said
    reasons = {line["reason"] for line in office.log("login-refused")}
    assert reasons == {"two-step sign-in is on: this needs a device password"}
    made = device(office, "phone", "--scope", "pop")
    said = refusals(office, ANN, made)
    assert said["pop"] == "" and ONE_TEXT in said["imap"]
    assert set(refusals(office, ANN, device(office, "all")).values()) == {""}
    assert set(refusals(office, BEN, office.users[BEN]).values()) == {""}, "the address is not shut out"
    office.command("totp", "check", ANN, codes[0])
    with pytest.raises(Refused, match="code: wrong"):
        office.command("totp", "check", ANN, codes[0])
    office.command("totp", "disable", ANN, codes[1])
    assert set(refusals(office, ANN, password).values()) == {""}


def test_what_cannot_be_is_said(office: Installation) -> None:
    with pytest.raises(Refused, match="has no device 'phone'"):
        office.command("device", "revoke", ANN, "phone")
