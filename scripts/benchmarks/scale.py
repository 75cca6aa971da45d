"""scripts/bench scale: whether costs grow faster than the work: with the mailbox, with the store, with the sessions.

The same work in mailboxes of 1,000, 10,000 and 100,000 messages of one store, and in one of 10,000 messages while the
store grows to a million small messages (about 12 GB); the expiry of one day in thirty; the start of the server;
sessions in IDLE that are told of mail. A row's unit is one that should not cost more where there is more. Ends with 1
when one costs over twice as much at the largest size as at the smallest. Dovecot gets the same mailboxes (--beside 2:
not the largest) and an expiry of fewer messages; its mail comes by Postfix and LMTP, and sessions in IDLE need an
inotify instance each, of which Linux gives a user 128: the limit is raised meanwhile. A command that a server is slow
at is given fewer times: no more after three seconds of a round. Stores are filled in large groups, Dovecot's with
files, all without SMTP. Needs 15 GB of disk; root and Debian's dovecot-lmtpd and postfix (installed where missing) for
the comparison; --only xtramail does without. A machine that has nothing else to do takes a quarter of an hour; --quick,
which judges nothing, two minutes, --messages 100000 --sizes 1000,10000 a third.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from side_by_side.at_scale import expiry, idling, starting  # noqa: E402
from side_by_side.at_scale.filling import Filling, file_month, patterns  # noqa: E402
from side_by_side.at_scale.growth import grown  # noqa: E402
from side_by_side.at_scale.progress import Progress  # noqa: E402
from side_by_side.at_scale.sizes import MailboxWork, measure  # noqa: E402
from side_by_side.client import PASSWORD  # noqa: E402
from side_by_side.cost import disk  # noqa: E402
from side_by_side.dovecot import Dovecot  # noqa: E402
from side_by_side.mail_servers import LOCAL, MailServer, PostfixDovecot, XtramailMail  # noqa: E402
from side_by_side.packages import install, versions  # noqa: E402
from side_by_side.rows import OURS, Results, Row, save, show  # noqa: E402
from side_by_side.watches import watched  # noqa: E402

from xtramail.directory.users import account_of  # noqa: E402
from xtramail.model.clock import SystemClock  # noqa: E402
from xtramail.model.ids import IdSource  # noqa: E402
from xtramail.store.lmdb_engine import LmdbEngine  # noqa: E402

DOVECOTS = ("dovecot maildir", "dovecot mdbox")
WORK = ("expiry", "start", "mailbox", "store", "idle")
EMPTY = "an empty store"
FILLERS = 90
"""Accounts that share what makes a store large."""
LISTENERS = tuple(f"listener{number}" for number in range(100))
"""Whose sessions are in IDLE."""
_TOLD = 100_000
"""Messages between two words on how filling goes."""
_GIB = 1 << 30


@dataclass(slots=True, kw_only=True)
class Figures:
    """What was found: rows by server; and ours of the same work at several sizes, the smallest first."""

    results: Results = field(default_factory=dict)
    sizes: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, server: str, rows: dict[str, Row], size: str = "", *, beside: str = "") -> None:
        """``size`` is told in each row's name; what it is compared with has the same ``beside`` in its name."""
        into = self.results.setdefault(server, {})
        for name, row in rows.items():
            if size:
                row.name = f"{name}, {size}"
            into[row.name] = row
            if size and server == OURS and name not in starting.BY_DISK:
                before = self.sizes.setdefault(f"{name}{beside}", [])
                if before:
                    before[-1].smallest, row.smallest = "", before[0].name
                before.append(row)


