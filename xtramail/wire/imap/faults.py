"""How a parser says that a command will not be obeyed. Both become answers of the connection; none leaves it."""

from __future__ import annotations

from xtramail.wire.errors import ProtocolError


class BadSyntax(ProtocolError):
    """Answered ``BAD`` with this text, and counted."""


class Declined(ProtocolError):
    """Well-formed and refused without asking anybody: answered ``NO [code]``."""

    def __init__(self, text: str, code: bytes) -> None:
        super().__init__(text)
        self.code = code
