"""scripts/bench imap: what IMAP costs this server, beside Debian's Dovecot (Maildir and mdbox) in one run.

Both serve the same mailbox of realistic messages over TLS with the same kind of certificate (ECDSA P-256), both write
durably, everything is in a temporary folder and on loopback. Costs are processor time of the server's whole process
family. "first": nothing was read before; "restarted": the server was, and its caches in memory are gone, while the
kernel's page cache stays (dropping that needs rights that a benchmark should not have); else everything is warm.
Needs root and Debian's dovecot-imapd (installed where missing) for the comparison; --only xtramail does without.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from side_by_side.scenarios import Row, Scenarios  # noqa: E402
from side_by_side.servers import DOVECOT, Dovecot, Server, Xtramail  # noqa: E402

from tests.corpus import messages  # noqa: E402

SMALLEST, LARGEST = 2_000, 2_000_000
SEED = 11
IDLE_USERS = 40


def corpus(folder: Path, count: int) -> list[Path]:
    """The messages as files: made once, the same for every server."""
    kept: list[Path] = []
    for message in messages(2 * count + 100, SEED):
        if SMALLEST <= len(message) <= LARGEST:
            kept.append(folder / f"{len(kept):06d}")
            kept[-1].write_bytes(message)
            if len(kept) == count:
                break
    return kept


def install_dovecot() -> None:
    """SystemExit with what to do, where it cannot be had."""
    if DOVECOT.exists():
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit("scripts/bench imap: needs Debian's dovecot-imapd; install it as root, or use --only xtramail")
    done = subprocess.run(
        ["apt-get", "install", "-y", "--no-install-recommends", "dovecot-imapd"], capture_output=True, text=True
    )
    if done.returncode or not DOVECOT.exists():
        sys.exit(f"scripts/bench imap: dovecot-imapd could not be installed: {done.stderr.strip()[-400:]}")


def render(results: dict[str, dict[str, Row]], others: list[str]) -> Table:
    table = Table("work", "unit", box=None, pad_edge=False)
    for name in results:
        table.add_column(f"{name}, us", justify="right")
        table.add_column("±", justify="right")
        table.add_column("a second", justify="right")
    for name in others:
        table.add_column(f"{name.split()[-1]} : ours", justify="right")
    names = dict.fromkeys(name for rows in results.values() for name in rows)
    for name in names:
        found = [rows[name] for rows in results.values() if name in rows]
        cells = [found[0].name, found[0].unit]
        for rows in results.values():
            row = rows.get(name)
            if row is None:
                cells += ["", "", ""]
            else:
                cells += [_short(row.cost), f"{row.spread * 50:.0f} %", _short(row.rate) if row.rate else ""]
        ours = results.get("xtramail", {}).get(name)
        for other in others:
            theirs = results[other].get(name)
            cells.append(f"{theirs.cost / ours.cost:.1f}" if ours and theirs and ours.cost else "")
        table.add_row(*cells)
    return table


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def as_json(results: dict[str, dict[str, Row]], options: argparse.Namespace) -> dict[str, Any]:
    version = subprocess.run([str(DOVECOT), "--version"], capture_output=True, text=True) if DOVECOT.exists() else None
    return {
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "dovecot": version.stdout.strip() if version is not None else "",
        "messages": options.messages,
        "rows": {
            server: {
                name: {
                    "unit": row.unit,
                    "cost_us": row.cost,
                    "rate": row.rate,
                    "samples": [[sample.cost, sample.rate] for sample in row.samples],
                }
                for name, row in rows.items()
            }
            for server, rows in results.items()
        },
    }


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
    options = parser.parse_args()
    wanted = [name for name in ("xtramail", "dovecot maildir", "dovecot mdbox") if options.only in name]
    if any(name.startswith("dovecot") for name in wanted):
        install_dovecot()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    users = [f"idle{number}@example.test" for number in range(min(IDLE_USERS, options.idle))]
    results: dict[str, dict[str, Row]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="xtramail-bench-") as name:
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
    others = [name for name in results if name != "xtramail"] if "xtramail" in results else []
    Console(width=max(100, 40 + 34 * len(results) + 16 * len(others))).print(render(results, others))
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(results, options), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
