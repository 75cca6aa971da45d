"""Metrics in a registry of their own."""

from __future__ import annotations

from prometheus_client import generate_latest

from xtramail.telemetry.metrics import Metrics


def test_each_registry_counts_for_itself() -> None:
    first, second = Metrics(), Metrics()
    first.message_accepted("smtp", 100)
    first.message_accepted("smtp", 50)
    assert first.registry.get_sample_value("xtramail_messages_accepted_total", {"service": "smtp"}) == 2
    assert first.registry.get_sample_value("xtramail_messages_accepted_octets_total", {"service": "smtp"}) == 150
    assert second.registry.get_sample_value("xtramail_messages_accepted_total", {"service": "smtp"}) is None


def test_open_connections_go_up_and_down() -> None:
    metrics = Metrics()
    metrics.connection_opened("imaps")
    metrics.connection_opened("imaps")
    metrics.connection_closed("imaps")
    assert metrics.registry.get_sample_value("xtramail_connections_open", {"service": "imaps"}) == 1
    assert metrics.registry.get_sample_value("xtramail_connections_total", {"service": "imaps"}) == 2


def test_a_watched_value_is_read_at_each_scrape() -> None:
    metrics = Metrics()
    queue: list[int] = []
    metrics.watch("queue_entries", "Entries in the queue.", lambda: len(queue))
    assert metrics.registry.get_sample_value("xtramail_queue_entries") == 0
    queue.extend([1, 2])
    assert metrics.registry.get_sample_value("xtramail_queue_entries") == 2


def test_every_metric_is_rendered_with_its_meaning() -> None:
    metrics = Metrics()
    metrics.connection_turned_away("smtp")
    metrics.handshake_failed("imaps")
    metrics.login("imaps", "good")
    metrics.message_refused("smtp")
    metrics.recipient_refused("smtp")
    metrics.imap_command("FETCH")
    metrics.relayed("delivered", 3)
    metrics.relay_took(0.2)
    metrics.alarm("disk")
    metrics.bug("smtp")
    text = generate_latest(metrics.registry).decode()
    assert 'xtramail_relay_recipients_total{outcome="delivered"} 3.0' in text
    assert all(line.startswith(("# ", "xtramail_")) for line in text.splitlines())
