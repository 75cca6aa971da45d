"""How a client connection presents itself to every server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SmtpClientConfig:
    """How we present ourselves. ``chunking``: use BDAT where CHUNKING and PIPELINING are offered."""

    hostname: str
    tls_active: bool = False
    chunking: bool = False
