"""What programs that fetch by POP3 do, with the real server: poplib, curl, an old one with STLS, IMAP beside them."""

from __future__ import annotations

import contextlib
import poplib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import Installation, answers, eventually, fetched, free_ports, mail

MESSAGES = 6
CARL = f"carl@{DOMAIN}"
LARGE = mail("large", to=BEN, size=3_000_000)


@pytest.fixture(scope="module")
def clear_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, clear_port: int) -> Iterator[Installation]:
    """A server of mailboxes only; Ann and Carl have mail, Ben a large message. The port with STLS is open."""
    listening = f'listen.pop3=["tcp:{clear_port}:interface=127.0.0.1"]'
    server = Installation(tmp_path_factory.mktemp("pop3") / "server", settings=[listening]).init()
    server.add_domain(DOMAIN)
    for user in (ANN, BEN, CARL):
        server.add_user(user)
    server.start()
    with server.smtp() as client:
        for number in range(MESSAGES):
            client.sendmail("bob@sender.example", [ANN, CARL], mail(number, size=number * 3000))
        client.sendmail("bob@sender.example", [BEN], LARGE)
    yield server
    server.close()


@contextlib.contextmanager
def fetching(server: Installation, user: str) -> Iterator[poplib.POP3_SSL]:
    client = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=server.tls(), timeout=60)
    try:
        client.user(user)
        client.pass_(server.users[user])
        yield client
    finally:
        client.close()


def text(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)


def test_poplib_fetches_what_imap_has_and_its_sizes_are_exact(served: Installation) -> None:
    with served.imap(ANN) as imap:
        stored = fetched(imap)
    with fetching(served, ANN) as client:
        assert client.stat() == (MESSAGES, sum(map(len, stored)))
        sizes = [int(line.split()[1]) for line in client.list()[1]]
        messages = [text(client.retr(number)[1]) for number in range(1, MESSAGES + 1)]
        assert messages == stored and sizes == [len(one) for one in stored]
        header, _, rest = stored[2].partition(b"\r\n\r\n")
        assert text(client.top(3, 1)[1]) == header + b"\r\n\r\n" + rest.split(b"\r\n")[0] + b"\r\n"
        assert {"TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"} <= client.capa().keys()
        ids = client.uidl()[1]
        client.quit()
    with fetching(served, ANN) as client:
        assert client.uidl()[1] == ids


def test_a_wrong_password_says_auth(served: Installation) -> None:
    client = poplib.POP3_SSL("localhost", served.ports["pop3s"], context=served.tls(), timeout=60)
    client.user(ANN)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\]"):
        client.pass_("wrong")
    client.close()


def test_deletions_wait_for_quit_and_a_lost_connection_deletes_nothing(served: Installation) -> None:
    with fetching(served, CARL) as client:
        client.dele(1)
        client.dele(2)
    with fetching(served, CARL) as client:
        assert client.stat()[0] == MESSAGES
        client.dele(1)
        with served.imap(CARL) as imap:
            assert imap.select("INBOX")[1] == [b"%d" % MESSAGES]
            client.quit()
            imap.noop()
            assert imap.response("EXPUNGE")[1] == [b"1"]
    since = served.log("messages-deleted")
    assert [(line["account"], line["count"]) for line in since] == [(CARL, 1)]


def test_a_deletion_that_was_acknowledged_survives_kill(served: Installation) -> None:
    with fetching(served, CARL) as client:
        before = client.uidl()[1]
        client.dele(1)
        client.quit()
    served.kill()
    # Else twistd says that it found it.
    (served.folder / "server.pid").unlink()
    served.start()
    with fetching(served, CARL) as client:
        kept = [line.split()[1] for line in client.uidl()[1]]
    assert kept == [line.split()[1] for line in before[1:]]


def curl(server: Installation, *arguments: str) -> bytes:
    done = subprocess.run(
        ["curl", "-sS", "--cacert", str(server.authority), *arguments], capture_output=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl_lists_and_fetches_a_large_message(served: Installation, tmp_path: Path) -> None:
    login = ("--user", f"{BEN}:{served.users[BEN]}")
    url = f"pop3s://localhost:{served.ports['pop3s']}/"
    with served.imap(BEN) as imap:
        (stored,) = fetched(imap)
    assert curl(served, *login, url) == b"1 %d\r\n" % len(stored)
    assert curl(served, *login, url + "1") == stored
    assert curl(served, *login, "--login-options", "AUTH=PLAIN", "--sasl-ir", url) == b"1 %d\r\n" % len(stored)
    assert curl(served, *login, "--login-options", "AUTH=LOGIN", url) == b"1 %d\r\n" % len(stored)


def test_an_old_program_logs_in_after_stls_only(served: Installation, clear_port: int) -> None:
    eventually(lambda: answers(clear_port), what="the port with STLS is open")
    client = poplib.POP3("127.0.0.1", clear_port, timeout=60)
    with pytest.raises(poplib.error_proto, match="No login without TLS"):
        client.user(ANN)
    client.host = "localhost"  # whom the certificate must name
    client.stls(context=served.tls())
    client.user(ANN)
    client.pass_(served.users[ANN])
    assert client.stat()[0] == MESSAGES
    client.quit()
    login = ("--user", f"{ANN}:{served.users[ANN]}")
    listed = curl(served, *login, "--ssl-reqd", "--resolve", f"localhost:{clear_port}:127.0.0.1",
                  f"pop3://localhost:{clear_port}/")  # fmt: skip
    assert len(listed.splitlines()) == MESSAGES


def test_a_browser_is_refused_in_the_handshake(served: Installation) -> None:
    context = served.tls()
    context.set_alpn_protocols(["http/1.1"])
    with pytest.raises((ssl.SSLError, OSError)):
        poplib.POP3_SSL("localhost", served.ports["pop3s"], context=context, timeout=10)
