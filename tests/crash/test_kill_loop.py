"""Fifty deaths at random moments under load, and everything that was acknowledged is there."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.crash.load import Acknowledged, audit, prepared, under_load
from tests.journeys.harness import Installation, eventually
from tests.journeys.scripted_primary import Script, ScriptedPrimary

ROUNDS = 50
SEED = 20261121
LEAST = 10
"""Messages acknowledged in every other life."""
LONGEST = 0.35
"""Seconds of life under load."""


def test_fifty_kills_lose_nothing(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    known = Acknowledged()
    with ScriptedPrimary() as primary:
        server = prepared(Installation(tmp_path / "server").init(), primary)
        for number in range(ROUNDS):
            # In some lives the primary is away, slow to answer the dot, or forgets to answer it.
            primary.play(chance.choice([Script(), Script(), Script(drop_at="final"), Script(hang_at="final")]))
            server.start()
            before = len(known.sure)
            with under_load(server, known):
                if number % 2:
                    # A busy machine may do nothing in so short a life; the other half die whatever they have done.
                    eventually(lambda least=before + LEAST: len(known.sure) >= least, what="there is load")
                # The moment of death is what is random here, so time has to pass.
                time.sleep(chance.uniform(0.01, LONGEST))
                server.kill()
            if number % 10 == 9:
                assert server.command("verify")["findings"] == []
        primary.play(Script())
        server.start()
        server.drains()
        audit(server, primary, known)
        assert len(known.sure) >= LEAST * ROUNDS // 2, "there was load"
        server.close()
