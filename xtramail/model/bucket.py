"""A bucket: all rows that expire together, an arrival day and a retention class in one u32."""

from __future__ import annotations

from typing import NewType

from xtramail.model.clock import day_of

Bucket = NewType("Bucket", int)

PERMANENT = Bucket(0)

# Classes below FIRST_DOMAIN_CLASS belong to the store itself; each domain (or mirror) gets its own from there on.
CLASS_LOG = 1
CLASS_HELD = 2
FIRST_DOMAIN_CLASS = 16


def bucket_of(day: int, retention_class: int) -> Bucket:
    """``day`` counted from 2020-01-01 (1..65535), ``retention_class`` 1..65535."""
    if not 1 <= day <= 0xFFFF or not 1 <= retention_class <= 0xFFFF:
        raise ValueError(f"no bucket for day {day}, class {retention_class}")
    return Bucket(day << 16 | retention_class)


def bucket_at(seconds: float, retention_class: int) -> Bucket:
    """The bucket of something that arrives at ``seconds`` since 1970."""
    return bucket_of(day_of(seconds), retention_class)


def bucket_day(bucket: Bucket) -> int:
    return bucket >> 16


def bucket_class(bucket: Bucket) -> int:
    return bucket & 0xFFFF
