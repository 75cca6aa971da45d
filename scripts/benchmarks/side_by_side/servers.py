"""What every server under measurement can do, and ours: TLS, everything in one folder.

Dovecot is `dovecot`, which has the same kind of certificate.
"""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from tests.journeys.harness import Installation, free_ports
from xtramail.directory.users import account_of
from xtramail.model.bucket import FIRST_DOMAIN_CLASS, Bucket, bucket_at
from xtramail.model.clock import DAY_SECONDS, SystemClock
from xtramail.model.ids import IdSource
from xtramail.store import bodies, keys, mailboxes, messages
from xtramail.store.engine import Txn
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.new_message import new_message
from xtramail.store.search_texts import prepare, put_search_text
from xtramail.wire.mime import Scanner

from .client import PASSWORD

USER = "ann@example.test"
HASH_COST = 12
"""Of bcrypt, for the password of USER: what ours comes with."""
_IN_THE_CLEAR = Path(__file__).with_name("in_the_clear.py")


class Door(Enum):
    """How a server lets people in. What comes after the login is the same."""

    USUAL = auto()
    """TLS, and passwords that are known already or cost nothing to check; few processes that take many logins."""
    CLEAR = auto()
    """Also without TLS, at ``clear_port``."""
    HASHED = auto()
    """Every login of USER is checked against bcrypt of HASH_COST by a server that remembers none of them."""
    ALONE = auto()
    """A process for each login, by a server that can do so."""


class Server(Protocol):
    """One server; its users are ``ann@example.test`` and those of :meth:`prepare`."""

    name: str
    port: int
    clear_port: int
    """Open to logins with Door.CLEAR alone."""

    @property
    def context(self) -> ssl.SSLContext: ...

    @property
    def pid(self) -> int: ...

    def prepare(self, users: Sequence[str]) -> None:
        """Make everything, users too; it does not run yet."""

    def load(self, corpus: Iterable[bytes], count: int) -> None:
        """Put the messages into INBOX of USER, spread over 30 days. It does not run before, and does not after."""

    def start(self, door: Door = Door.USUAL) -> None: ...

    def stop(self) -> None: ...


class _Installation(Installation):
    """Where ``clear`` is set, passwords are taken without TLS: see `in_the_clear`."""

    clear = False

    def server_command(self) -> list[str]:
        twistd, *arguments = super().server_command()
        return [sys.executable, str(_IN_THE_CLEAR), *arguments] if self.clear else [twistd, *arguments]


class Xtramail:
    """The real process by twistd, as ``xtramail init --local`` makes it."""

    def __init__(self, folder: Path, settings: Sequence[str] = ()) -> None:
        self.name = "xtramail"
        self.clear_port = free_ports(1)[0]
        usual = (
            "limits.logged-in-per-account=0",
            "limits.unauthenticated-per-address=0",
            "limits.handshakes-per-address=0",
            f'listen.imap=["tcp:{self.clear_port}:interface=127.0.0.1"]',
        )
        self.installation = _Installation(folder / "xtramail", settings=(*usual, *settings), forked=False)
        self.port = self.installation.ports["imaps"]

    @property
    def pid(self) -> int:
        return self.installation.pid

    @property
    def context(self) -> ssl.SSLContext:
        return trusting(self.installation.authority)

    def prepare(self, users: Sequence[str]) -> None:
        self.installation.init()
        self.installation.add_domain("example.test")
        cost = {"XTRAMAIL_LOGIN_BCRYPT_COST": str(HASH_COST)}
        self.installation.command("user", "add", USER, "--password-stdin", text=f"{PASSWORD}\n", environment=cost)
        for user in users:
            self.installation.add_user(user, PASSWORD)

    def load(self, corpus: Iterable[bytes], count: int) -> None:
        engine = LmdbEngine(self.installation.folder / "store")
        try:
            clock = SystemClock()
            ids, now = IdSource(clock), clock.now()
            account = account_of(engine, USER)
            assert account is not None
            for number, message in enumerate(corpus):
                at = now - 29 * DAY_SECONDS + number * 29 * DAY_SECONDS / count
                self._put(engine, account.id, message, ids.next(), at, bucket_at(at, FIRST_DOMAIN_CLASS))
        finally:
            engine.close()

    def _put(
        self, engine: LmdbEngine, account: int, message: bytes, number: int, at: float, bucket: Bucket
    ) -> None:
        scanner, writer = Scanner(clock=time.monotonic), bodies.BodyWriter(engine, bucket, number)
        scanner.feed(message)
        writer.write(message)
        summary = scanner.finish()
        ref, tail = writer.finish()
        searched = prepare(summary.search_text, summary.header_text)
        new = new_message(summary, body=ref, object_id=number, internaldate=at, source="smtp")

        def body(txn: Txn) -> None:
            bodies.put_chunks(txn, bucket, ref.id, tail)
            put_search_text(txn, bucket, ref.id, searched, [account])

        def row(txn: Txn) -> None:
            inbox = mailboxes.mailbox_by_name(txn, "INBOX")
            assert inbox is not None
            messages.add(txn, inbox.id, bucket, new, at)

        engine.transact_all([(keys.BODY, body), (keys.user_scope(account), row)]).result()

    def start(self, door: Door = Door.USUAL) -> None:
        """There is one way to log in, whatever others do: USER's first login is checked, the next ones are known."""
        self.installation.clear = door is Door.CLEAR
        self.installation.start()

    def stop(self) -> None:
        self.installation.stop()


def trusting(authority: Path) -> ssl.SSLContext:
    """For clients of a server whose certificate is of that authority (a file)."""
    return ssl.create_default_context(cafile=str(authority))
