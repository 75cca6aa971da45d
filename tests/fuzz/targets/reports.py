"""Reports that we write of what others said: nothing in it may add a field, a part, or a line that hosts refuse."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from random import Random

from tests.fuzz.target import Target
from xtramail.wire.mime.compose import Note, RecipientStatus, Report, delivery_report, note

_DATE = "Thu, 05 Nov 2026 10:00:00 +0000"
_FIELDS = {"from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"}


def _play(octets: bytes, rng: Random) -> Iterator[None]:
    texts = [one.decode("utf-8", "surrogateescape") for one in octets.split(b"|")]

    def any_text() -> str:
        return rng.choice(texts)

    status = RecipientStatus(
        final_recipient=any_text(),
        action="failed",
        status=any_text(),
        diagnostic=any_text(),
        remote_mta=any_text(),
        original_recipient=any_text(),
        last_attempt_at=0.0,
    )
    report = Report(
        reporting_mta="mx.example.org",
        sender_address="postmaster@mx.example.org",
        to="ann@example.org",
        subject=any_text(),
        text=any_text(),
        date=_DATE,
        message_id="<1@mx.example.org>",
        boundary="=_b0undary",
        recipients=[status, status],
        original_header=octets,
        arrived_at=0.0,
        envelope_id=any_text(),
        in_reply_to=any_text(),
    )
    written = delivery_report(report)
    yield
    _check(written, _FIELDS | {"in-reply-to", "references"})
    parts = message_from_bytes(written, policy=policy.compat32).get_payload()
    if b"=_b0undary" not in octets:
        assert [part.get_content_type() for part in parts] == [
            "text/plain",
            "message/delivery-status",
            "text/rfc822-headers",
        ]
    yield
    subject, text = any_text(), any_text()
    plain = note(
        Note(sender_address="p@mx.example.org", to="a@b", subject=subject, text=text, date=_DATE, message_id="<2@x>")
    )
    yield
    _check(plain, _FIELDS | {"content-transfer-encoding"})
    yield


def _check(written: bytes, names: set[str]) -> None:
    assert written.count(b"\r\n") == written.count(b"\r") == written.count(b"\n") and b"\0" not in written
    assert max(map(len, written.split(b"\r\n"))) <= 998
    header, _, body = written.partition(b"\r\n\r\n")
    assert body.isascii()
    for line in header.split(b"\r\n"):
        assert line[:1] in (b" ", b"\t") or line.partition(b":")[0].decode("ascii").lower() in names, line


REPORTS = (
    Target(
        name="reports",
        play=_play,
        seeds=(
            b"550 5.1.1 no such user|Undelivered: hello|bob@example.org|rfc822;bob@example.org|Hi,\r\nyour message\r\n",
            "550 5.7.1 nein, Gr\u00fc\u00dfe|\u00e4@\u00fc.example|5.1.1|Betreff: \u00dcber\r\n".encode(),
            b"From: a@b\r\nSubject: x\r\n\ty\r\n\r\nbody|x|5.0.0",
        ),
        words=(
            b"\r\n",
            b"\n",
            b"\r",
            b"|",
            b"\r\n\r\n",
            b"--=_b",
            b"\x0b",
            b"\x0c",
            b"\x1c",
            b"\x85",
            "\u2028".encode(),
            b"\0",
            b"=?",
            b": ",
        ),
        runs=400,
        timed=False,
    ),
)
