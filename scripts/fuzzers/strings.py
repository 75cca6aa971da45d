"""Changed inputs, one after another, for one parser or dialogue of tests/fuzz: until one breaks a promise.

The promises: no fault of ours, no call above 100 ms of processor time, no work that grows faster than its input, and
what each target says of itself. A finding is shown with the number that brings it back, and shortened.
"""

from __future__ import annotations

import argparse
import sys
import time
from random import SystemRandom

from tests.fuzz.catalogue import TARGETS
from tests.fuzz.judge import run, shortened
from tests.fuzz.target import Finding, Target


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz NAME", description=__doc__)
    parser.add_argument("name", choices=["strings", *TARGETS], help="strings: all of them, in turn")
    parser.add_argument("--seed", type=int, help="the first number (any, unless given)")
    parser.add_argument("--runs", type=int, default=0, metavar="N", help="so many inputs of each (0: no end)")
    parser.add_argument("--minutes", type=float, default=0.0, metavar="M", help="stop after so many minutes")
    parser.add_argument("--go-on", action="store_true", help="do not stop at the first finding")
    chosen = parser.parse_args()

    targets = list(TARGETS.values()) if chosen.name == "strings" else [TARGETS[chosen.name]]
    first = chosen.seed if chosen.seed is not None else SystemRandom().randrange(1 << 40)
    print(f"from seed {first}", flush=True)
    began = told = time.monotonic()
    played = found = 0
    while (not chosen.runs or played < chosen.runs * len(targets)) and (
        not chosen.minutes or time.monotonic() - began < 60 * chosen.minutes
    ):
        target, seed = targets[played % len(targets)], first + played // len(targets)
        try:
            run(target, seed, pumping=True)
        except Finding as finding:
            found += 1
            _tell(finding, target)
            if not chosen.go_on:
                return 1
        played += 1
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(f"{played} inputs, {played / (told - began):.0f} a second, {found} found", flush=True)
    print(f"{chosen.name}: {played} inputs, {found} found, {time.monotonic() - began:.0f} s")
    return 1 if found else 0


def _tell(finding: Finding, target: Target) -> None:
    short = shortened(finding, target)
    again = f"again: scripts/fuzz {target.name} --seed {finding.seed} --runs 1"
    print(f"\n{finding}\nshortened: {short[:3000]!r}\n{again}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
