"""scripts/bench delivery: what a message costs from SMTP into a mailbox, beside Debian's Postfix with Dovecot.

Postfix hands over to Dovecot by LMTP, Maildir and mdbox. All get the same mail (tests/corpus.py: real shapes, sizes
log-normal with a mean of 25 KB, up to 2 MB) from the same sender, with the same kind of certificate (ECDSA P-256); all
write durably before they answer. Costs are processor time of the server's processes and of their children, those that
ended too, until everything is in the mailboxes (IMAP is asked for the number) or with the host it is relayed to.
Everything is on loopback and in a temporary folder, with configuration, queue and ports of its own. Needs root and
Debian's postfix, dovecot-imapd and dovecot-lmtpd (installed where missing) for the comparison; --only xtramail does
without.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from side_by_side.arriving import USERS, WAYS, Arriving  # noqa: E402
from side_by_side.corpus import corpus  # noqa: E402
from side_by_side.mail_servers import MailServer, PostfixDovecot, XtramailMail  # noqa: E402
from side_by_side.packages import install, versions  # noqa: E402
from side_by_side.rows import Results, save, show  # noqa: E402
from side_by_side.sink import Sink  # noqa: E402

SERVERS = ("xtramail", "postfix + dovecot maildir", "postfix + dovecot mdbox")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench delivery", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=None, help="a folder on the disk to measure")
    parser.add_argument("--messages", type=int, default=1_000, help="of a row, for each round; less for slow ways")
    parser.add_argument("--rounds", type=int, default=3, help="of each row, for the median")
    parser.add_argument("--only", default="", help="servers whose name has this in it: xtramail, maildir, mdbox")
    parser.add_argument("--work", default="", help=f"only rows with this in their name: {WAYS[0].name}, ...")
    parser.add_argument("--set", action="append", default=[], help="a setting of xtramail, as section.key=VALUE")
    parser.add_argument("--json", type=Path, default=None, help="write the figures into this file")
    parser.add_argument("--quick", action="store_true", help="few messages, once: some seconds a server")
    options = parser.parse_args()
    if options.quick:
        options.messages, options.rounds = 150, 1
    wanted = [name for name in SERVERS if options.only in name]
    if any(name != "xtramail" for name in wanted):
        install("postfix", "dovecot-imapd", "dovecot-lmtpd")
    users = [f"user{number}" for number in range(USERS)]
    results: Results = {}
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="xtramail-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "corpus").mkdir()
        messages = [file.read_bytes() for file in corpus(folder / "corpus", options.messages)]
        for each in wanted:
            server: MailServer
            if each == "xtramail":
                server = XtramailMail(folder, options.set)
            else:
                server = PostfixDovecot(folder, each.split()[-1])
            # A sink for each: what the one before still had to relay is not counted as this one's.
            with Sink() as sink:
                server.prepare(users, sink.port)
                server.start()
                try:
                    arriving = Arriving(
                        server, sink, messages, messages=options.messages, rounds=options.rounds, users=users
                    )
                    results[each] = arriving.run(options.work)
                finally:
                    server.stop()
    show(results)
    if options.json is not None:
        about = {"versions": versions(), "messages": options.messages, "octets": sum(map(len, messages))}
        save(options.json, results, about)


if __name__ == "__main__":
    main()
