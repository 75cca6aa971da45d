"""The log of a bucket's changes: what it says is what looking through all flags would say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.mailbox.flag_log import FlagLog
from xtramail.mailbox.look import BucketPart
from xtramail.store.records import FlagRow

UIDS = st.integers(1, 400)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.lists(UIDS, max_size=300), st.lists(UIDS, max_size=3)), max_size=40), st.integers(0, 60))
def test_changes_above_a_modseq_are_those_found_by_looking(
    changes: list[tuple[list[int], list[int]]], asked: int
) -> None:
    flags = {uid: FlagRow(modseq=5, flags=0) for uid in range(1, 200)}
    log, modseq = FlagLog(since=5), 5
    for changed, gone in changes:
        modseq += 1
        flags |= {uid: FlagRow(modseq=modseq, flags=0) for uid in changed}
        for uid in gone:
            flags.pop(uid, None)
        log = log.then(modseq, tuple(changed))
    part = BucketPart(modseq=modseq, flags=flags, first_unseen=0, deleted=frozenset(), log=log)
    assert sorted(part.changed_since(asked)) == sorted(uid for uid, row in flags.items() if row.modseq > asked)


def test_a_log_is_bounded_and_says_how_far_back_it_reaches() -> None:
    log = FlagLog(since=0)
    for modseq in range(1, 10_000):
        log = log.then(modseq, (modseq % 7,))
    assert len(log.entries) <= 256
    assert log.after(log.since - 1) is None
    assert log.after(log.since) == set(range(7))
    assert log.after(9_998) == {9_999 % 7}
    assert log.then(10_000, tuple(range(1_000))).after(9_999) is None
