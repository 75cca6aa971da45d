"""How text compares where people do not care for case: i;unicode-casemap (RFC 5051), which SORT and THREAD want."""

from __future__ import annotations

import unicodedata


def casemap(text: str) -> str:
    """Titlecase, then full decomposition (RFC 5051 §2): equal texts compare equal, and order is that of code points.

    ASCII only needs its letters raised.
    """
    if text.isascii():
        return text.upper()
    # A mapping to several characters is no simple one (UnicodeData has none for "ß"), so it is left alone.
    titled = "".join([title if len(title := character.title()) == 1 else character for character in text])
    return unicodedata.normalize("NFKD", titled)
