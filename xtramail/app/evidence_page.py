"""The evidence of one outage as one HTML page: no script, nothing from elsewhere, good on paper.

Everything in it was written by strangers (addresses, replies of hosts), so every value is escaped here and nowhere
else. Owns how it looks; what is counted is ``delivery.evidence``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from xtramail.delivery.evidence import Evidence, Step
from xtramail.model.clock import utc_text

WIDTH, LEFT, RIGHT = 960, 70, 10
BAND, ROW, GAP = 26, 54, 16
"""Heights: of the states, of one row of counts, and between them."""

COLOURS = {"up": "#3a7d44", "suspect": "#c9a227", "down": "#a4262c", "recovering": "#2b6cb0", "held": "#6b4c9a"}

WORDS = {
    "delivered": "given back to the primary",
    "suppressed": "not given back: deleted by its user",
    "bounced": "given up, and reported",
    "unconfirmed": "unconfirmed: the answer to the last dot was lost",
    "held": "still held",
}

NUMBER = ' class="n"'

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1a1a1a;max-width:960px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em;margin:0}h2{font-size:1.1em;margin:1.8em 0 .4em}
p.under{color:#555;margin:.2em 0 1.2em}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25em .6em .25em 0;border-bottom:1px solid #ddd;
vertical-align:top;overflow-wrap:anywhere}
td.n,th.n{text-align:right;white-space:nowrap}td.t{white-space:nowrap}
.good{color:#2b6b35}.bad{color:#a4262c;font-weight:600}
svg{width:100%;height:auto}
@page{margin:15mm}
@media print{body{margin:0;max-width:none;font-size:11px}h2{break-after:avoid}tr,svg{break-inside:avoid}
svg,*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""


def page(evidence: Evidence) -> str:
    """The whole document."""
    title = f"Outage of {evidence.domain}, {utc_text(evidence.started)}"
    over = f"ended {utc_text(evidence.ended)}" if evidence.ended else "goes on"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="under">{escape(over)}; counted {escape(utc_text(evidence.counted))}. All times are UTC. '
        f"Outage {evidence.outage}.</p>",
        *_section("What happened", _pairs(_summary(evidence))),
        *_section("In time", timeline(evidence)),
        *_section("What became of its mail", _pairs(_fates(evidence))),
        *_section("States", _table(("at", "from", "to", "by", "cause"), [_step(one) for one in evidence.steps])),
        *_section("Who used this server meanwhile", _users(evidence)),
    ]
    if evidence.wrong:
        lines = "".join(f"<li>{escape(line)}</li>" for line in evidence.wrong)
        parts += _section("Where the ledger does not balance", f"<ul>{lines}</ul>")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def lasting(seconds: float) -> str:
    """``2 h 5 min``."""
    whole = max(round(seconds), 0)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def _summary(evidence: Evidence) -> list[tuple[str, str]]:
    until = evidence.ended or evidence.counted
    rows = [
        ("Began", utc_text(evidence.started)),
        ("Cause", evidence.cause),
        ("The primary answered again", utc_text(evidence.answered) if evidence.answered else "not yet"),
        ("All that waited was handed over", utc_text(evidence.ended) if evidence.ended else "not yet"),
        ("Lasted", lasting(until - evidence.started)),
        ("Came in for the primary", f"{evidence.received}, and {evidence.waited} waited already"),
        ("Sent by users", str(evidence.sent)),
        ("Longest delay", _delay(evidence)),
        ("Median delay", lasting(evidence.median_delay)),
        ("Users at work here", str(evidence.active)),
    ]
    return rows


def _delay(evidence: Evidence) -> str:
    if not evidence.longest_message:
        return "nothing was given back"
    return f"{lasting(evidence.longest_delay)} (message {evidence.longest_message})"


def _fates(evidence: Evidence) -> list[tuple[str, str]]:
    total = evidence.received + evidence.waited
    rows = [("Accepted, by message and recipient", str(total))]
    rows += [(words[:1].upper() + words[1:], str(evidence.fates.get(fate, 0))) for fate, words in WORDS.items()]
    sums = " + ".join(str(evidence.fates.get(fate, 0)) for fate in WORDS)
    rows.append(("Ledger", f"{total} = {sums}: {'it balances' if evidence.balanced else 'IT DOES NOT BALANCE'}"))
    if evidence.sent_back:
        back = ", ".join(f"{count} {fate}" for fate, count in evidence.sent_back.items())
        rows.append(("Sent mail, into its senders' own mailboxes at the primary", back))
    if evidence.drafts:
        rows.append(("Drafts left behind here", str(evidence.drafts)))
    if evidence.copies:
        rows.append(("Came as copies, not ours to give back", str(evidence.copies)))
    return rows


def _users(evidence: Evidence) -> str:
    if not evidence.users:
        return "<p>Nobody is known to have worked here.</p>"
    rows = [
        (
            one.address,
            ", ".join(f"{service} {utc_text(at)}" for service, at in sorted(one.logins.items())) or "not known",
            one.received, one.read, one.sent, one.filed, one.deleted, one.drafts,
        )
        for one in evidence.users
    ]  # fmt: skip
    heads = ("user", "last login (to the hour)", "received", "read", "sent", "filed", "deleted", "drafts left")
    more = evidence.active - len(evidence.users)
    return _table(heads, rows) + (f"<p>And {more} more.</p>" if more > 0 else "")


def _step(step: Step) -> tuple[str, ...]:
    return utc_text(step.at), step.before, step.after, step.by or "-", step.cause


def _section(title: str, content: str) -> list[str]:
    return [f"<h2>{escape(title)}</h2>", content]


def _pairs(rows: Iterable[tuple[str, str]]) -> str:
    def cell(value: str) -> str:
        kind = ' class="bad"' if value.endswith("IT DOES NOT BALANCE") else ""
        return f"<td{kind}>{escape(value)}</td>"

    return "<table>" + "".join(f"<tr><th>{escape(name)}</th>{cell(value)}</tr>" for name, value in rows) + "</table>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    lines = "".join(
        "<tr>"
        + "".join(f"<td{NUMBER if isinstance(value, int) else ''}>{escape(str(value))}</td>" for value in row)
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"


def timeline(evidence: Evidence) -> str:
    """States as bands over messages that came, were sent by users, and were given back, in intervals."""
    rows = (
        ("came", evidence.timeline.received, "#4a6fa5"),
        ("sent", evidence.timeline.sent, "#8a6d3b"),
        ("given back", evidence.timeline.delivered, "#3a7d44"),
    )
    height = BAND + GAP + len(rows) * (ROW + GAP) + 20
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="sans-serif" font-size="11"><title>States and messages in time</title>'
    ]
    drawn += _bands(evidence)
    top = BAND + GAP
    for name, counts, colour in rows:
        drawn += _bars(name, counts, colour, top)
        top += ROW + GAP
    drawn += _axis(evidence, height)
    return "".join([*drawn, "</svg>"])


def _x(evidence: Evidence, at: float) -> float:
    length = max((evidence.ended or evidence.counted) - evidence.started, 1.0)
    share = min(max((at - evidence.started) / length, 0.0), 1.0)
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _bands(evidence: Evidence) -> list[str]:
    until = evidence.ended or evidence.counted
    ends = [*(step.at for step in evidence.steps[1:]), until][: len(evidence.steps)]
    drawn = [f'<text x="0" y="{BAND - 9}">state</text>']
    for step, end in zip(evidence.steps, ends, strict=True):
        left, right = _x(evidence, step.at), _x(evidence, end)
        if right <= left and step is evidence.steps[-1]:
            continue
        colour = COLOURS.get(step.after, "#777")
        said = escape(f"{step.after} from {utc_text(step.at)}: {step.cause}")
        width = max(right - left, 1.0)
        drawn.append(
            f'<rect x="{left}" y="0" width="{width:.1f}" height="{BAND}" fill="{colour}"><title>{said}</title></rect>'
        )
        if width > 70:
            drawn.append(f'<text x="{left + 6}" y="{BAND - 9}" fill="#fff">{escape(step.after)}</text>')
    return drawn


def _bars(name: str, counts: Sequence[int], colour: str, top: int) -> list[str]:
    most = max(counts, default=0)
    wide = (WIDTH - LEFT - RIGHT) / max(len(counts), 1)
    base = top + ROW
    drawn = [
        f'<text x="0" y="{base - ROW // 2}">{escape(name)}</text>',
        f'<text x="0" y="{base - ROW // 2 + 14}" fill="#555">{sum(counts)}</text>',
        f'<line x1="{LEFT}" y1="{base}" x2="{WIDTH - RIGHT}" y2="{base}" stroke="#999"/>',
    ]
    for number, count in enumerate(counts):
        if count:
            high = max(round(ROW * count / most, 1), 1.0)
            drawn.append(
                f'<rect x="{LEFT + number * wide:.1f}" y="{base - high:.1f}" width="{max(wide - 1, 0.5):.1f}" '
                f'height="{high}" fill="{colour}"><title>{count}</title></rect>'
            )
    return drawn


def _axis(evidence: Evidence, height: int) -> list[str]:
    until = evidence.ended or evidence.counted
    middle = (evidence.started + until) / 2
    places = ((evidence.started, "start"), (middle, "middle"), (until, "end"))
    return [
        f'<text x="{_x(evidence, at)}" y="{height - 4}" text-anchor="{anchor}" fill="#555">{utc_text(at)}</text>'
        for at, anchor in places
    ]
