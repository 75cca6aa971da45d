from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.store import queue_keys


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.floats(0, 4e9), st.integers(0, 2**63 - 1))
def test_a_due_key_gives_back_its_entry_and_lies_within_its_time(at: float, entry_id: int) -> None:
    key = queue_keys.due("a.example", at, entry_id)
    assert queue_keys.due_entry(key) == entry_id
    assert queue_keys.due("a.example", 0, 0) <= key < queue_keys.due_until("a.example", at)
    assert queue_keys.due_destination(key) == queue_keys.due_prefix("a.example")
    assert queue_keys.due_time(key) == pytest.approx(at, abs=2e-6)
