"""The two errors of ``wire``: the peer broke the grammar, or we used an engine wrongly.

Owns nothing else; what mail itself can refuse is ``model/errors``.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """The peer broke the grammar. ``text`` is for the log; it quotes nothing secret."""

    @property
    def text(self) -> str:
        return str(self.args[0]) if self.args else "protocol error"


class MisuseError(Exception):
    """We broke the contract of a connection: a bug of the caller, never the peer's doing."""
