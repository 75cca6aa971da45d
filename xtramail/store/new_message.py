"""From a Summary and the stored body to what ``messages.add`` takes."""

from __future__ import annotations

from xtramail.model.message import Summary
from xtramail.model.subject import base_subject
from xtramail.store.bodies import BodyRef
from xtramail.store.message_row import MessageRow
from xtramail.store.messages import NewMessage


def new_message(
    summary: Summary,
    body: BodyRef,
    *,
    object_id: int,
    internaldate: float,
    source: str,
    zone: int = 0,
    flags: int = 0,
    keywords: tuple[str, ...] = (),
) -> NewMessage:
    """``internaldate`` in seconds since 1970, ``zone`` minutes east of UTC, ``source`` of ``message_row.SOURCES``."""
    row = MessageRow(
        size=summary.size,
        internaldate=int(internaldate),
        zone=zone,
        body=body,
        object_id=object_id,
        header_length=summary.header_length,
        envelope=summary.envelope,
        bodystructure=summary.bodystructure,
        body_structure_plain=summary.body,
        preview=summary.preview,
        message_id=summary.message_id,
        subject=base_subject(summary.subject),
        sent_at=int(internaldate if summary.sent_at is None else summary.sent_at),
        parts=summary.parts,
        source=source,
    )
    return NewMessage(
        row=row, flags=flags, keywords=keywords, references=(*summary.references, *summary.in_reply_to)
    )
