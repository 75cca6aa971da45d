"""A user empties the trash, or a POP3 client takes all: Recovered has it, and everything comes back as it was."""

from __future__ import annotations

import imaplib
import poplib
from collections.abc import Iterator

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import Installation, Refused, eventually, fetched, mail

MESSAGES = 5


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A server of mailboxes only; Ann and Ben got the same mail."""
    server = Installation(tmp_path_factory.mktemp("recovery") / "server").init()
    server.add_domain(DOMAIN)
    for user in (ANN, BEN):
        server.add_user(user)
    server.start()
    with server.smtp() as client:
        for number in range(MESSAGES):
            client.sendmail("bob@sender.example", [ANN, BEN], mail(number, size=number * 40_000))
    yield server
    server.close()


def dates(client: imaplib.IMAP4, mailbox: str) -> list[bytes]:
    client.select(mailbox, readonly=True)
    _, data = client.fetch("1:*", "(INTERNALDATE)")
    return sorted(bytes(line).partition(b"INTERNALDATE ")[2] for line in data if isinstance(line, bytes))


def count(client: imaplib.IMAP4, mailbox: str) -> int:
    status, data = client.select(mailbox, readonly=True)
    assert status == "OK", data
    return int(data[0] or b"0")


def test_what_was_deleted_and_emptied_comes_back_to_the_byte(served: Installation) -> None:
    with served.imap(ANN) as client:
        before, when = fetched(client), dates(client, "INBOX")
        client.select("INBOX")
        assert client.uid("MOVE", "1:*", "Trash")[0] == "OK"
        client.select("Trash")
        client.store("1:*", "+FLAGS", "\\Deleted")
        client.expunge()
        assert (count(client, "INBOX"), count(client, "Trash")) == (0, 0)
        assert sorted(fetched(client, "Recovered")) == sorted(before)
        assert b"Recovered" not in b"".join(bytes(line) for line in client.list()[1])
    told = served.command("user", "recover", ANN, "--mailbox", "Trash")
    assert (told["messages"], told["mailboxes"]) == (MESSAGES, [{"mailbox": "Trash", "messages": MESSAGES}])
    with served.imap(ANN) as client:
        assert sorted(fetched(client, "Trash")) == sorted(before)
        assert dates(client, "Trash") == when
        assert count(client, "Recovered") == 0
    assert served.command("user", "recover", ANN)["messages"] == 0


def test_what_pop3_took_is_copied_back_by_its_user_before_the_eyes_of_another_client(served: Installation) -> None:
    with served.imap(BEN) as client:
        before = fetched(client)
    pop = poplib.POP3_SSL("localhost", served.ports["pop3s"], context=served.tls(), timeout=60)
    pop.user(BEN)
    pop.pass_(served.users[BEN])
    for number in range(1, MESSAGES + 1):
        pop.dele(number)
    pop.quit()
    with served.imap(BEN) as client, served.imap(BEN) as other:
        other.select("INBOX")
        assert count(client, "Recovered") == MESSAGES
        assert client.copy("1:*", "INBOX")[0] == "OK"
        assert count(client, "Recovered") == 0
        assert eventually(lambda: other.noop()[0] == "OK" and other.untagged_responses.get("EXISTS"), what="EXISTS")
        assert sorted(fetched(client)) == sorted(before)


def test_a_purge_destroys_one_users_copy_and_leaves_the_others(served: Installation) -> None:
    with served.imap(BEN) as client:
        before = fetched(client)
    with served.imap(ANN) as client:
        client.select("Trash")
        client.store("1:*", "+FLAGS", "\\Deleted")
        client.expunge()
        with pytest.raises(Refused, match="add --yes"):
            served.command("user", "recover", ANN, "--purge")
        told = served.command("user", "recover", ANN, "--purge", "--yes")
        assert (told["purged"], told["bodies"], told["waiting"]) == (MESSAGES, 0, [])
        assert count(client, "Recovered") == 0
    with served.imap(BEN) as client:
        assert fetched(client) == before
    assert served.command("verify")["findings"] == []


def test_a_domain_switches_it_off_at_once(served: Installation) -> None:
    served.command("domain", "set", DOMAIN, "recovered=off")
    with served.imap(BEN) as client:
        assert client.select("Recovered")[0] == "NO"
    served.command("domain", "set", DOMAIN, "recovered=on")
    with served.imap(BEN) as client:
        assert count(client, "Recovered") == 0
