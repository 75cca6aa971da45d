"""Which mailbox names there can be. Names are keys and never paths; modified UTF-7 is the wire's business."""

from __future__ import annotations

from xtramail.model.errors import BadMailboxName

SEPARATOR = "/"
INBOX = "INBOX"
MAX_OCTETS = 1000
MAX_DEPTH = 20


def canonical(name: str) -> str:
    """INBOX in any case is ``INBOX`` (RFC 9051 §5.1), alone and as the first level; anything else as it is."""
    first, separator, rest = name.partition(SEPARATOR)
    return INBOX + separator + rest if first.lower() == INBOX.lower() else name


def checked(name: str) -> str:
    """The canonical name; BadMailboxName when no mailbox can be called so."""
    name = canonical(name)
    try:
        octets = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise BadMailboxName("Mailbox name is not Unicode text") from None
    if octets > MAX_OCTETS:
        raise BadMailboxName(f"Mailbox name is longer than {MAX_OCTETS} octets")
    if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in name):
        raise BadMailboxName("Mailbox name has control characters")
    levels = name.split(SEPARATOR)
    if len(levels) > MAX_DEPTH:
        raise BadMailboxName(f"Mailbox name has more than {MAX_DEPTH} levels")
    if not all(levels):
        raise BadMailboxName("Mailbox name has an empty level")
    return name


def superiors(name: str) -> list[str]:
    """``a/b/c`` has ``a`` and ``a/b``, in this order."""
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:depth]) for depth in range(1, len(levels))]


def is_inferior(name: str, superior: str) -> bool:
    return name.startswith(superior + SEPARATOR)
