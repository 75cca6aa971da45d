"""Debian's Dovecot, as an administrator who cares for speed would have it, and as others have it (`servers.Door`)."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import bcrypt

from tests.journeys.harness import answers, eventually, free_ports
from xtramail.app.authority import FOLDER, issue
from xtramail.model.clock import DAY_SECONDS

from .client import PASSWORD, Client
from .packages import DOVEADM, DOVECOT
from .servers import HASH_COST, USER, Door, trusting


class Dovecot:
    """Durable writes, one login process that keeps TLS tickets, workers that serve many sessions."""

    owner = "nobody", "nogroup"
    """The user and group of all mail."""

    def __init__(self, folder: Path, storage: str, sessions: int, *, lmtp: bool = False) -> None:
        """``storage`` is maildir or mdbox, ``sessions`` the most at once; ``lmtp``: mail comes in, at :attr:`lmtp`."""
        self.name = f"dovecot {storage}"
        self._folder = folder / f"dovecot-{storage}"
        self._storage = storage
        self._sessions = sessions
        self._protocols = "imap lmtp" if lmtp else "imap"
        self.certificate: tuple[Path, Path] = (Path(), Path())
        """The files with its chain and its key; :meth:`prepare` makes them."""
        self.port, self.clear_port = free_ports(2)
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
        return trusting(self._folder / "certs" / FOLDER / "ca.crt")

    def prepare(self, users: Sequence[str]) -> None:
        folder = self._folder
        for name in ("", "run", "state", "mail", "certs"):
            (folder / name).mkdir(exist_ok=True, mode=0o755)
        self.certificate = issue(folder / "certs", ["localhost", "127.0.0.1"], now=time.time())
        shutil.chown(folder / "mail", *self.owner)
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(HASH_COST)).decode()
        # crypt(3) and Dovecot call the same hash 2y.
        (folder / "passwords").write_text(f"{USER}:{{BLF-CRYPT}}$2y${hashed.removeprefix('$2b$')}\n")

    def _configure(self, door: Door) -> None:
        folder, (certificate, key) = self._folder, self.certificate
        path = {"maildir": "maildir:~/Maildir", "mdbox": "mdbox:~/mdbox"}[self._storage]
        passwords = f"driver = static\n  args = password={PASSWORD}"
        if door is Door.HASHED:
            passwords = f"driver = passwd-file\n  args = scheme=BLF-CRYPT username_format=%u {folder}/passwords"
        # With a process for each login as many as come are begun, one after another.
        login = "service_count = 1" if door is Door.ALONE else "service_count = 0\n  process_limit = 1"
        (folder / "dovecot.conf").write_text(
            f"""
protocols = {self._protocols}
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
ssl = {"yes" if door is Door.CLEAR else "required"}
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = {"no" if door is Door.CLEAR else "yes"}
mail_location = {path}
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
mail_max_userip_connections = 0
auth_mechanisms = plain login
auth_cache_size = {"0" if door is Door.HASHED else "4M"}
passdb {{
  {passwords}
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
    port = {self.clear_port if door is Door.CLEAR else 0}
  }}
  inet_listener imaps {{
    port = {self.port}
    ssl = yes
  }}
  {login}
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

    def begin(self, door: Door = Door.USUAL) -> None:
        """As :meth:`start`, without waiting until it answers."""
        self._configure(door)
        self._process = subprocess.Popen(
            [str(DOVECOT), "-F", "-c", str(self._folder / "dovecot.conf")],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )

    def start(self, door: Door = Door.USUAL) -> None:
        self.begin(door)
        self.answers()

    def answers(self) -> None:
        """Wait until it does; AssertionError when it ended instead."""
        eventually(self._up, within=20, what=f"{self.name} answers; see {self._folder}/dovecot.log")

    def _up(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "dovecot ended at once"
        return answers(self.port)

    def administer(self, *arguments: str) -> None:
        """Run ``doveadm``; it waits for what it started. CalledProcessError for any other exit than 0."""
        configuration = str(self._folder / "dovecot.conf")
        subprocess.run([str(DOVEADM), "-c", configuration, *arguments], check=True, stdin=subprocess.DEVNULL)

    def maildir(self, user: str) -> Path:
        """Where a Maildir of ``user`` is to be made for :meth:`adopt`."""
        return self.mail / user / ("Maildir" if self._storage == "maildir" else "filed")

    def adopt(self, user: str, maildir: Path) -> None:
        """Make what lies in ``maildir`` the INBOX of a user who has none; the server runs, and has not been asked."""
        if self._storage != "maildir":
            self.administer("import", "-s", "-u", user, f"maildir:{maildir}", "", "mailbox", "INBOX", "all")
            shutil.rmtree(maildir)

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        self._process = None
