"""The server as a daemon: started as root where the tests are, it ends as somebody without rights."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import ANN, DOMAIN
from tests.journeys.harness import PROGRAMS, SERVICES, Installation, answers, eventually, fetched, mail

pytestmark = pytest.mark.usefixtures("passage")

NOBODY = 65534


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that the user whom the server becomes may pass: pytest's own are closed to everybody else."""
    with tempfile.TemporaryDirectory(prefix="xtramail-daemon-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def low_ports(count: int) -> list[int]:
    """Ports that only root may bind."""
    found = []
    for port in range(1023, 600, -1):
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            break
    return found


def test_a_daemon_drops_its_rights_before_the_store_is_opened(reachable: Path) -> None:
    root = os.geteuid() == 0
    server = Installation(reachable / "server").init()
    server.add_domain(DOMAIN)
    server.add_user(ANN)
    if root:
        server.ports = dict(zip(SERVICES, low_ports(len(SERVICES)), strict=True))
        for path in (server.folder, *server.folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    pidfile, logfile = server.folder / "daemon.pid", server.folder / "daemon.log"
    (server.folder / "store" / "lock.mdb").unlink(missing_ok=True)
    become = ["--uid", str(NOBODY), "--gid", str(NOBODY)] if root else []
    subprocess.run(
        [str(PROGRAMS / "twistd"), f"--pidfile={pidfile}", f"--logfile={logfile}", *become, *server.plugin_arguments()],
        check=True, capture_output=True, timeout=120, cwd=server.folder,
    )  # fmt: skip
    pid = int(eventually(lambda: pidfile.exists() and logfile.exists() and pidfile.read_text()))
    try:
        # It answers from the moment on in which its ports are bound, as root.
        eventually(lambda: "server-started" in logfile.read_text(), what="it serves")
        assert all(answers(port) for port in server.ports.values())
        if root:
            status = dict(
                line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
            )
            assert status["Uid"].split() == [str(NOBODY)] * 4
            assert status["Gid"].split() == [str(NOBODY)] * 4
            # Made when the store was opened: by nobody, so the rights were gone by then.
            assert (server.folder / "store" / "lock.mdb").stat().st_uid == NOBODY
        server.send(mail(1), ANN)
        with server.imap(ANN) as client:
            assert len(fetched(client)) == 1

        logfile.rename(server.folder / "daemon.log.1")
        os.kill(pid, signal.SIGHUP)
        eventually(lambda: logfile.exists() and "settings-reloaded" in logfile.read_text(), what="a fresh log")
        server.send(mail(2), ANN)
        # As root, the command line becomes the store's owner: it leaves nothing that the server cannot write.
        server.command("user", "add", f"late@{DOMAIN}", "--generate")
        assert not root or all(path.stat().st_uid == NOBODY for path in (server.folder / "store").iterdir())
        with server.imap(ANN) as client:
            assert len(fetched(client)) == 2
    finally:
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not Path(f"/proc/{pid}").exists(), what="SIGTERM ends it")
    assert not pidfile.exists()
    lines = (server.folder / "daemon.log.1").read_text().splitlines() + logfile.read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert events[-1]["event"] == "server-stopped"
    assert not [one for one in events if one["event"] == "bug" or "traceback" in one]
