"""The rule for URLs that we post to."""

from __future__ import annotations

from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
MOST_CHARACTERS = 2_000


def check_hook_url(text: str) -> str:
    """A URL to post to, unchanged; ValueError with the rule.

    Whoever sets one is trusted with where it leads: also to hosts within the network. Without TLS only to this machine.
    """
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"not a URL ({error}); write it as https://hooks.example.org/xtramail") from None
    if parts.scheme not in ("http", "https") or not host or any(not 32 < ord(c) < 127 for c in text):
        raise ValueError("write it as https://hooks.example.org/xtramail, in ASCII")
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"at most {MOST_CHARACTERS} characters")
    if parts.username is not None or parts.fragment:
        raise ValueError("without a user name and without #: the signature says who calls")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ValueError("must be https; http only to this machine, such as http://127.0.0.1:8080/")
    return text


def hook_host(text: str) -> str:
    """What of a URL may be shown: paths of some receivers are as good as a password."""
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.netloc}/..."
