"""One target of tests/fuzz with inputs that libFuzzer chooses by what they reach in xtramail: ``pip install atheris``.

What is found is shown as by the other fuzzers, and left in a file whose name is told.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import mkdtemp

import atheris

with atheris.instrument_imports(include=["xtramail"]):
    from tests.fuzz.catalogue import TARGETS
    from tests.fuzz.judge import judge
    from tests.fuzz.target import Finding, Target

DEAREST = 1.0
"""Seconds of one call; instruments make it several times slower."""
_SEED = 4
"""Octets of an input that stand for chance."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/fuzz guided", description=__doc__)
    parser.add_argument("name", choices=sorted(TARGETS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0.0, metavar="M", help="stop after so many minutes")
    parser.add_argument("--most", type=int, default=8192, metavar="OCTETS", help="of an input")
    chosen = parser.parse_args()

    target = TARGETS[chosen.name]
    folder = Path(mkdtemp(prefix=f"fuzz-{target.name}-"))
    options = [
        f"-seed={chosen.seed}",
        f"-max_total_time={int(60 * chosen.minutes)}",
        f"-max_len={chosen.most}",
        f"-dict={_dictionary(target, folder)}",
        f"-artifact_prefix={folder}/found-",
        "-rss_limit_mb=1500",
        "-print_final_stats=1",
        str(_corpus(target, folder)),
    ]
    atheris.Setup([sys.argv[0], *options], lambda data: _one(target, data))
    atheris.Fuzz()


def _one(target: Target, data: bytes) -> None:
    # Untimed there: what is dear under instruments may not be without them.
    unhurried = Target(name=target.name, play=target.play, seeds=target.seeds, timed=False)
    seed, octets = int.from_bytes(data[:_SEED], "big"), data[_SEED:]
    took = judge(unhurried, octets, seed)
    if target.timed and took > DEAREST:
        raise Finding(target, octets, seed, f"one call took {took:.1f} s under instruments")


def _corpus(target: Target, folder: Path) -> Path:
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, octets in enumerate(target.seeds):
        for chance in range(4):
            (corpus / f"{number}-{chance}").write_bytes(chance.to_bytes(_SEED, "big") + octets)
    return corpus


def _dictionary(target: Target, folder: Path) -> Path:
    file = folder / "words"
    words = ["".join(f"\\x{octet:02X}" for octet in word) for word in target.words if 0 < len(word) <= 64]
    file.write_text("".join(f'"{word}"\n' for word in words), "ascii")
    return file


if __name__ == "__main__":
    main()
