"""The base subject of a message (RFC 5256 §2.1): what replies and forwards have in common."""

from __future__ import annotations

_REPLIES = ("re", "fw", "fwd")
_MOST_STEPS = 100
"""Nobody answers a hundred times by hand; a subject of 256 KiB of ``re:`` is an attack."""


def base_subject(subject: str) -> str:
    """``subject`` (decoded) without ``Re:``, ``Fwd:``, ``[list]`` and ``(fwd)``, white space made single."""
    return _reduced(subject)[0]


def is_reply(subject: str) -> bool:
    """Whether something on the way to the base subject said so: a reply or a forward (RFC 5256 §2.1)."""
    return _reduced(subject)[1]


def _reduced(subject: str) -> tuple[str, bool]:
    text, answers = " ".join(subject.split()), False
    for _ in range(_MOST_STEPS):
        before = text
        text = _without_trailer(text)
        text = _without_leader(text)
        answers = answers or text != before
        text = _without_blob(text)
        if text[:5].lower() == "[fwd:" and text.endswith("]"):
            text, answers = text[5:-1].strip(), True
        if text == before:
            break
    return text, answers


def _without_trailer(text: str) -> str:
    # subj-trailer = "(fwd)" / WSP
    while text[-5:].lower() == "(fwd)":
        text = text[:-5].rstrip()
    return text


def _without_leader(text: str) -> str:
    # subj-leader = (*subj-blob subj-refwd) / WSP;  subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
    rest = text
    while (blob := _blob_length(rest)) > 0:
        rest = rest[blob:].lstrip()
    colon = rest.find(":", 0, 300)
    if colon < 0:
        return text
    word = rest[:colon].rstrip()
    at = word.find("[")
    if at >= 0:
        if _blob_length(word[at:]) != len(word) - at:
            return text
        word = word[:at].rstrip()
    return rest[colon + 1 :].strip() if word.lower() in _REPLIES else text


def _without_blob(text: str) -> str:
    # A blob goes only when something is left behind it.
    length = _blob_length(text)
    rest = text[length:].strip()
    return rest if length and rest else text


def _blob_length(text: str) -> int:
    """Octets of a leading ``[...]`` without brackets inside, 0 when there is none."""
    if not text.startswith("["):
        return 0
    end = text.find("]", 1)
    return end + 1 if end > 0 and "[" not in text[1:end] else 0
