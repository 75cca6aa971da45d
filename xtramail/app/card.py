"""The emergency card of a user: how to work on here, as text and as one HTML page that needs nothing from elsewhere.

For people who have never heard of this server, in an hour in which nobody has time for them. Never has a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from xtramail.app.doors import Door, door
from xtramail.app.settings import Settings
from xtramail.delivery.cards import Words
from xtramail.directory.domain_settings import switch, text
from xtramail.model.clock import utc_text
from xtramail.store.records import Account, DomainRow

READING = ("imaps", "imap", "pop3s", "pop3")
SENDING = ("submissions", "submission")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """``notes``: what is good to know, a sentence or two each."""

    user: str
    reading: Door | None
    sending: Door | None
    """None: not offered by this server."""
    notes: tuple[str, ...]
    contact: str


def card(settings: Settings, domain: DomainRow, account: Account) -> Card:
    """The card of one user. ``settings`` have a host name."""

    def first(services: tuple[str, ...]) -> Door | None:
        return next((found for one in services if (found := door(settings, one, domain.name)) is not None), None)

    return Card(
        user=account.address,
        reading=first(READING),
        sending=first(SENDING),
        notes=tuple(_notes(domain, account)),
        contact=text(domain, "card-contact") or text(domain, "contact") or f"your administrator of {domain.name}",
    )


def _notes(domain: DomainRow, user: Account) -> list[str]:
    days = f"Mail of the last {domain.retention_days} days is here, from the day on which your mailbox was made here."
    if not domain.primaries:
        return [days]
    notes = [days, f"What arrives meanwhile is kept, and goes to your usual mailbox when {domain.name} is back."]
    if text(domain, "sent-back", user) == "never":
        notes.append("What you send lies in Sent here only. Copy what you want to keep.")
    elif text(domain, "sent-back-by") == "imap":
        notes.append("What you send lies in Sent here, and is filed in Sent of your usual mailbox when that is back.")
    else:
        notes.append("What you send lies in Sent here, and comes to your usual mailbox as mail when that is back.")
    notes.append("Drafts stay here: send or copy them before you go back.")
    if not switch(domain, "give-back-deleted", user):
        notes.append("What you delete here while your usual mailbox is away does not come back there.")
    return notes


_TITLE = "When your usual mail does not work"
_PASSWORD = "the one for this server, which you were given. It is not on this card."


def _rows(card: Card) -> list[tuple[str, list[tuple[str, str]]]]:
    """Headings with names and values."""
    sections = []
    kind = "IMAP" if card.reading is None or card.reading.service.startswith("imap") else "POP3"
    for title, one in ((f"Incoming mail ({kind})", card.reading), ("Outgoing mail (SMTP)", card.sending)):
        if one is not None:
            values = [("Server", one.host), ("Port", str(one.port)), ("Security", one.security)]
            sections.append((title, [*values, ("User name", card.user)]))
    return sections


def _steps(card: Card) -> list[str]:
    choose = "IMAP" if card.reading is None or card.reading.service.startswith("imap") else "POP3"
    return [
        "Open a mail program (on a phone: Settings, Mail, Accounts) and add an account. Leave the usual one as it is.",
        f"Choose {choose}, not Exchange, and not automatic: that would find the server that does not answer.",
        "Type what stands below. Password: " + _PASSWORD,
    ]


def card_text(card: Card) -> str:
    """For a file, or a mail."""
    lines = [_TITLE, card.user, ""]
    lines += [f"{number}. {step}" for number, step in enumerate(_steps(card), 1)]
    for title, rows in _rows(card):
        lines += ["", title, *(f"  {name + ':':<11}{value}" for name, value in rows)]
    lines += ["", *(f"- {one}" for one in card.notes), "", f"Questions: {card.contact}", ""]
    return "\n".join(lines)


_STYLE = """body{font:16px/1.45 sans-serif;max-width:40em;margin:2em auto;padding:0 1em;color:#111;background:#fff}
h1{font-size:1.4em}h2{font-size:1.1em;margin:1.2em 0 .3em}table{border-collapse:collapse}
th{text-align:left;font-weight:normal;color:#555;padding:.15em 1em .15em 0}td{font-family:monospace;font-size:1.05em}
@media print{body{margin:0}}"""


def card_html(card: Card) -> str:
    """One page for screen and paper: no script, nothing that is loaded."""
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(_TITLE)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(_TITLE)}</h1><p><strong>{escape(card.user)}</strong></p><ol>",
        *(f"<li>{escape(step)}</li>" for step in _steps(card)),
        "</ol>",
    ]
    for title, rows in _rows(card):
        cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
        parts.append(f"<h2>{escape(title)}</h2><table>{cells}</table>")
    parts.append("<ul>" + "".join(f"<li>{escape(one)}</li>" for one in card.notes) + "</ul>")
    parts.append(f"<p>Questions: <strong>{escape(card.contact)}</strong></p></body></html>\n")
    return "\n".join(parts)


def drill_words(settings: Settings, domain: DomainRow, account: Account, ends: float) -> Words:
    """What a user is told at his outside address when he is to work as if his primary were down."""
    lead = (
        f"This is a drill until {utc_text(ends)}: the mail server of {domain.name} works as always. Until then please"
        f" read and write mail as you would without it, on another server, as {account.address}. Whether that works is"
        " what the drill shows."
    )
    return Words(
        subject=f"Please read and write mail of {domain.name} here for a while",
        text=f"{lead}\n\n{card_text(card(settings, domain, account))}",
    )


def down_words(settings: Settings, domain: DomainRow, account: Account, since: float) -> Words:
    """What a user is told at his outside address when his primary is down."""
    lead = (
        f"The mail server of {domain.name} has not answered since {utc_text(since)}. No mail is lost: what comes"
        f" is kept, and you can read and write at once on another server, as {account.address}."
    )
    return Words(
        subject=f"Mail of {domain.name} is away: read and write here",
        text=f"{lead}\n\n{card_text(card(settings, domain, account))}",
    )
