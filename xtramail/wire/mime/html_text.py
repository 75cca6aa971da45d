"""HTML to the words a reader would search for.

Owns a tag stripper in one pass. A real parser is no choice here: building a tree from 250 KB of nested ``<div>`` keeps
a well-known C library busy for five seconds, and nothing can interrupt it.
"""

from __future__ import annotations

import html
import re
from typing import Final

from xtramail.wire.mime import limits

# These stand inside words; every other tag parts them.
_INLINE: Final = frozenset(
    "a abbr b bdi bdo big cite code del em font i ins mark s small span strike strong sub sup tt u wbr".split()
)
_UNSEEN: Final = frozenset(("style", "script", "title", "noscript", "template"))
# html.unescape counts on int() of any length.
_huge_reference = re.compile(r"&#[xX]?[0-9a-fA-F]{9,}").sub


def html_to_text(markup: str) -> str:
    """Words of the first ``limits.HTML_TAGS`` tags of ``markup``, single-spaced; comments, styles, scripts left out."""
    markup = markup[: limits.TEXT_OCTETS].replace("\r", " ").replace("\n", " ").replace("\t", " ")
    pieces = markup.split("<", limits.HTML_TAGS)
    if len(pieces) > limits.HTML_TAGS:
        pieces.pop()
    shown = [pieces[0]]
    unseen = ""
    """What ends the part that is not shown: a closing tag, or ``-->``."""
    for piece in pieces[1:]:
        if unseen == "-->":
            _, closed, text = piece.partition("-->")
            if closed:
                unseen = ""
                shown.append(text)
            continue
        tag, closed, text = piece.partition(">")
        name = tag.partition(" ")[0].lower()
        if unseen:
            if name == unseen:
                unseen = ""
                shown.append(" " + text)
            continue
        if name[:3] == "!--":
            _, closed, text = piece.partition("-->")
            if closed:
                shown.append(text)
            else:
                unseen = "-->"
        elif not closed:
            # "a < b" is no tag.
            shown.append(piece if tag[:1] in ("/", "!") or tag[:1].isalpha() else "<" + piece)
        elif name in _UNSEEN:
            unseen = "/" + name
        elif name in _INLINE or name[1:] in _INLINE:
            shown.append(text)
        elif text and not text.isspace():
            shown.append(" " + text)
        elif shown[-1] != " ":
            shown.append(" ")
    text = _unescape("".join(shown))
    # Far quicker than splitting into words: most spaces stand alone.
    return " ".join([piece.strip() for piece in text.split("  ") if piece and piece != " "])


def _unescape(text: str) -> str:
    """Character references resolved; the two that make up nearly all of them without a pattern."""
    references = text.count("&")
    if not references:
        return text
    spaces = text.count("&nbsp;")
    if spaces:
        text = text.replace("&nbsp;", " ")
    if references == spaces + text.count("&amp;"):
        return text.replace("&amp;", "&")
    return html.unescape(_huge_reference("\ufffd", text) if "&#" in text else text)
