"""What every listening service does with its open connections."""

from __future__ import annotations

from xtramail.net.connection_service import ConnectionService
from xtramail.telemetry.metrics import Metrics


class Client:
    """Goes when it is told to; a busy one only when it is cut."""

    def __init__(self, service: ConnectionService, *, busy: bool = False) -> None:
        self.service, self.busy = service, busy
        service.opened(self)

    def drain(self) -> None:
        if not self.busy:
            self.cut()

    def cut(self) -> None:
        self.service.closed(self)


def test_a_drain_ends_when_the_last_connection_is_gone() -> None:
    service, gone = ConnectionService(name="smtp", metrics=Metrics()), list[None]()
    Client(service)
    busy = Client(service, busy=True)
    service.drain().addCallback(gone.append)
    assert service.draining
    assert not gone
    busy.cut()
    assert gone == [None]


def test_two_drains_wait_for_the_same_end_and_a_cut_brings_it() -> None:
    service, gone = ConnectionService(name="smtp", metrics=Metrics()), list[None]()
    Client(service, busy=True)
    assert service.drain() is (waited := service.drain())
    waited.addCallback(gone.append)
    service.cut()
    assert gone == [None]


def test_a_service_without_connections_is_drained_at_once() -> None:
    gone = list[None]()
    ConnectionService(name="smtp", metrics=Metrics()).drain().addCallback(gone.append)
    assert gone == [None]


def test_connections_are_counted_as_they_come_and_go() -> None:
    metrics = Metrics()
    service = ConnectionService(name="imaps", metrics=metrics)
    Client(service).cut()
    Client(service)
    labels, value = {"service": "imaps"}, metrics.registry.get_sample_value
    assert value("xtramail_connections_total", labels) == 2
    assert value("xtramail_connections_open", labels) == 1
