"""scripts/bench imap: what IMAP costs this server, beside Debian's Dovecot (Maildir and mdbox) in one run.

Both serve the same mailbox of realistic messages over TLS with the same kind of certificate (ECDSA P-256), both write
durably, everything is in a temporary folder and on loopback. Costs are processor time of the server's whole process
family. "first": nothing was read before; "restarted": the server was, and its caches in memory are gone, while the
kernel's page cache stays (dropping that needs rights that a benchmark should not have); else everything is warm.
"No TLS": our server takes no password without it; for this row it is started with that refusal taken out. Sessions in
IDLE need an inotify instance each with Dovecot, of which Linux gives a user 128: the limit is raised meanwhile.
Needs root and Debian's dovecot-imapd (installed where missing) for the comparison; --only xtramail does without.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from side_by_side.corpus import corpus  # noqa: E402
from side_by_side.dovecot import Dovecot  # noqa: E402
from side_by_side.packages import install, versions  # noqa: E402
from side_by_side.rows import Results, save, show  # noqa: E402
from side_by_side.scenarios import Scenarios  # noqa: E402
from side_by_side.servers import Server, Xtramail  # noqa: E402
from side_by_side.watches import watched  # noqa: E402

IDLE_USERS = 40


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench imap", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=None, help="a folder on the disk to measure")
    parser.add_argument("--messages", type=int, default=10_000, help="messages of the mailbox")
    parser.add_argument("--rounds", type=int, default=3, help="of each row, for the median")
    parser.add_argument("--idle", type=int, default=2_000, help="sessions in IDLE; 0: none")
    parser.add_argument("--only", default="", help="servers whose name has this in it: xtramail, maildir, mdbox")
    parser.add_argument("--work", default="", help="only work with this in its name: reading, logins, changing, ...")
    parser.add_argument("--set", action="append", default=[], help="a setting of xtramail, as section.key=VALUE")
    parser.add_argument("--json", type=Path, default=None, help="write the figures into this file")
    parser.add_argument("--quick", action="store_true", help="a small mailbox, once: some seconds a server")
    options = parser.parse_args()
    if options.quick:
        options.messages, options.rounds, options.idle = 500, 1, 100
    wanted = [name for name in ("xtramail", "dovecot maildir", "dovecot mdbox") if options.only in name]
    if any(name.startswith("dovecot") for name in wanted):
        install("dovecot-imapd")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    users = [f"idle{number}@example.test" for number in range(min(IDLE_USERS, options.idle))]
    results: Results = {}
    others = options.idle if wanted[-1] != "xtramail" else 0
    with watched(others), tempfile.TemporaryDirectory(dir=options.folder, prefix="xtramail-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "corpus").mkdir()
        print(f"writing {options.messages} messages", flush=True)
        files = corpus(folder / "corpus", options.messages)
        for each in wanted:
            server: Server
            if each == "xtramail":
                server = Xtramail(folder, options.set)
            else:
                server = Dovecot(folder, each.split()[1], options.idle)
            print(f"  {each}: loading", flush=True)
            server.prepare(users)
            server.load((file.read_bytes() for file in files), len(files))
            server.start()
            try:
                scenarios = Scenarios(
                    server, messages=len(files), rounds=options.rounds, idle=options.idle, idle_users=users
                )
                results[each] = scenarios.run(options.work)
            finally:
                server.stop()
    show(results)
    if options.json is not None:
        save(options.json, results, {"versions": versions(), "messages": options.messages})


if __name__ == "__main__":
    main()
