"""Finds DKIM signatures good or not, by dkimpy, against records that a test publishes."""

from __future__ import annotations

from collections.abc import Mapping

import dkim


def verdicts(message: bytes, records: Mapping[str, str]) -> list[bool]:
    """One for each DKIM-Signature of ``message``, from the top; ``records``: TXT by name."""

    def txt(name: bytes, timeout: float = 5) -> str | None:
        return records.get(name.decode("ascii").rstrip("."))

    header = message.partition(b"\r\n\r\n")[0].lower()
    count = (b"\r\n" + header).count(b"\r\ndkim-signature:")
    return [bool(dkim.DKIM(message).verify(idx=number, dnsfunc=txt)) for number in range(count)]
