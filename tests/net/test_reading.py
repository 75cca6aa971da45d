"""A transport is paused once and resumed once."""

from __future__ import annotations

from xtramail.model.clock import SetClock
from xtramail.net.limits import Limits, LimitSettings
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


def test_who_waits_for_his_handshake_is_not_read_whatever_the_pace() -> None:
    limits = Limits(LimitSettings(handshakes_per_address=1), SetClock())
    first, second = (limits.admit("imap", "192.0.2.1") for _ in range(2))
    before, reading, transport = Transport(), Reading(), Transport()
    Reading().shake_in_turn(before, first)
    reading.shake_in_turn(transport, second)
    reading.pace(transport, too_much=True)
    reading.pace(transport, too_much=False)
    assert (before.calls, transport.calls) == ([], ["pause"])
    first.handshake_ended()
    assert transport.calls == ["pause", "resume"]
