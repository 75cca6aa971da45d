"""Line ends of mail in files, both ways, so that what went out comes back octet for octet.

A message is kept here with CRLF. Programs that keep mail in mbox and Maildir write LF, so a message whose every line
ends in CRLF is written with LF; one with any bare CR or LF is written as it is. Read, a message whose first line ends
in CRLF is taken as it is; in any other each bare LF becomes CRLF.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def is_canonical(chunks: Iterable[bytes]) -> bool:
    """Whether every CR and LF is in a CRLF."""
    return all(chunk.count(b"\n") == chunk.count(b"\r\n") == chunk.count(b"\r") for chunk in _paired(chunks))


def to_lf(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Each CRLF as LF."""
    for chunk in _paired(chunks):
        yield chunk.replace(b"\r\n", b"\n")


def to_crlf(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Each bare LF as CRLF."""
    for chunk in _paired(chunks):
        yield chunk.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def canonical(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """As the first line says: everything as it is, or :func:`to_crlf`."""
    first = next(chunks, b"")
    end = first.find(b"\n")
    whole = _with(first, chunks)
    return whole if end > 0 and first[end - 1 : end] == b"\r" else to_crlf(whole)


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _paired(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same octets, cut so that no CRLF lies across a cut."""
    held = b""
    for chunk in chunks:
        if held:
            chunk = held + chunk
        held = b"\r" if chunk.endswith(b"\r") else b""
        if held:
            chunk = chunk[:-1]
        if chunk:
            yield chunk
    if held:
        yield held
