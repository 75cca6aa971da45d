"""How text compares where people do not care for case: for order (SORT, THREAD) and for finding (SEARCH)."""

from __future__ import annotations

import unicodedata


def searchfold(text: str) -> str:
    """The form in which a text and what is sought in it are compared octet by octet.

    A file name from macOS has its accents apart, a letter from Tokyo its digits wide; both are found all the same.
    """
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text.casefold())


def casemap(text: str) -> str:
    """i;unicode-casemap: titlecase, then full decomposition (RFC 5051 §2).

    Equal texts compare equal, and order is that of code points. ASCII only needs its letters raised.
    """
    if text.isascii():
        return text.upper()
    # A mapping to several characters is no simple one (UnicodeData has none for "ß"), so it is left alone.
    titled = "".join([title if len(title := character.title()) == 1 else character for character in text])
    return unicodedata.normalize("NFKD", titled)
