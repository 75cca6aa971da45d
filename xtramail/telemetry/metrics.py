"""Numbers for Prometheus, in a registry that is passed in: nothing here is global.

Owns names, labels and meaning of what is counted as it happens. Labels have few values by design: never an address, a
domain or a reply. What is asked of the store at each scrape is ``net/queue_figures``'s.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from xtramail.telemetry.tally import Tally


class Metrics:
    """One for the server; tests make their own with a fresh registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self._connections = self._tally("connections_open", "Open connections.", "service", grows=False).of
        self._connected = self._tally("connections", "Connections taken.", "service").of
        self._turned_away = self._counter("connections_turned_away", "Connections refused by a limit.", "service")
        self._handshakes_failed = self._counter("tls_handshakes_failed", "TLS handshakes that failed.", "service")
        logins = "Logins: good, refused, busy, shut-out (not looked at)."
        self._logins = self._tally("logins", logins, "service", "outcome").of
        self._accepted = self._tally("messages_accepted", "Messages answered with 250.", "service").of
        self._accepted_octets = self._tally("messages_accepted_octets", "Their octets.", "service").of
        self._signed = self._counter("messages_signed", "Messages accepted and signed by their domain's DKIM keys.")
        self._blocked = self._counter("senders_blocked", "Users blocked from sending: rate, bounces.", "cause")
        self._refused = self._counter("messages_refused", "Messages refused after their last octet.", "service")
        self._recipients_refused = self._counter("recipients_refused", "Recipients refused at RCPT.", "service")
        self._commands = self._tally("imap_commands", "IMAP commands by name.", "command").of
        self._pop3_commands = self._tally("pop3_commands", "POP3 commands by what they mean.", "command").of
        self._attempts = self._counter(
            "relay_recipients", "Outcomes of handing on: delivered, deferred, unconfirmed, bounced.", "outcome"
        )
        self._relay_seconds = Histogram(
            "xtramail_relay_seconds",
            "From taking a message out of the queue to the last reply.",
            buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300),
            registry=self.registry,
        )
        self._held_seconds = Histogram(
            "xtramail_hold_seconds",
            "From the arrival of a message to its delivery, for each recipient.",
            buckets=(1, 10, 60, 300, 3_600, 21_600, 86_400, 259_200, 604_800, 1_209_600),
            registry=self.registry,
        )
        self._ledger_balanced = self._gauge("ledger_balanced", "1 while accepted = sum of fates; looked at hourly.")
        self._ledger_balanced.set(1)
        self._primaries = self._counter("primary_changes", "Steps of primaries to a state.", "state")
        self._alarms = self._counter("alarms", "Alarms by kind.", "kind")
        self._alerts = self._counter(
            "alerts", "Alerts by kind and outcome: raised, mailed, posted, given-up.", "kind", "outcome"
        )
        self._webhook_failures = self._counter("webhook_failures", "Webhooks that did not take an alert.")
        self._turns_slow = self._counter("reactor_turns_slow", "Turns of the reactor over 20 ms: everybody waited.")
        self._turn_longest = self._gauge("reactor_turn_longest_seconds", "The longest turn since the start.")
        self._longest_turn = 0.0
        self._bugs = self._counter("bugs", "Errors nobody expected.", "where")

    def _tally(self, name: str, doc: str, *labels: str, grows: bool = True) -> Tally:
        return Tally(f"xtramail_{name}", doc, labels, self.registry, grows=grows)

    def _counter(self, name: str, doc: str, *labels: str) -> Counter:
        return Counter(f"xtramail_{name}", doc, labels, registry=self.registry)

    def _gauge(self, name: str, doc: str, *labels: str) -> Gauge:
        return Gauge(f"xtramail_{name}", doc, labels, registry=self.registry)

    def watch(self, name: str, doc: str, read: Callable[[], float]) -> None:
        """A gauge whose value is asked for at each scrape, such as the queue's length; ``read`` must be quick."""
        self._gauge(name, doc).set_function(read)

    def connection_opened(self, service: str) -> None:
        self._connected[service,] += 1
        self._connections[service,] += 1

    def connection_closed(self, service: str) -> None:
        self._connections[service,] -= 1

    def connection_turned_away(self, service: str) -> None:
        self._turned_away.labels(service).inc()

    def handshake_failed(self, service: str) -> None:
        self._handshakes_failed.labels(service).inc()

    def login(self, service: str, outcome: str) -> None:
        """``outcome``: good, refused or busy; shut-out for those of the refused that were not looked at."""
        self._logins[service, outcome] += 1

    def message_accepted(self, service: str, size: int) -> None:
        """``size`` in octets."""
        self._accepted[service,] += 1
        self._accepted_octets[service,] += size

    def message_signed(self) -> None:
        self._signed.inc()

    def sender_blocked(self, cause: str) -> None:
        self._blocked.labels(cause).inc()

    def message_refused(self, service: str) -> None:
        self._refused.labels(service).inc()

    def recipient_refused(self, service: str) -> None:
        self._recipients_refused.labels(service).inc()

    def imap_command(self, command: str) -> None:
        """``command`` is one we know: a client cannot make up label values."""
        self._commands[command,] += 1

    def pop3_command(self, command: str) -> None:
        """As :meth:`imap_command`."""
        self._pop3_commands[command,] += 1

    def relayed(self, outcome: str, recipients: int = 1) -> None:
        """``outcome``: delivered, deferred, unconfirmed, held, suppressed or bounced."""
        self._attempts.labels(outcome).inc(recipients)

    def relay_took(self, seconds: float) -> None:
        self._relay_seconds.observe(seconds)

    def held(self, seconds: float) -> None:
        """From arrival to delivery."""
        self._held_seconds.observe(seconds)

    def ledger_audited(self, *, holds: bool) -> None:
        self._ledger_balanced.set(1 if holds else 0)

    def primary_changed(self, state: str) -> None:
        """``state``: up, suspect, down, recovering or held."""
        self._primaries.labels(state).inc()

    def alarm(self, kind: str) -> None:
        self._alarms.labels(kind).inc()

    def alert(self, kind: str, outcome: str) -> None:
        """``outcome``: raised, mailed, posted or given-up."""
        self._alerts.labels(kind, outcome).inc()

    def webhook_failed(self) -> None:
        self._webhook_failures.inc()

    def turn_slow(self, seconds: float) -> None:
        """One that everybody noticed."""
        self._turns_slow.inc()
        self._longest_turn = max(self._longest_turn, seconds)
        self._turn_longest.set(self._longest_turn)

    def bug(self, where: str) -> None:
        self._bugs.labels(where).inc()
