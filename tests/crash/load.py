"""Mail under way while a server dies: who was told what, and whether that was kept.

The ledger of acknowledgements: what the server said yes to must be there afterwards, once and byte for byte; what it
never answered may or may not be there. Owns sending, filing and the audit; who kills the server is the tests'.
"""

from __future__ import annotations

import contextlib
import imaplib
import smtplib
import threading
from collections import Counter
from collections.abc import Iterator

from tests.journeys.conftest import ANN, DOMAIN
from tests.journeys.harness import Installation, after_return_path, after_trace, eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary

GONE = (OSError, smtplib.SMTPException, imaplib.IMAP4.error, EOFError)


class Acknowledged:
    """Numbers of messages: ``sure`` were answered with yes, ``doubtful`` were handed over and never answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0
        self.sure: set[str] = set()
        self.doubtful: set[str] = set()

    def begin(self, kind: str) -> str:
        """A new message: doubtful from here until :meth:`confirm`."""
        with self._lock:
            self._next += 1
            name = f"{kind}-{self._next}"
            self.doubtful.add(name)
            return name

    def confirm(self, name: str) -> None:
        with self._lock:
            self.doubtful.discard(name)
            self.sure.add(name)


def text_of(name: str) -> bytes:
    """Every seventh message has more text than goes into one commit with its rows."""
    number = int(name.rpartition("-")[2])
    return mail(name, size=300_000 if number % 7 == 0 else 0)


def send_some(server: Installation, known: Acknowledged, count: int) -> None:
    """Up to ``count`` messages over one connection; ends at the first that gets no answer."""
    with contextlib.suppress(*GONE), server.smtp() as client:
        for _ in range(count):
            name = known.begin("sent")
            client.sendmail("bob@sender.example", [ANN], text_of(name))
            known.confirm(name)


def file_some(server: Installation, known: Acknowledged, count: int) -> None:
    """Up to ``count`` messages filed over IMAP, as a mail program keeps what it sent."""
    with contextlib.suppress(*GONE), server.imap(ANN) as client:
        for _ in range(count):
            name = known.begin("filed")
            status, answer = client.append("Archive", None, None, text_of(name))  # type: ignore[arg-type]
            assert status == "OK", answer
            known.confirm(name)


@contextlib.contextmanager
def under_load(server: Installation, known: Acknowledged) -> Iterator[None]:
    """Two senders and one who files, without a pause until the end of the block."""
    over = threading.Event()

    def again(work: object) -> None:
        while not over.is_set():
            assert callable(work)
            work(server, known, 1000)

    workers = [threading.Thread(target=again, args=(work,)) for work in (send_some, send_some, file_some)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        over.set()
        for worker in workers:
            worker.join(60)


def send_until_it_dies(server: Installation, known: Acknowledged) -> None:
    """For a death at a pass that a busy machine comes to later: what waits together is committed together."""

    def dead() -> bool:
        if server.alive():
            send_some(server, known, 1)
        return not server.alive()

    eventually(dead, what="it dies at its point")


def audit(server: Installation, primary: ScriptedPrimary, known: Acknowledged) -> None:
    """Hold a drained server, and its primary, to everything that was acknowledged."""
    with server.imap(ANN) as client:
        inbox, archive = fetched(client), fetched(client, "Archive")
    sent = Counter(_name(one) for one in inbox)
    filed = Counter(_name(one) for one in archive)
    given = Counter(_name(one.octets) for one in primary.messages)
    for name in sorted(known.sure):
        kept = sent if name.startswith("sent") else filed
        assert kept[name] == 1, f"{name} was acknowledged and is there {kept[name]} times"
        assert not name.startswith("sent") or given[name] >= 1, f"{name} was never handed on"
    strangers = (set(sent) | set(filed) | set(given)) - known.sure - known.doubtful
    assert not strangers
    assert all(after_trace(one) == text_of(_name(one)) for one in inbox)
    assert all(one == text_of(_name(one)) for one in archive)
    whole = {_name(one): after_return_path(one) for one in inbox}
    assert all(one.octets == whole[_name(one.octets)] for one in primary.messages), "handed on as it is stored"
    balance = server.balance()
    assert balance == ({"accepted": len(inbox), "delivered": len(inbox)} if inbox else {}), "it may have died at once"
    assert server.command("verify")["findings"] == []


def twice(primary: ScriptedPrimary) -> set[str]:
    """Messages that the primary has more than once."""
    given = Counter(_name(one.octets) for one in primary.messages)
    return {name for name, count in given.items() if count > 1}


def _name(octets: bytes) -> str:
    _, _, rest = octets.partition(b"\r\nMessage-ID: <")
    return rest.partition(b"@")[0].decode()


def prepared(server: Installation, primary: ScriptedPrimary) -> Installation:
    """A served domain with one user; not started."""
    server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
    server.add_user(ANN)
    return server
