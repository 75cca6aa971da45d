"""The server as twistd runs it, but for one refusal: at port 143 it takes passwords without TLS.

It has no setting for that, on purpose. Here it is asked what the same work costs without encryption, beside others who
can be had so; nothing else differs from the server as it is.
"""

from __future__ import annotations

import sys

from twisted.scripts.twistd import run

from xtramail.wire.imap import connection_facts
from xtramail.wire.imap.config import ImapServerConfig
from xtramail.wire.imap.standing import Standing


class Trusting(Standing):
    """Takes every connection for one that is encrypted."""

    def __init__(self, config: ImapServerConfig) -> None:
        super().__init__(config)
        self.tls_active = True


if __name__ == "__main__":
    connection_facts.Standing = Trusting  # type: ignore[attr-defined]
    sys.exit(run())  # type: ignore[no-untyped-call]
