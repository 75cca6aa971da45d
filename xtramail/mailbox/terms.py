"""On what terms a client is spoken to: which extensions it may use, and which it has switched on.

Owns what follows from them for answers. Does not own how they come about (``wire/imap/standing``).
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.wire.imap.offers import spelling_of
from xtramail.wire.imap.utf7 import Spelling


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Capabilities by name, upper-case. Without any, a client is spoken to as RFC 3501 has it."""

    offered: frozenset[str] = frozenset()
    enabled: frozenset[str] = frozenset()

    def offers(self, capability: str) -> bool:
        return capability in self.offered

    @property
    def condstore(self) -> bool:
        """Every FETCH line that tells a change carries its MODSEQ (RFC 7162 §3.1)."""
        return "CONDSTORE" in self.enabled

    @property
    def qresync(self) -> bool:
        """VANISHED is told instead of EXPUNGE, and changes with their UID (RFC 7162 §3.2.3, §3.2.10)."""
        return "QRESYNC" in self.enabled

    @property
    def spelling(self) -> Spelling:
        """Of mailbox names."""
        return spelling_of(self.enabled)

    @property
    def rev2(self) -> bool:
        """RFC 9051 in place of RFC 3501: ESEARCH always, no \\Recent, UID with every change (its Appendix E)."""
        return "IMAP4rev2" in self.enabled


PLAIN = Terms()
