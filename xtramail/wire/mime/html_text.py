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
_PARTS: Final = " "
"""Of a tag: words stop at it."""
_INSIDE: Final = ""
"""It may stand inside a word."""
_COMMENT: Final = "!--"
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
    show = shown.append
    # The same few tags, attributes and all, come again and again: each is looked at once (2 % of a message).
    kinds: dict[str, str] = {}
    unseen = ""
    """What ends the part that is not shown: a closing tag, or ``-->``."""
    for piece in pieces[1:]:
        tag, closed, text = piece.partition(">")
        if unseen:
            if unseen == "-->":
                _, closed, text = piece.partition("-->")
                if closed:
                    unseen = ""
                    show(text)
            elif _name(tag) == unseen:
                unseen = ""
                show(" " + text)
            continue
        kind = kinds.get(tag)
        if kind is None:
            kind = kinds[tag] = _kind(tag)
        if closed and kind == _PARTS:
            # One space is enough, so that hardly any are left to be made single at the end.
            if shown[-1] != " ":
                show(" ")
            if text and not text.isspace():
                show(text)
        elif closed and kind == _INSIDE:
            show(text)
        elif kind == _COMMENT:
            _, closed, text = piece.partition("-->")
            if closed:
                show(text)
            else:
                unseen = "-->"
        elif closed:
            unseen = kind
        else:
            # "a < b" is no tag.
            show(piece if tag[:1] in ("/", "!") or tag[:1].isalpha() else "<" + piece)
    text = _unescape("".join(shown))
    # Far quicker than splitting into words: most spaces stand alone.
    return " ".join([piece.strip() for piece in text.split("  ") if piece and piece != " "])


def _name(tag: str) -> str:
    return tag.partition(" ")[0].lower()


def _kind(tag: str) -> str:
    """_PARTS, _INSIDE or _COMMENT; of one that hides what follows, the tag that ends it."""
    name = _name(tag)
    if name[:3] == "!--":
        return _COMMENT
    if name in _UNSEEN:
        return "/" + name
    return _INSIDE if name in _INLINE or name[1:] in _INLINE else _PARTS


def _unescape(text: str) -> str:
    """Character references resolved; the two that make up nearly all of them without a pattern."""
    if "&" not in text:
        return text
    references = text.count("&")
    spaced = text.replace("&nbsp;", " ")
    plain = spaced.replace("&amp;", "&")
    if references * 20 == (len(text) - len(spaced)) * 4 + (len(spaced) - len(plain)) * 5:
        return plain
    text = spaced
    return html.unescape(_huge_reference("\ufffd", text) if "&#" in text else text)
