"""How far a client has come: its state, what is enabled for it, and so what it may ask and is offered.

Owns the effect of answers on these. Does not own octets.
"""

from __future__ import annotations

from xtramail.wire.imap import commands
from xtramail.wire.imap.commands import Command
from xtramail.wire.imap.config import ImapServerConfig
from xtramail.wire.imap.offers import capabilities, rules, uses_condstore
from xtramail.wire.imap.states import AFTER_NO, AFTER_OK, ALLOWED, COMMAND_WORDS, State
from xtramail.wire.imap.status import Outcome, Tagged, bad, no

# BAD means that the command was not tried, so it leads nowhere.
_AFTER: dict[Outcome, dict[type[Command], State]] = {Outcome.OK: AFTER_OK, Outcome.NO: AFTER_NO}


class Standing:
    """Starts not authenticated; ``tls_active`` as the configuration says until STARTTLS."""

    def __init__(self, config: ImapServerConfig) -> None:
        self._config = config
        self.tls_active = config.tls_active
        self.restart()

    def restart(self) -> None:
        """Forget everything but TLS."""
        self.enabled: frozenset[str] = frozenset()
        self._hidden: frozenset[str] = frozenset()
        self.rules = rules(self._config, self._hidden)
        self.enter(State.NOT_AUTHENTICATED)

    def enter(self, state: State) -> None:
        self.state = state
        self._allowed = ALLOWED[state]

    def mask(self, hidden: frozenset[str]) -> None:
        """Hide these, but for what the client has enabled: that cannot be undone (RFC 9051 §6.3.1)."""
        self._hidden = hidden - {name.upper() for name in self.enabled}
        self.rules = rules(self._config, self._hidden, self.enabled)

    @property
    def offered(self) -> frozenset[str]:
        """What this client may use once it has logged in."""
        return self.rules.offered

    def capabilities(self, *, logging_in: bool = False) -> tuple[str, ...]:
        """Those of the state; of the one after login when ``logging_in``."""
        return capabilities(
            self._config,
            hidden=self._hidden,
            tls_active=self.tls_active,
            authenticated=logging_in or self.state is not State.NOT_AUTHENTICATED,
        )

    def out_of_place(self, word: bytes) -> Tagged | None:
        """The refusal of a command that cannot be now, whatever its arguments; None when it may come."""
        if word not in self._allowed:
            return bad(self._why_not_now(word) if word in COMMAND_WORDS else "Unknown command")
        if self.state is State.NOT_AUTHENTICATED:
            if word in (b"LOGIN", b"AUTHENTICATE") and not self.tls_active:
                return no("Passwords are taken under TLS only", b"PRIVACYREQUIRED")
            if word == b"STARTTLS" and (self.tls_active or not self._config.starttls):
                return bad("TLS is active" if self.tls_active else "STARTTLS is not offered")
        return None

    def _why_not_now(self, word: bytes) -> str:
        if self.state is State.NOT_AUTHENTICATED:
            return "Log in first"
        if word in (b"LOGIN", b"AUTHENTICATE", b"STARTTLS"):
            return "You are logged in already"
        return "Select a mailbox first"

    def answered(self, command: Command, outcome: Outcome) -> State | None:
        """The state that the answer to a command leads to, now entered; None when it stays."""
        kind = type(command)
        state = _AFTER.get(outcome, {}).get(kind)
        if state is not None:
            self.enter(state)
        if outcome is Outcome.OK:
            self._switch_on(command)
        return state

    def _switch_on(self, command: Command) -> None:
        if isinstance(command, commands.Enable):
            self.enabled |= frozenset(command.capabilities)
            if "QRESYNC" in self.enabled:
                # RFC 7162 §3.2.3: QRESYNC brings CONDSTORE.
                self.enabled |= {"CONDSTORE"}
            self.rules = rules(self._config, self._hidden, self.enabled)
        elif "CONDSTORE" in self.rules.offered and "CONDSTORE" not in self.enabled and uses_condstore(command):
            self.enabled |= {"CONDSTORE"}
