"""Takes mail in on a real store until it is killed; prints the id of each message that was acknowledged."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.delivery.world import World, id_of
from xtramail.model.outcome import Reply
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.telemetry.crashpoint import reach


def main() -> None:
    world = World(engine=LmdbEngine(Path(sys.argv[1]), create=True))
    for number in range(5):
        message = f"From: ann@local.example\r\nMessage-ID: <{number}@x>\r\n\r\n".encode() + b"text\r\n" * 60_000
        acknowledge(world.receive("ann@local.example", "ray@relay.example", message=message))
        acknowledge(world.submit(world.ann, "bob@local.example", "zoe@sender.example", message=message))


def acknowledge(reply: Reply) -> None:
    """As the edge does once the reply is there."""
    reach("intake.before-reply")
    print(id_of(reply), flush=True)


if __name__ == "__main__":
    main()
