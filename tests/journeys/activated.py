"""An installation whose ports are held open by somebody else, as systemd's socket units do (sd_listen_fds(3))."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tests.journeys.harness import Installation

HELD = ("smtp", "submission", "submissions", "imaps", "pop3s")

# What systemd does between fork and exec: the sockets as 3, 4, 5..., and whom they are for.
_BECOME = """
import fcntl, os, sys
held = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv[1].split(",")]
for place, number in enumerate(held):
    os.dup2(number, 3 + place, inheritable=True)
    os.close(number)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Activated(Installation):
    """Its sockets live as long as this object, whatever becomes of the server."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._sockets = {name: listening(self.ports[name]) for name in HELD}

    def plugin_arguments(self) -> list[str]:
        held = [f"--{name}=systemd:domain=INET:name={name}" for name in HELD]
        own = [one for one in super().plugin_arguments() if not one.startswith(tuple(f"--{name}=" for name in HELD))]
        return [*own, *held]

    def spawn(self, log: IO[bytes], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        numbers = [one.fileno() for one in self._sockets.values()]
        become = [sys.executable, "-c", _BECOME, ",".join(map(str, numbers))]
        return subprocess.Popen(
            [*become, *self.server_command()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.folder,
            env={**environment, "LISTEN_FDS": str(len(HELD)), "LISTEN_FDNAMES": ":".join(HELD)},
            pass_fds=numbers,
        )

    def close(self) -> None:
        try:
            super().close()
        finally:
            for one in self._sockets.values():
                one.close()


def listening(port: int) -> socket.socket:
    """As conf/xtramail-*.socket: with room for those who come while nobody accepts."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", port))
    one.listen(1024)
    return one
