"""What a client that knows a mailbox as of some MODSEQ has missed: changed flags, and UIDs that vanished.

Owns RFC 7162 §3.2.5 and §3.2.6 over one look: there are no tombstones, what vanished is the complement of what is
there. Only buckets that changed since are gone through. Does not own the wording of answers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from xtramail.mailbox.look import Look
from xtramail.model.sequence import SequenceSet


def changed_uids(look: Look, since: int) -> list[int]:
    """UIDs of messages with a MODSEQ above ``since``, ascending."""
    if since >= look.modseq:
        return []
    changed: list[int] = []
    for part in look.parts.values():
        if part.modseq > since:
            changed += part.changed_since(since)
    changed.sort()
    return changed


def vanished(look: Look, present: Sequence[int], since: int, known: SequenceSet) -> SequenceSet:
    """UIDs out of ``known`` that are not among ``present`` (ascending) and may have gone after ``since``.

    A client is never told of UIDs it does not know, nor of ones that were not given yet. It may be told again what it
    was told before (RFC 7162 §3.2.5.1 allows it), but not for buckets that have not changed since.
    """
    if since >= look.modseq:
        return SequenceSet(())
    spans = _overlap(_spans(look, since), known.resolved(look.mailbox.uidnext - 1).ranges)
    return SequenceSet(tuple(_gaps(spans, present)))


def _spans(look: Look, since: int) -> tuple[tuple[int, int], ...]:
    """UID ranges in which something may have gone after ``since``."""
    last = look.mailbox.uidnext - 1
    if last < 1:
        return ()
    if look.newest_drop > since:
        # What an expired bucket held is not known any more, so it may be anywhere.
        return ((1, last),)
    changed = (
        (low, high)
        for bucket, low, high in look.mailbox.buckets
        if bucket not in look.parts or look.parts[bucket].modseq > since
    )
    return SequenceSet.of(changed).ranges


def _overlap(
    left: Sequence[tuple[int, int]], right: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Where two ascending lists of disjoint ranges have numbers in common."""
    at = other = 0
    while at < len(left) and other < len(right):
        low, high = max(left[at][0], right[other][0]), min(left[at][1], right[other][1])
        if low <= high:
            yield low, high
        if left[at][1] < right[other][1]:
            at += 1
        else:
            other += 1


def _gaps(spans: Iterator[tuple[int, int]], present: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The numbers of each span that are not present, as ranges."""
    for low, high in spans:
        first, behind = bisect_left(present, low), bisect_right(present, high)
        start = low
        while first < behind:
            last = _run_end(present, first, behind)
            if start < present[first]:
                yield start, present[first] - 1
            start = present[last] + 1
            first = last + 1
        if start <= high:
            yield start, high


def _run_end(present: Sequence[int], first: int, behind: int) -> int:
    """Index of the last UID before ``behind`` up to which they follow each other without a gap from ``first`` on.

    Steps that double, then halves: a mailbox of thousands has few gaps.
    """
    offset = present[first] - first
    step, last = 1, first
    while last + step < behind and present[last + step] == last + step + offset:
        last += step
        step *= 2
    while step > 1:
        step //= 2
        if last + step < behind and present[last + step] == last + step + offset:
            last += step
    return last


def agreed(uids: Sequence[int], numbers: SequenceSet, known: SequenceSet) -> int:
    """The highest UID up to which a client's message numbers are still right, 0 when none is.

    ``numbers`` and ``known`` pair by position (RFC 7162 §3.2.5.2): they are what the client believes. A number that
    still names the same UID proves that nothing below it has gone, so the highest such pair is looked for.
    ``uids`` are those of the mailbox, ascending. ValueError when the sets cannot be paired.
    """
    if numbers.star or known.star or _size(numbers) != _size(known):
        raise ValueError("message numbers and UIDs of QRESYNC do not pair")
    number_at, known_at = len(numbers.ranges) - 1, len(known.ranges) - 1
    number, uid = (numbers.ranges[-1][1], known.ranges[-1][1]) if numbers.ranges else (0, 0)
    while number_at >= 0:
        run = min(number - numbers.ranges[number_at][0], uid - known.ranges[known_at][0])
        found = _last_pair(uids, number, uid, run)
        if found:
            return found
        number, uid = number - run - 1, uid - run - 1
        if number < numbers.ranges[number_at][0]:
            number_at -= 1
            number = numbers.ranges[number_at][1]
        if uid < known.ranges[known_at][0]:
            known_at -= 1
            uid = known.ranges[known_at][1]
    return 0


def _last_pair(uids: Sequence[int], number: int, uid: int, run: int) -> int:
    """``uids[number - 1] == uid``, or the same for up to ``run`` pairs below; the UID, else 0."""
    skipped = max(number - len(uids), 0)
    for back in range(skipped, run + 1):
        if number - back >= 1 and uids[number - back - 1] == uid - back:
            return uid - back
    return 0


def _size(numbers: SequenceSet) -> int:
    return sum(high - low + 1 for low, high in numbers.ranges)


def above(numbers: SequenceSet, uid: int) -> SequenceSet:
    """What is left of a set beyond ``uid``."""
    ranges = tuple((max(low, uid + 1), high) for low, high in numbers.ranges if high > uid)
    return SequenceSet(ranges, star=numbers.star)
