"""What the demonstration keeps in its folder: logins, the port of its primary, what that received, whether it is down.

The three processes of a demonstration (the server, the primary, the command line) know of each other by these files
only. Owns their names and forms, and nothing that runs.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from xtramail.model.errors import BadInput

DOMAIN = "demo.example"
ANN = f"ann@{DOMAIN}"
BEN = f"ben@{DOMAIN}"
USERS = (ANN, BEN)
PRIMARY_PORT = 2526


@dataclass(frozen=True, slots=True)
class Taken:
    """One message as the demo primary noted it."""

    at: float
    sender: str
    recipients: tuple[str, ...]
    octets: int
    message_id: str


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """``directory`` is the installation's; everything of the demonstration lies below it in ``demo``."""

    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "xtramail.toml"

    @property
    def folder(self) -> Path:
        return self.directory / "demo"

    @property
    def authority(self) -> Path:
        """What clients must trust."""
        return self.directory / "certs" / "authority" / "ca.crt"

    @property
    def down(self) -> Path:
        """There while the primary is to be down."""
        return self.folder / "primary.down"

    @property
    def _port_file(self) -> Path:
        return self.folder / "primary.port"

    @property
    def received_file(self) -> Path:
        return self.folder / "received.jsonl"

    @property
    def _logins_file(self) -> Path:
        return self.folder / "logins.json"

    @property
    def exists(self) -> bool:
        return self._logins_file.exists()

    def create(self, logins: dict[str, str], port: int) -> None:
        """Write what a demonstration needs; the logins (0600) last."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._port_file.write_text(f"{port}\n", "ascii")
        descriptor = os.open(self._logins_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(logins, file, indent=2)
            file.write("\n")

    def logins(self) -> dict[str, str]:
        """Address to password. BadInput when there is no demonstration here."""
        try:
            found: dict[str, str] = json.loads(self._logins_file.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            raise BadInput(
                f"there is no demonstration in {self.directory}; start one: xtramail demo run {self.directory}"
            ) from None
        return found

    @property
    def primary_port(self) -> int:
        return int(self._port_file.read_text("ascii"))

    def received(self) -> list[Taken]:
        """Everything that the primary has ever taken."""
        if not self.received_file.exists():
            return []
        lines = self.received_file.read_text("utf-8").splitlines()
        return [_taken(line) for line in lines if line.endswith("}")]

    def note(self, taken: Taken) -> None:
        """Add one message; one write call keeps the line whole."""
        row = {
            "at": taken.at,
            "from": taken.sender,
            "to": taken.recipients,
            "octets": taken.octets,
            "message-id": taken.message_id,
        }
        descriptor = os.open(self.received_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, json.dumps(row).encode() + b"\n")
        finally:
            os.close(descriptor)

    def take_down(self) -> None:
        self.down.touch()

    def bring_up(self) -> None:
        self.down.unlink(missing_ok=True)


def _taken(line: str) -> Taken:
    row = json.loads(line)
    return Taken(
        at=row["at"],
        sender=row["from"],
        recipients=tuple(row["to"]),
        octets=row["octets"],
        message_id=row["message-id"],
    )
