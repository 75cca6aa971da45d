"""An IMAP client that reads no more than so much of one answer: a server that never ends one costs neither memory nor
time without end.

IMAPClient keeps everything that a server says until the answer is whole, and believes any length of a literal. Owns
that bound, and nothing of what is said.
"""

from __future__ import annotations

import imaplib
from typing import Any

from imapclient import IMAPClient
from imapclient.imap4 import IMAP4WithTimeout
from imapclient.tls import IMAP4_TLS

MOST_ANSWER = 8 << 20
"""Octets of one answer: a thousand headers with the lines of each hop have about 5 MiB."""


class Bounded(imaplib.IMAP4):
    """``abort`` beyond :data:`MOST_ANSWER` octets since we said something last: the connection is then lost."""

    _answered = 0

    def send(self, data: Any) -> None:
        self._answered = 0
        super().send(data)

    def read(self, size: int) -> bytes:
        self._count(size)
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._count(len(line))
        return line

    def _count(self, octets: int) -> None:
        self._answered += octets
        if self._answered > MOST_ANSWER:
            raise self.abort(f"an answer of more than {MOST_ANSWER >> 20} MiB")


class _OverTls(Bounded, IMAP4_TLS):  # type: ignore[misc]
    """TLS from the first octet."""


class _Plain(Bounded, IMAP4WithTimeout):  # type: ignore[misc]
    """STARTTLS may follow."""


class BoundedImapClient(IMAPClient):  # type: ignore[misc]
    """As IMAPClient."""

    def _create_IMAP4(self) -> imaplib.IMAP4:
        kind: Any = _OverTls if self.ssl else _Plain
        told = (self.host, self.port, *((self.ssl_context,) if self.ssl else ()), self._timeout.connect)
        made: imaplib.IMAP4 = kind(*told)
        return made
