"""A customer comes aboard: a domain, sixty people from a list, and the first mail lies in both places, once."""

from __future__ import annotations

import csv
import imaplib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from click.testing import CliRunner

from tests.journeys.conftest import DOMAIN, Install
from tests.journeys.harness import Installation, after_return_path, after_trace, eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary
from xtramail.app.command.main import main

PEOPLE = 60
AT_ONCE = 4


def list_of_people(folder: Path) -> Path:
    """As a personnel department has it."""
    path = folder / "people.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("address", "name"))
        rows.writerows((f"Person.{number}@{DOMAIN}", f"Person {number}") for number in range(PEOPLE))
    return path


def sixty_users(server: Installation, people: Path) -> None:
    with people.open(newline="") as file:
        addresses = [row["address"] for row in csv.DictReader(file)]

    for address in addresses:
        # In this process, which spares Python sixty starts; the store is the running server's all the same.
        words = ["--config", str(server.config), "--json", "user", "add", address, "--generate"]
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
    listed = server.command("user", "list", "--domain", DOMAIN)
    assert sorted(one["address"] for one in listed) == sorted(addresses), "as they are written"


def bulk_passwords_for_all_sixty(server: Installation, csv_file: Path) -> None:
    told = server.command("user", "passwd", "--all", "--domain", DOMAIN, "--generate", "--csv", str(csv_file), "--yes")
    assert told["changed"] == PEOPLE and csv_file.stat().st_mode & 0o077 == 0
    with csv_file.open(newline="") as file:
        server.users |= {row["address"]: row["password"] for row in csv.DictReader(file)}
    assert len(set(server.users.values())) == PEOPLE, "each has one of his own"


def mail_arrives_once_at_the_primary_and_in_imap(server: Installation, primary: ScriptedPrimary, user: str) -> None:
    message = mail("welcome", to=user)
    server.send(message, user)
    (received,) = eventually(lambda: primary.messages, what="the primary has it")
    with server.imap(user) as client:
        (stored,) = fetched(client)
    assert received.recipients == (user,)
    assert received.octets == after_return_path(stored)
    assert after_trace(stored) == message
    server.waits_for_nothing()
    assert len(primary.messages) == 1
    assert server.balance() == {"accepted": 1, "delivered": 1}


def trace_shows_both(server: Installation, primary: ScriptedPrimary, user: str) -> None:
    traced = server.command("trace", user)
    (fate,) = traced["fates"]
    assert (fate["recipient"], fate["fate"]) == (user, "delivered") and fate["answer"].startswith("250 ")
    events = {one["event"]: one for one in traced["events"]}
    assert events["accepted"]["to"] == [user] and user in str(events["accepted"]["stored"]), "in the mailbox"
    assert events["attempt"]["text"].startswith("delivered: 250 "), "at the primary"
    assert events["attempt"]["host"] == primary.host
    assert events["state"]["fate"] == "delivered"
    shown = server.command("message", "show", fate["id"])
    assert [(one["account"], one["mailbox"]) for one in shown["copies"]] == [(user, "INBOX")]


def every_one_can_log_in(server: Installation) -> None:
    def log_in(user: str) -> bytes:
        client = imaplib.IMAP4_SSL("localhost", server.ports["imaps"], ssl_context=server.tls(), timeout=60)
        try:
            client.login(user, server.users[user])
            return bytes(client.select("INBOX", readonly=True)[1][0] or b"")
        finally:
            client.logout()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        counts = list(pool.map(log_in, server.users))
    assert sorted(counts) == [b"0"] * (PEOPLE - 1) + [b"1"]


def test_a_domain_and_sixty_people_come_aboard(install: Install, primary: ScriptedPrimary, tmp_path: Path) -> None:
    server = install().start()
    server.add_domain(DOMAIN, "--primary", primary.host)
    sixty_users(server, list_of_people(tmp_path))
    bulk_passwords_for_all_sixty(server, tmp_path / "passwords.csv")
    user = f"Person.7@{DOMAIN}"
    mail_arrives_once_at_the_primary_and_in_imap(server, primary, user)
    trace_shows_both(server, primary, user)
    every_one_can_log_in(server)
