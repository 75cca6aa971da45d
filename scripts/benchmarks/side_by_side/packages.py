"""Debian's packages of the servers that we stand beside: installed where they are missing, never started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

DOVECOT = Path("/usr/sbin/dovecot")
DOVEADM = Path("/usr/bin/doveadm")
POSTFIX = Path("/usr/lib/postfix/sbin/master")
PROGRAMS = {
    "dovecot-imapd": DOVECOT,
    "dovecot-lmtpd": Path("/usr/lib/dovecot/lmtp"),
    "postfix": POSTFIX,
}


def install(*packages: str) -> None:
    """SystemExit with what to do, where they cannot be had. Nothing that is installed is removed for them."""
    missing = [package for package in packages if not PROGRAMS[package].exists()]
    if not missing:
        return
    wanted = " ".join(missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(f"scripts/bench: needs Debian's {wanted}; install them as root, or use --only xtramail")
    # Without an answer its installation would make a configuration of this machine's name and listen on port 25.
    subprocess.run(
        ["debconf-set-selections"], input="postfix postfix/main_mailer_type select No configuration\n", text=True
    )
    done = subprocess.run(
        ["apt-get", "install", "-y", "--no-install-recommends", "--no-remove", *missing],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
    )
    if done.returncode or not all(PROGRAMS[package].exists() for package in missing):
        sys.exit(f"scripts/bench: {wanted} could not be installed: {done.stderr.strip()[-400:]}")


def versions() -> dict[str, str]:
    """Of what is installed, as the programs say it."""
    asked = {"dovecot": [str(DOVECOT), "--version"], "postfix": ["/usr/sbin/postconf", "-dh", "mail_version"]}
    return {
        name: subprocess.run(command, capture_output=True, text=True).stdout.strip()
        for name, command in asked.items()
        if Path(command[0]).exists()
    }
