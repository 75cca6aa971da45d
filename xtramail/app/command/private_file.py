"""Files that commands write for one person: whole or not at all, 0600, never over another unless that is said."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from xtramail.model.errors import BadInput


def refuse_there(places: Iterable[Path]) -> None:
    """BadInput when one of them is there already."""
    there = [place for place in places if os.path.lexists(place)]
    if there:
        raise BadInput(f"{there[0]} is there already; nothing was written. Use --force, or another name")


def write_private(place: Path, text: str) -> None:
    """Never through a link that somebody left there."""
    fresh = place.with_name(f".{place.name}.new")
    fresh.unlink(missing_ok=True)
    opened = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(fresh, place)
