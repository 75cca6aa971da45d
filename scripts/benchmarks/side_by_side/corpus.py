"""The mail that every server is given: the same octets for each, on every machine."""

from __future__ import annotations

from pathlib import Path

from tests.corpus import messages

SMALLEST, LARGEST = 2_000, 2_000_000
SEED = 11


def corpus(folder: Path, count: int) -> list[Path]:
    """``count`` messages as files in ``folder``, of SMALLEST to LARGEST octets."""
    kept: list[Path] = []
    for message in messages(2 * count + 100, SEED):
        if SMALLEST <= len(message) <= LARGEST:
            kept.append(folder / f"{len(kept):06d}")
            kept[-1].write_bytes(message)
            if len(kept) == count:
                break
    return kept
