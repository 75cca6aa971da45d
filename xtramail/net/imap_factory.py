"""Makes the connections of one IMAP service."""

from __future__ import annotations

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from xtramail.net.imap_server import ImapServerProtocol
from xtramail.net.imap_service import ImapService


class ImapFactory(Factory):
    """The connections of one service; wrap it in TLSMemoryBIOFactory where ``config.tls_active``."""

    noisy = False

    def __init__(self, service: ImapService) -> None:
        self.service = service

    def buildProtocol(self, addr: IAddress | None) -> ImapServerProtocol:
        return ImapServerProtocol(self.service)
