"""Inputs out of valid ones: lines of several dialogues put together, words of grammars, octets that parsers trip on."""

from __future__ import annotations

from random import Random

from tests.fuzz.target import Target

_OCTETS = (b"\0", b"\r", b"\n", b"\r\n", b"\t", b" ", b"\x7f", b"\x80", b"\xff", b'"', b"\\", b"(", b")", b"<", b">",
           b"{", b"}", b"[", b"]", b"%", b"*", b"+", b"-", b".", b",", b":", b";", b"=", b"&", b"@", b"~", b"#", b"'",
           b"\xc3\xa4", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
           b"\xe2\x80\xae", b"\xef\xbb\xbf")  # fmt: skip
_NUMBERS = (b"0", b"1", b"-1", b"00", b"255", b"256", b"999", b"65536", b"2147483647", b"2147483648", b"4294967295",
            b"4294967296", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"1e9", b"0x10",
            b"9" * 30, b"9" * 5000, b"\xd9\xa1\xd9\xa2", b"1_0", b"+1", b" 1", b"nan", b"inf")  # fmt: skip


def mutated(target: Target, rng: Random, *, most_pumped: int = 0) -> bytes:
    """One input; with ``most_pumped`` some have a piece repeated up to so many octets."""
    seed = rng.choice(target.seeds)
    if rng.random() < 0.35:
        seed = _joined(seed, rng.choice(target.seeds), rng)
    octets = bytearray(seed)
    for _ in range(_few(rng)):
        _change(octets, target, rng)
    if most_pumped and rng.random() < 0.05:
        return pumped(bytes(octets), rng, most_pumped)
    return bytes(octets)


def pumped(octets: bytes, rng: Random, most: int) -> bytes:
    """A piece of it again and again."""
    start = rng.randrange(len(octets) + 1)
    piece = octets[start : start + rng.choice((1, 1, 2, 3, 5, 8, 20, 60, 200))] or b"("
    return octets[:start] + piece * (most // len(piece)) + octets[start:]


def _few(rng: Random) -> int:
    return rng.choice((0, 1, 1, 1, 2, 2, 3, 5, 9))


def _joined(one: bytes, other: bytes, rng: Random) -> bytes:
    """Lines of both, in order or mixed."""
    first, second = one.splitlines(keepends=True), other.splitlines(keepends=True)
    if rng.random() < 0.5:
        return b"".join(first[: rng.randrange(len(first) + 1)] + second[rng.randrange(len(second) + 1) :])
    mixed = first + second
    rng.shuffle(mixed)
    return b"".join(mixed)


def _change(octets: bytearray, target: Target, rng: Random) -> None:
    at = rng.randrange(len(octets) + 1)
    end = min(len(octets), at + rng.choice((1, 1, 1, 2, 4, 8, 30, 100)))
    match rng.randrange(11):
        case 0:
            octets[at:end] = b""
        case 1:
            octets[at:at] = octets[at:end] * rng.choice((1, 1, 2, 10, 100))
        case 2 | 3:
            octets[at:at] = rng.choice(target.words or _OCTETS)
        case 4:
            octets[at:end] = rng.choice(target.words or _OCTETS)
        case 5:
            octets[at:at] = rng.choice(_OCTETS) * rng.choice((1, 1, 1, 2, 3, 40, 300))
        case 6:
            octets[at:end] = rng.choice(_OCTETS)
        case 7:
            if at < len(octets):
                octets[at] ^= 1 << rng.randrange(8)
        case 8:
            _renumber(octets, at, rng)
        case 9:
            _swap_words(octets, rng)
        case _:
            del octets[at:]


def _renumber(octets: bytearray, at: int, rng: Random) -> None:
    """The next number becomes one at an edge."""
    while at < len(octets) and not 48 <= octets[at] <= 57:
        at += 1
    end = at
    while end < len(octets) and 48 <= octets[end] <= 57:
        end += 1
    octets[at:end] = rng.choice(_NUMBERS)


def _swap_words(octets: bytearray, rng: Random) -> None:
    words = bytes(octets).split(b" ")
    one, other = rng.randrange(len(words)), rng.randrange(len(words))
    words[one], words[other] = words[other], words[one]
    octets[:] = b" ".join(words)
