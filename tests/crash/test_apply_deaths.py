"""An import that is killed: all of it is there, or nothing; run again, all of it is there once."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.journeys.harness import PROGRAMS, Installation

DOMAIN = "example.test"
USERS = 2_000


def test_a_killed_import_leaves_all_or_nothing(tmp_path: Path) -> None:
    server = Installation(tmp_path / "server").init()
    server.command("domain", "add", DOMAIN)
    file = tmp_path / "users.csv"
    file.write_text("address\n" + "".join(f"user{number:04}@{DOMAIN}\n" for number in range(USERS)))
    words = [str(PROGRAMS / "xtramail"), "--config", str(server.config), "import", str(file), "--kind", "users"]
    began = time.monotonic()
    assert server.command("import", str(file), "--kind", "users", "--dry-run")["plan"]["users"]["add"] == USERS
    looked = time.monotonic() - began
    found = 0
    for death in range(8):
        running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            running.wait(looked * (0.8 + 0.2 * death))
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        found = len(server.command("user", "list", "--domain", DOMAIN))
        assert found in (0, USERS)
        if found:
            break
    server.command("import", str(file), "--kind", "users")
    assert len(server.command("user", "list", "--domain", DOMAIN)) == USERS
    assert server.command("import", str(file), "--kind", "users")["applied"] is False
    assert server.command("audit", "verify")["whole"]
