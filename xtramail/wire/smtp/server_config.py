"""What one SMTP listening service offers: the settings of a server connection. Owns no state of a connection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """``mx``: mail from the world, no AUTH. ``submission``: MAIL only after STARTTLS (or on 465) and AUTH (RFC
    6409). ``lmtp``: LHLO, and an answer for each recipient behind the text (RFC 2033).
    """

    MX = "mx"
    SUBMISSION = "submission"
    LMTP = "lmtp"


@dataclass(frozen=True, slots=True)
class SmtpServerConfig:
    """Settings of every connection of one service. Sizes in octets; the numbers are reliability's defaults."""

    hostname: str
    role: Role = Role.MX
    tls_available: bool = True
    """STARTTLS can be offered."""
    tls_active: bool = False
    """TLS is on from the first octet (465)."""
    size_limit: int = 50 * 1024 * 1024
    recipients_limit: int = 1000
    errors_before_delay: int = 10
    errors_limit: int = 20
    idle_commands_limit: int = 100
    """Commands without progress (no message accepted, no login)."""
    auth_failures_limit: int = 5
