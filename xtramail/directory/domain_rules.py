"""What must hold between the settings of one domain, each of which may be right by itself."""

from __future__ import annotations

from xtramail.directory import journal_addresses, relay_clients, round_trips
from xtramail.directory.domain_settings import text
from xtramail.directory.imap_access import access_of
from xtramail.model.errors import BadInput
from xtramail.store.records import DomainRow


def check_domain(row: DomainRow) -> None:
    """BadInput names the first settings that do not go together, and what to do."""
    if row.recipients == "ask" and not row.primaries:
        raise BadInput("recipients ask: there is no primary to ask; set primary=HOST or recipients=listed")
    if not row.continuity and not row.primaries:
        raise BadInput("continuity off: without a primary its mail would be nowhere; set primary=HOST first")
    if text(row, "sent-back-by") == "imap" and access_of(row) is None:
        raise BadInput("sent-back-by imap: where to? set primary-imap=HOST and primary-imap-secret=- as well")
    round_trips.check(row)
    relay_clients.check(row)
    journal_addresses.check(row)
