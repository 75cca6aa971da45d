"""What may be chosen as a password."""

from __future__ import annotations

import pytest

from xtramail.directory import password_policy
from xtramail.model.address import Address
from xtramail.model.errors import BadInput

ANN = Address.parse("ann.meyer@example.org")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "at least 8 characters"),
        ("", "at least 8 characters"),
        ("aaaaaaaaaa", "at least 4 different characters"),
        ("abababab", "at least 4 different characters"),
        ("12345678", "not a row of the keyboard"),
        ("87654321", "not a row of the keyboard"),
        ("QWERTYUIOP", "not a row of the keyboard"),
        ("password", "tried first"),
        ("P@ssw0rd!", "tried first"),
        ("Passwort2026", "tried first"),
        ("Summer2026!", "tried first"),
        ("!!welcome!!", "tried first"),
        ("ann.meyer", "not the name of the user or the domain"),
        ("Meyer1967", "not the name of the user or the domain"),
        ("example2026", "not the name of the user or the domain"),
        ("ann.meyer@example.org", "not the name of the user or the domain"),
    ],
)
def test_what_guessers_try_first_is_refused_with_its_reason(password: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        password_policy.check(password, ANN)


@pytest.mark.parametrize(
    "password",
    ["correct horse", "grüße, 100% = ok", "passwordless-is-fine", "xk2 Voles", "日本語のパスワード", "1q9Z" * 200],
)
def test_anything_else_of_eight_characters_is_taken(password: str) -> None:
    password_policy.check(password, ANN)


def test_the_list_has_words_of_one_line_each_in_folded_form() -> None:
    words = password_policy.common_words()
    assert len(words) > 400
    assert all(word == word.casefold() and word.isprintable() for word in words)
