"""Looks at images of a store, one a line on standard input, and says on standard output what is wrong with each.

A process of its own: an image that kills its reader is a finding.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from xtramail.model.bucket import PERMANENT
from xtramail.model.ids import id_from_text
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.store import bodies, keys, ledger, mail_rows, mailbox_rows, schema
from xtramail.store.engine import Snapshot
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.verify_walk import Walk

LONGEST = 20.0
"""Seconds of work for one image."""
HANGS = 300
"""Seconds in which somebody who works at all has done it."""
END = b"the last line\r\n"
"""How every message of the recording ends."""


def texts(engine: LmdbEngine) -> list[bytes]:
    """Every stored message of every user."""

    def refs(snap: Snapshot) -> list[Any]:
        return [
            mail_rows.message_row(snap, mailbox.id, found.bucket, found.uid).body  # type: ignore[union-attr]
            for mailbox in mailbox_rows.mailboxes(snap)
            for found in mail_rows.locate_all(snap, mailbox)
        ]

    return [bodies.read(engine, ref) for scope in engine.scopes(keys.USER_PREFIX) for ref in engine.read(scope, refs)]


def fates(engine: LmdbEngine, ours: str) -> set[str]:
    """What the ledger says of the message with that id of ours."""
    number = id_from_text(ours)

    def rows(snap: Snapshot) -> set[str]:
        return {row.fate for bucket in snap.buckets() for row in ledger.ledger_of(snap, bucket, number).values()}

    return engine.read(keys.QUEUE, rows)


async def write(engine: LmdbEngine) -> None:
    for _ in range(3):
        await engine.transact(keys.STORE, schema.next_account_id)


def problems(folder: Path, present: list[str], dotted: list[str]) -> list[str]:
    """``present``: Message-IDs that were acknowledged; ``dotted``: our ids of what was handed on to its last octet."""
    engine = LmdbEngine(folder)
    wrong: list[str] = []

    def tell(message: dict[str, Any]) -> None:
        if "finding" in message:
            wrong.append(json.dumps(message))

    try:
        schema.open_format(engine)
        found = texts(engine)
        for message_id in present:
            line = f"Message-ID: {message_id}\r\n".encode()
            copies = [text for text in found if line in text]
            if [text.endswith(END) for text in copies] != [True]:
                wrong.append(f"{message_id}: {len(copies)} copies, lengths {[len(text) for text in copies]}")
        for ours in dotted:
            fate = fates(engine, ours)
            if not fate or Fate.HELD in fate:
                wrong.append(f"{ours} was handed on, and the ledger says {sorted(fate)}")
        Walk(engine, tell).run(PERMANENT)
        # And it goes on from there: what is written next disturbs nothing.
        drive(write(engine))
        if not wrong:
            Walk(engine, tell).run(PERMANENT)
    finally:
        engine.close()
    return wrong


def main() -> None:
    for asked in map(json.loads, sys.stdin):
        # A damaged tree may lead in a circle; the signal ends this process, which is a finding, too.
        signal.setitimer(signal.ITIMER_PROF, LONGEST)
        signal.alarm(HANGS)
        try:
            answer = problems(Path(asked["folder"]), asked["present"], asked["dotted"])
        except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding
            answer = [f"{type(error).__name__}: {error}"]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
