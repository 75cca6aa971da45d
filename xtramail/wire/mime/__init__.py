"""MIME: from the octets of a message to the facts that are kept beside it, and the few things we write ourselves.

``Scanner`` and ``summarise`` give a ``model.message.Summary``; ``header`` answers for HEADER.FIELDS; ``compose`` writes
reports and header lines. Nothing here re-serialises a message that was received.
"""

from xtramail.wire.mime.scanner import Scanner, summarise

__all__ = ["Scanner", "summarise"]
