"""A transport is paused once and resumed once."""

from __future__ import annotations

from xtramail.net.reading import Reading


class Transport:
    def __init__(self) -> None:
        self.calls = list[str]()

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")


def test_it_stops_and_goes_on_once_for_each_change() -> None:
    reading, transport = Reading(), Transport()
    for too_much in (False, True, True, False, False, True):
        reading.pace(transport, too_much=too_much)
    assert transport.calls == ["pause", "resume", "pause"]


def test_closing_reads_again_only_what_was_stopped() -> None:
    reading, transport = Reading(), Transport()
    reading.resume(transport)
    reading.pace(transport, too_much=True)
    reading.resume(transport)
    reading.resume(transport)
    assert transport.calls == ["pause", "resume"]


def test_a_bar_holds_whatever_the_pace() -> None:
    reading, transport = Reading(), Transport()
    reading.bar(transport)
    reading.pace(transport, too_much=True)
    reading.pace(transport, too_much=False)
    assert transport.calls == ["pause"]
    reading.unbar(transport)
    assert transport.calls == ["pause", "resume"]
