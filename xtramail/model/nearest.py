"""The word that somebody probably meant. Owns how near is near enough."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_NEAR = 0.6
"""Of 1: two letters of three changed over (``tsl``) are a slip still."""


def nearest(word: str, words: Iterable[str]) -> str:
    """The one of ``words`` nearest to ``word``; empty where none is near."""
    return next(iter(get_close_matches(word[:100], list(words), n=1, cutoff=_NEAR)), "")


def perhaps(word: str, words: Iterable[str]) -> str:
    """``perhaps WORD?`` with a blank behind it, for the beginning of a list of what there is; empty as above."""
    found = nearest(word, words)
    return f"perhaps {found}? " if found else ""
