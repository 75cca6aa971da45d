"""What one POP3 listening service offers: the settings of a server connection. Owns no state of a connection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pop3ServerConfig:
    """Settings of every connection of one service."""

    tls_active: bool = True
    """TLS is on from the first octet (995)."""
    starttls: bool = False
    """STLS is offered while TLS is not active (110). Without TLS there is no login."""
    errors_before_delay: int = 10
    errors_limit: int = 20
    idle_commands_limit: int = 100
    """Commands one after the other that neither log in nor name a message."""
