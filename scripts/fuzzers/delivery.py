"""Play seed after seed of tests/simulator: intake, queue, primaries, stores that die, people; until one fails.

Prints the seed that failed, the shortest part of its schedule that fails as well, and what was wrong. The same seed
tells the same story every time; a schedule that found something belongs into FOUND of tests/simulator.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.simulator.simulation import EVENTS, Failure, simulate


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz delivery", description=__doc__)
    parser.add_argument("--from", dest="first", type=int, help="the first seed (any, unless given)")
    parser.add_argument("--seeds", type=int, default=0, metavar="N", help="so many seeds (0: until something is found)")
    parser.add_argument("--minutes", type=float, default=0.0, metavar="M", help="stop after so many minutes")
    parser.add_argument("--events", type=int, default=0, help=f"events of a schedule ({EVENTS} to {8 * EVENTS})")
    parser.add_argument("--lmdb", action="store_true", help="on the real store in place of memory")
    parser.add_argument("--go-on", action="store_true", help="do not stop at the first seed that fails")
    chosen = parser.parse_args()

    first = chosen.first if chosen.first is not None else random.SystemRandom().randrange(1 << 40)
    print(f"from seed {first}", flush=True)
    began, played, failed = time.monotonic(), 0, 0
    told = began
    while (not chosen.seeds or played < chosen.seeds) and (
        not chosen.minutes or time.monotonic() - began < 60 * chosen.minutes
    ):
        seed = first + played
        # The length belongs to the seed, so that the same number is the same story.
        events = chosen.events or random.Random(f"length of {seed}").choice((EVENTS, 2 * EVENTS, 8 * EVENTS))
        try:
            simulate(seed, events=events, durable=chosen.lmdb)
        except Failure as failure:
            failed += 1
            print(f"\n{failure}\nagain: scripts/fuzz delivery --from {seed} --seeds 1 --events {events}"
                  f"{' --lmdb' if chosen.lmdb else ''}\n", flush=True)
            if not chosen.go_on:
                return 1
        played += 1
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(f"{played} seeds, {played / (told - began):.1f} a second, {failed} failed", flush=True)
    print(f"{played} seeds, {failed} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
