"""A body known by bucket and id alone: its reference made anew from the chunks that are there.

For who has neither a mailbox row nor a queue entry that refers to it. Reads the whole body once, a chunk at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.model.bucket import Bucket
from xtramail.store.bodies import chunk_count, decode_chunk
from xtramail.store.engine import Engine
from xtramail.store.message_row import BodyRef

_RETURN_PATH = b"Return-Path: <"
_HEADER_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class FoundBody:
    ref: BodyRef
    eightbit: bool
    """Some octet is not ASCII."""


def top_of(engine: Engine, bucket: Bucket, body_id: int) -> bytes | None:
    """The first octets of a body: its whole header where that is below 65,000 octets. None when it is not there.

    Corrupt when it is damaged.
    """
    chunk = engine.read_body(bucket, body_id, 0)
    return None if chunk is None else decode_chunk(chunk)


def reverse_path(top: bytes) -> str:
    """What the Return-Path line on top says; empty for the null sender, and where there is no such line."""
    if not top.startswith(_RETURN_PATH):
        return ""
    return top[len(_RETURN_PATH) : top.find(b">\r\n")].decode("utf-8", "replace")


def find_body(engine: Engine, bucket: Bucket, body_id: int) -> FoundBody | None:
    """None when it is not there, or not whole; Corrupt when it is damaged."""
    size = header_length = number = 0
    eightbit = False
    before = first = b""
    while (chunk := engine.read_body(bucket, body_id, number)) is not None:
        octets = decode_chunk(chunk)
        if number == 0:
            first = octets
        if not header_length:
            end = (before + octets).find(_HEADER_END)
            if end >= 0:
                header_length = size - len(before) + end + len(_HEADER_END)
            # The end may lie across two chunks.
            before = (before + octets)[-3:]
        eightbit = eightbit or not octets.isascii()
        size += len(octets)
        number += 1
    if number == 0:
        return None
    ref = BodyRef(
        bucket=bucket,
        id=body_id,
        size=size,
        header_length=header_length or size,
        return_path_length=first.find(b"\r\n") + 2 if first.startswith(_RETURN_PATH) else 0,
    )
    return FoundBody(ref=ref, eightbit=eightbit) if chunk_count(ref) == number else None
