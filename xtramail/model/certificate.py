"""The certificate that a client showed, as octets: who it convinces is for others to say."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """``chain`` in DER, the client's own first; the handshake has proved that it has the key, and nothing else."""

    chain: tuple[bytes, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the client's own, in lower-case hexadecimal."""
        return hashlib.sha256(self.chain[0]).hexdigest()
