from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.store import domain_keys, keys


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.text(min_size=1, max_size=64).filter(lambda text: len(text.encode("utf-8", "ignore")) <= 64))
def test_a_recipients_key_stays_under_the_limit(local: str) -> None:
    try:
        folded = local.casefold()
        key = domain_keys.recipient(folded)
    except UnicodeEncodeError:
        return
    scope = keys.domain_scope("a" * 253)
    assert 4 + len(scope) + 1 + len(key) < 511
    assert domain_keys.recipient_local(key) == folded


def test_a_local_part_of_any_length_makes_a_key_within_the_limit() -> None:
    longest = domain_keys.recipient("ß" * 255)
    assert len(longest) < 250
    assert longest != domain_keys.recipient("ß" * 254)
    assert len(domain_keys.asked("x" * 1000)) < 250
