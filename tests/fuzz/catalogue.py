"""Every target by its name."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets.calls import CALLS
from tests.fuzz.targets.files import FILES
from tests.fuzz.targets.imap import IMAP
from tests.fuzz.targets.mime import MIME
from tests.fuzz.targets.records import RECORDS
from tests.fuzz.targets.reports import REPORTS
from tests.fuzz.targets.smtp import SMTP
from tests.fuzz.targets.visits import VISITS

TARGETS: dict[str, Target] = {
    one.name: one for one in (*SMTP, *IMAP, *MIME, *RECORDS, *VISITS, *FILES, *CALLS, *REPORTS)
}
