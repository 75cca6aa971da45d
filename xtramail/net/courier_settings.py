"""How long the courier waits for each answer of a host, and how it keeps connections."""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.wire.smtp.client_events import Stage


@dataclass(frozen=True, slots=True)
class CourierSettings:
    """Seconds (RFC 5321 §4.5.3.2). A wait is for one whole reply: a line a minute does not move it."""

    hostname: str
    connect: float = 10.0
    greeting: float = 60.0
    command: float = 300.0
    data: float = 120.0
    block: float = 180.0
    final: float = 600.0
    last_answer: float = 5.0
    """For the answer to a message that is out, when this server stops."""
    idle: float = 5.0
    idle_per_hop: int = 10
    """As many as a drain uses at a time: kept lines of fewer would be made anew for every other message."""
    messages_per_line: int = 100
    ask: float = 5.0
    """One question, from its turn to its answer, a new connection included."""
    ask_turn: float = 25.0
    """How long a question waits for its turn: with itself it stays within half a minute."""
    ask_waiting: int = 100
    """Most questions that wait for one host."""
    ask_idle: float = 60.0
    chunking: bool = True

    def wait(self, stage: Stage) -> float:
        """For the reply that belongs to ``stage``."""
        match stage:
            case Stage.MAIL | Stage.RCPT:
                return self.command
            case Stage.DATA:
                return self.data
            case Stage.FINAL:
                return self.final
        return self.greeting
