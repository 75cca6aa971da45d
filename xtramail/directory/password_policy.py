"""What a person may choose as a password: long enough, and none of those that guessers try first.

``common_passwords.txt`` has the words that such passwords are made of, one a line; what is put behind them (digits, an
exclamation mark) and letters that look like digits make them no better. Generated passwords need no look.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xtramail.model.address import Address
from xtramail.model.errors import BadInput

SHORTEST = 8
"""Characters (NIST SP 800-63B §3.1.1.2)."""
_FEWEST_DIFFERENT = 4
_LOOKS = str.maketrans("013457@$!", "oleastasi")
_TAIL = "0123456789!?.,;:-_+*#$%&/()=@ "
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm")


def check(password: str, address: Address) -> None:
    """BadInput says what is wrong with it for the user ``address``."""
    reason = _reason(password, address)
    if reason:
        raise BadInput(f"password: {reason}, or let one be made with --generate")


def _reason(password: str, address: Address) -> str:
    if len(password) < SHORTEST:
        return f"at least {SHORTEST} characters"
    text = password.casefold()
    if len(set(text)) < _FEWEST_DIFFERENT:
        return f"at least {_FEWEST_DIFFERENT} different characters"
    if any(text in row * 2 or text in row[::-1] * 2 for row in _ROWS):
        return "not a row of the keyboard or the alphabet"
    forms = {text, text.rstrip(_TAIL), text.strip(_TAIL)}
    forms |= {form.translate(_LOOKS) for form in forms}
    own = {address.local_key, *address.local_key.split("."), address.domain_key, *address.domain_key.split(".")}
    if forms & {word for word in own if len(word) > 2} or text == address.key:
        return "not the name of the user or the domain"
    if forms & common_words():
        return "not one of those that are tried first, with or without digits behind it"
    return ""


@cache
def common_words() -> frozenset[str]:
    """The list, folded."""
    return frozenset(Path(__file__).with_name("common_passwords.txt").read_text("ascii").split())
