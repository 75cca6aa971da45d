"""An installation as ``xtramail init`` makes it, administered in this process by the command line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from tests.delivery.world import MESSAGE, World
from tests.desks import operator
from xtramail.app.command.main import main
from xtramail.model.address import Address
from xtramail.model.clock import SetClock
from xtramail.store import keys, outbound
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.records import Account, QueueEntry


@dataclass(frozen=True, slots=True)
class Office:
    """``folder`` holds the installation. Domains and users are those of ``tests.delivery.world``."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "xtramail.toml"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def run(self, *arguments: str, input: str | bytes = "") -> Result:
        return CliRunner().invoke(main, ["--config", str(self.config), *arguments], input=input)

    def done(self, *arguments: str, input: str | bytes = "") -> str:
        """Standard output of a command that must succeed."""
        result = self.run(*arguments, input=input)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str, input: str | bytes = "") -> Any:
        """The JSON value of a command that must succeed."""
        return json.loads(self.done(*arguments, "--json", input=input))

    def refused(self, *arguments: str, input: str | bytes = "") -> str:
        """The reason of a command that must be refused; told alike to people and to scripts."""
        spoken = self.run(*arguments, input=input)
        assert spoken.exit_code == 1, spoken.output
        assert spoken.stdout == "" and spoken.stderr.startswith("xtramail: "), spoken.output
        written = self.run(*arguments, "--json", input=input)
        assert written.exit_code == 1 and written.stderr == "", written.output
        error: str = json.loads(written.stdout)["error"]
        return error

    def account(self, address: str) -> Account:
        """As it is stored."""
        with self.engine() as engine:
            return operator(engine, SetClock()).account(Address.parse(address))

    @contextmanager
    def engine(self) -> Iterator[LmdbEngine]:
        opened = LmdbEngine(self.store)
        try:
            yield opened
        finally:
            opened.close()

    def world(self, work: Callable[[World], Any], at: float | None = None) -> Any:
        """What ``work`` gives on a world over this store, at the moment ``at`` (seconds, now when None)."""
        with self.engine() as engine:
            world = World(engine=engine, clock=SetClock(time.time() if at is None else at))
            return work(world)

    def receive(
        self, *recipients: str, message: bytes = MESSAGE, sender: str = "zoe@sender.example", at: float | None = None
    ) -> None:
        """Mail comes in, as it would through port 25."""

        def deliver(world: World) -> None:
            reply = world.receive(*recipients, message=message, sender=sender)
            assert reply.code == 250, reply

        self.world(deliver, at)

    def queued(self) -> list[QueueEntry]:
        with self.engine() as engine:
            return engine.read(keys.QUEUE, outbound.entries)

    def settle(self, change: Callable[[Any], Any]) -> Any:
        """Run ``change`` as a transaction of the queue."""
        with self.engine() as engine:
            return engine.transact(keys.QUEUE, change).result()
