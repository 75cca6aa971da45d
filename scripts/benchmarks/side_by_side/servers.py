"""The servers under measurement, each with TLS, the same kind of certificate, and everything in one folder."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from tests.journeys.harness import Installation, answers, eventually, free_ports
from xtramail.app.authority import FOLDER, issue
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

from .client import PASSWORD, Client
from .packages import DOVEADM, DOVECOT

USER = "ann@example.test"


class Server(Protocol):
    """One server; its users are ``ann@example.test`` and those of :meth:`prepare`."""

    name: str
    port: int

    @property
    def context(self) -> ssl.SSLContext: ...

    @property
    def pid(self) -> int: ...

    def prepare(self, users: Sequence[str]) -> None:
        """Make everything, users too; it does not run yet."""

    def load(self, corpus: Iterable[bytes], count: int) -> None:
        """Put the messages into INBOX of USER, spread over 30 days. It does not run before, and does not after."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Xtramail:
    """The real process by twistd, as ``xtramail init --local`` makes it."""

    def __init__(self, folder: Path, settings: Sequence[str] = ()) -> None:
        self.name = "xtramail"
        limits = ("limits.logged-in-per-account=0", "limits.unauthenticated-per-address=0")
        self.installation = Installation(
            folder / "xtramail", settings=(*limits, "limits.handshakes-per-address=0", *settings), forked=False
        )
        self.port = self.installation.ports["imaps"]

    @property
    def pid(self) -> int:
        return self.installation.pid

    @property
    def context(self) -> ssl.SSLContext:
        return _context(self._authority)

    @property
    def _authority(self) -> Path:
        return self.installation.authority

    def prepare(self, users: Sequence[str]) -> None:
        self.installation.init()
        self.installation.add_domain("example.test")
        for user in (USER, *users):
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

    def start(self) -> None:
        self.installation.start()

    def stop(self) -> None:
        self.installation.stop()


class Dovecot:
    """Debian's Dovecot: durable writes, one login process that keeps TLS tickets, workers that serve many sessions."""

    def __init__(self, folder: Path, storage: str, sessions: int, *, lmtp: bool = False) -> None:
        """``storage`` is maildir or mdbox, ``sessions`` the most at once; ``lmtp``: mail comes in, at :attr:`lmtp`."""
        self.name = f"dovecot {storage}"
        self._folder = folder / f"dovecot-{storage}"
        self._storage = storage
        self._sessions = sessions
        self._protocols = "imap lmtp" if lmtp else "imap"
        self.certificate: tuple[Path, Path] = (Path(), Path())
        """The files with its chain and its key; :meth:`prepare` makes them."""
        self.port = free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def lmtp(self) -> Path:
        """The socket at which it takes mail."""
        return self._folder / "run" / "lmtp"

    @property
    def mail(self) -> Path:
        """Where its mailboxes lie."""
        return self._folder / "mail"

    @property
    def context(self) -> ssl.SSLContext:
        return _context(self._folder / "certs" / FOLDER / "ca.crt")

    def prepare(self, users: Sequence[str]) -> None:
        folder = self._folder
        for name in ("", "run", "state", "mail", "certs"):
            (folder / name).mkdir(exist_ok=True, mode=0o755)
        certificate, key = self.certificate = issue(folder / "certs", ["localhost", "127.0.0.1"], now=time.time())
        shutil.chown(folder / "mail", "nobody", "nogroup")
        path = {"maildir": "maildir:~/Maildir", "mdbox": "mdbox:~/mdbox"}[self._storage]
        (folder / "dovecot.conf").write_text(
            f"""
protocols = {self._protocols}
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = yes
mail_location = {path}
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
mail_max_userip_connections = 0
auth_mechanisms = plain login
auth_cache_size = 4M
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/mail/%u allow_all_users=yes
}}
default_process_limit = {self._sessions + 100}
default_client_limit = {2 * self._sessions + 2000}
default_vsz_limit = 1G
service anvil {{
  client_limit = {2 * self._sessions + 2000}
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {self.port}
    ssl = yes
  }}
  service_count = 0
  process_limit = 1
  process_min_avail = 1
  client_limit = {2 * self._sessions + 2000}
}}
service imap {{
  process_limit = {self._sessions + 100}
  service_count = 1000
}}
namespace inbox {{
  inbox = yes
  mailbox Archive {{
    auto = create
  }}
  mailbox Trash {{
    auto = create
  }}
}}
"""
        )

    def load(self, corpus: Iterable[bytes], count: int) -> None:
        self.start()
        client = Client(self.port, self.context)
        client.login(USER)
        now = time.time()

        def dated() -> Iterable[tuple[bytes, bytes]]:
            for number, message in enumerate(corpus):
                at = time.gmtime(now - 29 * DAY_SECONDS + number * 29 * DAY_SECONDS / count)
                yield time.strftime('INBOX "%d-%b-%Y %H:%M:%S +0000"', at).encode(), message

        client.append_all(dated())
        client.logout()
        self.stop()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [str(DOVECOT), "-F", "-c", str(self._folder / "dovecot.conf")],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
        eventually(self._up, within=20, what=f"{self.name} answers; see {self._folder}/dovecot.log")

    def _up(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "dovecot ended at once"
        return answers(self.port)

    def administer(self, *arguments: str) -> None:
        """Run ``doveadm``; it waits for what it started. CalledProcessError for any other exit than 0."""
        configuration = str(self._folder / "dovecot.conf")
        subprocess.run([str(DOVEADM), "-c", configuration, *arguments], check=True, stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        self._process = None


def _context(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority))