class Ours:
    """Our server and the store that grows under it."""

    def __init__(self, folder: Path, options: argparse.Namespace, figures: Figures, progress: Progress) -> None:
        self._options = options
        self._figures = figures
        self._say = progress.say
        self.server = XtramailMail(folder)
        self._mailboxes = {size: f"of{size}@{LOCAL}" for size in options.sizes}
        self._fillers = [f"filler{number}@{LOCAL}" for number in range(FILLERS)]
        self._listeners = [f"{name}@{LOCAL}" for name in LISTENERS]
        self._messages = 0

    def prepare(self) -> None:
        installation = self.server.installation.init()
        installation.add_domain(LOCAL)
        users = (*self._mailboxes.values(), *self._fillers, *self._listeners)
        listed = "".join(f"{user},{PASSWORD}\n" for user in users)
        installation.command("import", "--kind", "users", "--yes", "-", text=f"address,password\n{listed}")

    def run(self, work: Sequence[str]) -> None:
        options = self._options
        if "start" in work:
            self._start(EMPTY)
        if "idle" in work and options.idle:
            self._idle()
        if {"start", "mailbox", "store"} & set(work):
            self._fill({self._mailboxes[size]: size for size in options.sizes})
        if "mailbox" in work:
            self._work({size: f"{size:,} messages" for size in options.sizes})
        if "store" in work:
            self._work({options.sizes[1]: self._size()}, beside=" in a larger store")
        if {"start", "store"} & set(work):
            left = max(0, options.messages - self._messages)
            shares = [(number + 1) * left // FILLERS - number * left // FILLERS for number in range(FILLERS)]
            self._fill(dict(zip(self._fillers, shares, strict=True)))
        if "start" in work:
            self._start(f"{options.messages:,} messages")
        if "store" in work:
            self._work({options.sizes[1]: self._size()}, beside=" in a larger store")

    def _size(self) -> str:
        return f"a store of {disk(self.server.installation.folder / 'store') / _GIB:.1f} GiB"

    def _fill(self, counts: dict[str, int]) -> None:
        self._say(f"xtramail: filling, {sum(counts.values()):,} messages")
        filled = 0
        engine = LmdbEngine(self.server.installation.folder / "store")
        try:
            clock = SystemClock()
            kinds = patterns(engine, self._options.kinds)
            filling = Filling(engine, kinds, now=clock.now(), first_id=IdSource(clock).next())
            for user, count in counts.items():
                account = account_of(engine, user)
                assert account is not None
                filling.inbox(account.id, count)
                self._messages += count
                filled, before = filled + count, filled
                if filled // _TOLD > before // _TOLD:
                    self._say(f"xtramail: filled, {filled:,}")
        finally:
            engine.close()

    def _start(self, size: str) -> None:
        self._say(f"xtramail: starting with {size}")
        self._figures.add("xtramail", starting.starts(self.server, self._options.rounds), size)

    def _work(self, told: dict[int, str], *, beside: str = "") -> None:
        self._say(f"xtramail: work with {', '.join(told.values())}")
        times = self._options.times
        works = {size: MailboxWork(self.server, self._mailboxes[size], times=times) for size in told}
        try:
            measure(self.server, list(works.values()), self._options.rounds)
        finally:
            self.server.stop()
        for size, work in works.items():
            self._figures.add("xtramail", work.rows, told[size], beside=beside)

    def _idle(self) -> None:
        self._say(f"xtramail: {self._options.idle:,} sessions in IDLE")
        self._figures.add("xtramail", _deliveries(self.server, self._options))


def beside(
    folder: Path, name: str, options: argparse.Namespace, figures: Figures, work: Sequence[str], progress: Progress
) -> None:
    """The same of Dovecot, as far as it makes sense; with Postfix, since ours takes mail in, too."""
    storage = name.split()[1]
    if "expiry" in work:
        progress.say(f"{name}: expiry")
        (folder / "expiry").mkdir(mode=0o755)
        alone = Dovecot(folder / "expiry", storage, 100)
        alone.prepare(())
        alone.start()
        try:
            figures.add(name, expiry.theirs(alone, options.corpus, options.theirs))
        finally:
            alone.stop()
        shutil.rmtree(folder / "expiry")
    if not {"start", "mailbox", "idle"} & set(work):
        return
    server = PostfixDovecot(folder, storage, max(100, options.idle))
    users = {size: f"of{size}" for size in options.sizes[: options.beside]}
    server.prepare([*LISTENERS, *users.values()], sink=0)
    if "start" in work:
        progress.say(f"{name}: starting with {EMPTY}")
        figures.add(name, starting.starts(server, options.rounds), EMPTY)
    if "idle" in work and options.idle:
        with watched(options.idle) as possible:
            if possible:
                progress.say(f"{name}: {options.idle:,} sessions in IDLE")
                figures.add(name, _deliveries(server, options))
    if not {"start", "mailbox"} & set(work):
        return
    wanted = users if "mailbox" in work else dict([max(users.items())])
    server.start()
    try:
        for size, user in wanted.items():
            progress.say(f"{name}: filling, {size:,} messages")
            file_month(server.dovecot, f"{user}@{LOCAL}", options.corpus, size)
            if (filed := server.kept(user)) != size:
                raise RuntimeError(f"{name}: {filed} messages of {size} are in the mailbox")
    finally:
        server.stop()
    if "mailbox" in work:
        progress.say(f"{name}: work with {', '.join(f'{size:,} messages' for size in users)}")
        works = {size: MailboxWork(server, f"{user}@{LOCAL}", times=options.times) for size, user in users.items()}
        try:
            measure(server, list(works.values()), options.rounds)
        finally:
            server.stop()
        for size, one in works.items():
            figures.add(name, one.rows, f"{size:,} messages")
    if "start" in work:
        progress.say(f"{name}: starting with {max(users):,} messages")
        figures.add(name, starting.starts(server, options.rounds), f"{options.messages:,} messages")


def _deliveries(server: MailServer, options: argparse.Namespace) -> dict[str, Row]:
    users = [f"{name}@{LOCAL}" for name in LISTENERS]
    server.start()
    try:
        return idling.deliveries(server, options.corpus, users, sessions=options.idle, rounds=options.rounds)
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=None, help="a folder on the disk to measure")
    parser.add_argument("--sizes", type=_sizes, default=[1_000, 10_000, 100_000], help="messages of the mailboxes")
    parser.add_argument("--messages", type=int, default=1_000_000, help="messages of the large store")
    parser.add_argument("--expire", type=int, default=100_000, help="messages of the day that expires")
    parser.add_argument("--theirs", type=int, default=6_000, help="messages of Dovecot's mailbox that expires in part")
    parser.add_argument("--beside", type=int, default=3, help="of the mailboxes, so many of Dovecot's, too")
    parser.add_argument("--idle", type=int, default=1_000, help="sessions in IDLE; 0: none")
    parser.add_argument("--rounds", type=int, default=3, help="of each row, for the median")
    parser.add_argument("--times", type=int, default=500, help="of each command in a round")
    parser.add_argument("--only", default="", help="servers whose name has this in it: xtramail, maildir, mdbox")
    parser.add_argument("--work", default="", help=f"only these, by commas: {', '.join(WORK)}")
    parser.add_argument("--json", type=Path, default=None, help="write the figures into this file")
    parser.add_argument("--quick", action="store_true", help="little of everything, once: some seconds a server")
    options = parser.parse_args()
    options.kinds = 300
    if options.quick:
        options.sizes, options.messages, options.expire, options.theirs = [500, 1_000, 5_000], 20_000, 5_000, 600
        options.rounds, options.times, options.idle, options.kinds = 1, 50, 100, 50
    options.messages = max(options.messages, sum(options.sizes))
    work = options.work.split(",") if options.work else WORK
    wanted = [name for name in ("xtramail", *DOVECOTS) if options.only in name]
    if set(wanted) & set(DOVECOTS):
        install("dovecot-imapd", *(["dovecot-lmtpd", "postfix"] if {"start", "mailbox", "idle"} & set(work) else []))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    progress = Progress()
    figures = run(options, wanted, work, progress)
    show(figures.results)
    if options.json is not None:
        about = {"versions": versions(), "messages": options.messages, "seconds": round(progress.seconds)}
        save(options.json, figures.results, about)
    # One round of little is no measure: a machine that does something else doubles a row of it.
    faster = [] if options.quick else grown(figures.results.get(OURS, {}))
    for sentence in faster:
        print(f"scripts/bench scale: grows faster than the work: {sentence}", file=sys.stderr)
    sys.exit(1 if faster else 0)


def run(options: argparse.Namespace, wanted: Sequence[str], work: Sequence[str], progress: Progress) -> Figures:
    figures = Figures()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="xtramail-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        empty = LmdbEngine(folder / "empty", create=True)
        options.corpus = [pattern.octets for pattern in patterns(empty, options.kinds)]
        empty.close()
        if "xtramail" in wanted:
            if "expiry" in work:
                progress.say("xtramail: expiry")
                rows = expiry.ours(folder, options.expire, options.expire // 20, options.kinds)
                figures.add("xtramail", rows)
                shutil.rmtree(folder / "expiry")
            ours = Ours(folder, options, figures, progress)
            ours.prepare()
            ours.run(work)
            shutil.rmtree(folder / "xtramail")
        for each in DOVECOTS:
            if each in wanted:
                beside(folder, each, options, figures, work, progress)
    return figures


def _sizes(text: str) -> list[int]:
    return sorted(int(word) for word in text.split(","))


if __name__ == "__main__":
    main()
