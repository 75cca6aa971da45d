"""A chart of ratios as plain SVG: a bar for each row and server, on a scale where each step is ten times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from .rows import Results, names, others, ratio

_LEFT, _WIDTH, _RIGHT = 290, 560, 70
_BAR, _GAP, _HEAD = 9, 8, 34
_COLOURS = ("#3465a4", "#73a946", "#c17d11", "#75507b")
_LEAST, _MOST = 0.1, 1000.0


def chart(sections: Mapping[str, Results], title: str) -> str:
    """The SVG document: how many times what we take the others take, for all rows that both have."""
    # What mailboxes are kept in is the last word of a server's name; what stands before it differs with the work.
    kinds = dict.fromkeys(_kind(server) for results in sections.values() for server in others(results))
    colours = {kind: _COLOURS[place % len(_COLOURS)] for place, kind in enumerate(kinds)}
    body: list[str] = []
    y = 64
    for place, kind in enumerate(kinds):
        x = _LEFT + place * 210
        body.append(f'<rect x="{x}" y="36" width="11" height="11" fill="{colours[kind]}"/>')
        body.append(_text(x + 16, 46, kind))
    top = y
    for section, results in sections.items():
        rows = [(name, _ratios(results, name)) for name in names(results)]
        rows = [(name, found) for name, found in rows if found]
        if not rows:
            continue
        y += _HEAD
        body.append(_text(12, y - 10, section, weight="bold"))
        for name, found in rows:
            height = _BAR * len(found)
            body.append(_text(_LEFT - 8, y + height / 2 + 4, name, anchor="end"))
            for place, (server, times) in enumerate(found.items()):
                body.append(_bar(y + place * _BAR, times, colours[_kind(server)]))
            y += height + _GAP
    height = y + 28
    scale = []
    for power in range(round(math.log10(_LEAST)), round(math.log10(_MOST)) + 1):
        x = _at(10.0**power)
        stroke = "#222" if power == 0 else "#ddd"
        scale.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{y}" stroke="{stroke}"/>')
        scale.append(_text(x, y + 16, f"{10.0**power:g}", anchor="middle"))
    width = _LEFT + _WIDTH + _RIGHT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
            ' font-family="sans-serif" font-size="12">',
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            _text(12, 22, title, weight="bold"),
            *scale,
            *body,
            "</svg>",
            "",
        ]
    )


def _kind(server: str) -> str:
    return server.split()[-1]


def _ratios(results: Results, name: str) -> dict[str, float]:
    found = {server: ratio(results, server, name) for server in others(results)}
    return {server: times for server, times in found.items() if times}


def _at(times: float) -> float:
    """Where a ratio lies from left to right."""
    share = math.log10(min(max(times, _LEAST), _MOST) / _LEAST) / math.log10(_MOST / _LEAST)
    return _LEFT + _WIDTH * share


def _bar(y: float, times: float, colour: str) -> str:
    one, end = _at(1.0), _at(times)
    x, width = min(one, end), max(1.0, abs(end - one))
    told = f"{times:.1f}" if times < 100 else f"{times:.0f}"
    label = _text(max(one, end) + 4, y + _BAR - 1, told, size=9)
    return f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR - 1}" fill="{colour}"/>{label}'


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" fill="#222">'
        f"{escape(text)}</text>"
    )
