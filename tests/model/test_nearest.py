from __future__ import annotations

import pytest

from xtramail.model.nearest import nearest, perhaps

WORDS = ("primary", "primary-tls", "retention-days", "quota", "tls")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("tsl", "tls"), ("primray", "primary"), ("retention_days", "retention-days"), ("quotas", "quota"), ("colour", "")],
)
def test_a_slip_is_known_and_another_word_is_not(word: str, meant: str) -> None:
    assert nearest(word, WORDS) == meant
    assert perhaps(word, WORDS) == (f"perhaps {meant}? " if meant else "")
