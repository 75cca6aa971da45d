"""Charsets of SEARCH strings (RFC 3501 §6.4.4).

Owns which names are taken. Only names of Python's own table pass: ``codecs.lookup`` keeps every unknown name it is
asked for, so a client could fill memory with them; and some codecs are no charsets or slow on hostile input.
"""

from __future__ import annotations

from encodings.aliases import aliases

_NOT_CHARSETS = frozenset(
    {
        "base64_codec",
        "bz2_codec",
        "hex_codec",
        "idna",
        "mbcs",
        "oem",
        "punycode",
        "quopri_codec",
        "raw_unicode_escape",
        "rot_13",
        "tactis",
        "undefined",
        "unicode_escape",
        "uu_codec",
        "zlib_codec",
    }
)
# Codecs that Python knows by their own name without an alias.
_UNALIASED = {name: name for name in ("cp720", "cp737", "cp856", "cp874", "cp875", "koi8_t", "koi8_u", "mac_arabic")}
_CODECS: dict[str, str] = {
    **_UNALIASED,
    **{codec: codec for codec in aliases.values() if codec not in _NOT_CHARSETS},
    **{alias: codec for alias, codec in aliases.items() if codec not in _NOT_CHARSETS},
}


def charset_codec(name: bytes) -> str | None:
    """Python's codec for a charset name in any case, such as ``utf_8``; None when it is not known here."""
    return _CODECS.get(name.decode("ascii", "replace").lower().replace("-", "_").replace(".", "_"))
