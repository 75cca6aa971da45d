"""The servers that mail is delivered to: SMTP at the front, mailboxes that IMAP shows at the back, each as one tree.

`servers` has what IMAP alone is measured with; here stands what takes mail in, and Debian's Postfix before Dovecot.
"""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.journeys.harness import answers, eventually, free_ports

from .client import PASSWORD, Client
from .cost import family
from .dovecot import Dovecot
from .packages import POSTFIX
from .servers import Xtramail

LOCAL = "example.test"
"""Its mail ends in mailboxes."""
RELAYED = "relayed.test"
"""Its mail goes to the sink; ours keeps a copy, Postfix does not."""
KEPT = "kept.test"
"""Its mail goes to the sink, and everybody keeps a copy."""
DOMAINS = (LOCAL, RELAYED, KEPT)

_QUEUES = ("incoming", "active", "deferred", "maildrop", "hold", "corrupt")
_FOLDERS = (*_QUEUES, "bounce", "defer", "flush", "saved", "trace")
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class MailServer(Protocol):
    """One server, of domains LOCAL, RELAYED and KEPT with the same users in each."""

    name: str
    keeps: tuple[str, ...]
    """The domains of whose mail it has a copy in a mailbox."""

    @property
    def port(self) -> int:
        """Of SMTP."""

    @property
    def imap(self) -> int:
        """The port of IMAP, with TLS."""

    @property
    def context(self) -> ssl.SSLContext: ...

    @property
    def roots(self) -> tuple[int, ...]:
        """The processes whose descendants are all that it consists of."""

    @property
    def storage(self) -> Path:
        """The folder with its mailboxes."""

    def prepare(self, users: Sequence[str], sink: int) -> None:
        """Make everything; ``users`` are local parts, what is relayed goes to port ``sink``. It does not run yet."""

    def begin(self) -> None:
        """As :meth:`start`, without waiting until it answers."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def settled(self) -> bool:
        """Whether what it took is where it should be; RuntimeError when some of it will not be."""

    def kept(self, user: str) -> int:
        """The messages that IMAP shows in the INBOX of ``user`` at each domain, all together."""


class XtramailMail:
    """The real process. What it answered 250 to is in its mailboxes, and what it relays has been asked of the sink."""

    def __init__(self, folder: Path, settings: Sequence[str] = ()) -> None:
        self._server = Xtramail(folder, settings)
        self.installation = self._server.installation
        self.name = self._server.name
        self.keeps = DOMAINS

    @property
    def port(self) -> int:
        return self.installation.ports["smtp"]

    @property
    def imap(self) -> int:
        return self._server.port

    @property
    def context(self) -> ssl.SSLContext:
        return self._server.context

    @property
    def roots(self) -> tuple[int, ...]:
        return (self._server.pid,)

    @property
    def storage(self) -> Path:
        return self.installation.folder / "store"

    def prepare(self, users: Sequence[str], sink: int) -> None:
        self.installation.init()
        for domain in DOMAINS:
            primary = () if domain == LOCAL else ("--primary", f"127.0.0.1:{sink}", "--recipients", "listed")
            self.installation.command("domain", "add", domain, *primary)
        listed = "".join(f"{user}@{domain},{PASSWORD}\n" for domain in DOMAINS for user in users)
        self.installation.command("import", "--kind", "users", "--yes", "-", text=f"address,password\n{listed}")

    def begin(self) -> None:
        # Installed, it has its bytecode beside it; a shell may forbid Python to keep any.
        kept = {"PYTHONPYCACHEPREFIX": str(self.installation.folder / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
        with self.installation.log_file.open("ab") as log:
            self.installation.process = self.installation.spawn(log, {**os.environ, **kept})

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def settled(self) -> bool:
        return True

    def kept(self, user: str) -> int:
        return sum(_count(self._server.port, self.context, f"{user}@{domain}") for domain in DOMAINS)


class PostfixDovecot:
    """Debian's Postfix with a configuration, queue and log of its own, before Debian's Dovecot by LMTP."""

    def __init__(self, folder: Path, storage: str, sessions: int = 100) -> None:
        """``storage`` and ``sessions`` (of IMAP, the most at once) as Dovecot's."""
        self.name = f"postfix + dovecot {storage}"
        self.keeps = (LOCAL, KEPT)
        self.dovecot = Dovecot(folder, storage, sessions, lmtp=True)
        self._folder = folder / f"postfix-{storage}"
        self._port = free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self._port

    @property
    def imap(self) -> int:
        return self.dovecot.port

    @property
    def context(self) -> ssl.SSLContext:
        return self.dovecot.context

    @property
    def roots(self) -> tuple[int, ...]:
        assert self._process is not None
        return self._process.pid, self.dovecot.pid

    @property
    def storage(self) -> Path:
        return self.dovecot.mail

    def prepare(self, users: Sequence[str], sink: int) -> None:
        self.dovecot.prepare(())
        folder = self._folder
        for name in ("", "etc", "queue", "queue/pid"):
            (folder / name).mkdir(mode=0o755)
        for name, group, mode in (
            *((f"queue/{one}", "postfix", 0o700) for one in (*_FOLDERS, "private")),
            ("queue/public", "postdrop", 0o710),
            ("data", "postfix", 0o700),
        ):
            (folder / name).mkdir()
            shutil.chown(folder / name, "postfix", group)
            (folder / name).chmod(mode)
        addresses = {domain: [f"{user}@{domain}" for user in users] for domain in DOMAINS}
        listed = {
            "mailboxes": [f"{address} yes" for address in addresses[LOCAL]],
            "relayed": [f"{address} yes" for domain in (RELAYED, KEPT) for address in addresses[domain]],
            "copies": [f"{user}@{KEPT} {user}@{LOCAL}" for user in users],
        }
        for name, lines in listed.items():
            (folder / "etc" / name).write_text("".join(f"{line}\n" for line in lines))
        certificate, key = self.dovecot.certificate
        (folder / "etc" / "master.cf").write_text(_MASTER.format(port=self._port))
        (folder / "etc" / "main.cf").write_text(
            f"""
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
myhostname = mail.test
mydestination =
mynetworks = 192.0.2.1/32
inet_interfaces = loopback-only
inet_protocols = ipv4
disable_dns_lookups = yes
smtpd_peername_lookup = no
alias_maps =
alias_database =
local_recipient_maps =
smtpd_tls_security_level = may
smtpd_tls_chain_files = {key}, {certificate}
smtpd_client_connection_count_limit = 0
virtual_mailbox_domains = {LOCAL}
virtual_mailbox_maps = texthash:{folder}/etc/mailboxes
virtual_transport = lmtp:unix:{self.dovecot.lmtp}
relay_domains = {RELAYED}, {KEPT}
relay_recipient_maps = texthash:{folder}/etc/relayed
relay_transport = relay:[127.0.0.1]:{sink}
recipient_bcc_maps = texthash:{folder}/etc/copies
"""
        )

    def begin(self) -> None:
        self.dovecot.begin()
        self._process = subprocess.Popen(
            [str(POSTFIX), "-d", "-c", str(self._folder / "etc")],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        )

    def start(self) -> None:
        self.begin()
        self.dovecot.answers()
        eventually(self._up, within=20, what=f"postfix answers; see {self._folder}/postfix.log")

    def _up(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "postfix ended at once"
        return answers(self._port)

    def stop(self) -> None:
        assert self._process is not None
        children = family(self._process.pid).keys()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        self._process = None
        # They outlive their master by a moment, and write into the folder.
        eventually(lambda: not any(map(_runs, children)), what="postfix has ended")
        self.dovecot.stop()

    def settled(self) -> bool:
        waiting = {queue: _files(self._folder / "queue" / queue) for queue in _QUEUES}
        for queue in ("deferred", "hold", "corrupt"):
            if waiting[queue]:
                raise RuntimeError(f"{self.name}: mail is {queue}; see {self._folder}/postfix.log")
        return not any(waiting.values())

    def kept(self, user: str) -> int:
        # The copy of what is kept and relayed is one for the local mailbox.
        return _count(self.dovecot.port, self.context, f"{user}@{LOCAL}")


def _runs(pid: int) -> bool:
    return any(fields[0] != "Z" for fields in family(pid).values())


def _files(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


def _count(port: int, context: ssl.SSLContext, address: str) -> int:
    client = Client(port, context)
    client.login(address)
    answer = client.command(b"STATUS INBOX (MESSAGES)")
    client.logout()
    return int(answer.partition(b"(MESSAGES ")[2].partition(b")")[0])
