"""What one turn writes leaves in few pieces, in order."""

from __future__ import annotations

from xtramail.net.outbox import Outbox


def test_pieces_of_one_turn_leave_together() -> None:
    sent: list[bytes] = []
    outbox = Outbox(sent.append)
    outbox.gathering = True
    outbox.put(b"a")
    outbox.put(b"")
    outbox.put(b"b")
    assert sent == []
    outbox.flush()
    outbox.flush()
    assert sent == [b"ab"]


def test_much_leaves_at_once_and_so_does_what_comes_between_turns() -> None:
    sent: list[bytes] = []
    outbox = Outbox(sent.append)
    outbox.put(b"a")
    outbox.gathering = True
    outbox.put(b"b" * 40_000)
    assert sent == [b"a", b"b" * 40_000]


def test_nothing_leaves_after_the_end() -> None:
    sent: list[bytes] = []
    outbox = Outbox(sent.append)
    outbox.gathering = True
    outbox.put(b"a")
    outbox.close()
    outbox.put(b"b")
    outbox.flush()
    assert sent == []
