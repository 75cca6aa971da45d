"""Octets in any charset to text, never failing.

Owns the list of charsets that mail may name. A name is looked up here before Python sees it: Python remembers every
unknown name for ever and tries to import it, and some of its codecs take quadratic time (punycode, idna) or are no
charsets at all.
"""

from __future__ import annotations

from encodings.aliases import aliases
from typing import Final

_NO_CHARSETS: Final = frozenset(
    "base64_codec bz2_codec hex_codec quopri_codec rot_13 uu_codec zlib_codec mbcs oem tactis "
    "idna punycode raw_unicode_escape unicode_escape undefined".split()
)


def _key(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_").replace(".", "_")


_CODECS: Final[dict[str, str]] = {
    **{_key(alias): codec for alias, codec in aliases.items() if codec not in _NO_CHARSETS},
    **{_key(codec): codec for codec in aliases.values() if codec not in _NO_CHARSETS},
    **{f"cp{page}": f"cp{page}" for page in (720, 737, 856, 874, 875, 1006)},
    **{f"windows_{page}": f"cp{page}" for page in (*range(1250, 1259), 874)},
    **{f"x_cp{page}": f"cp{page}" for page in range(1250, 1259)},
    "koi8_r": "koi8_r",
    "koi8_u": "koi8_u",
    "koi8_t": "koi8_t",
    # What browsers and mail clients read under these names (WHATWG Encoding §4.2).
    "ks_c_5601_1987": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso_8859_8_i": "iso8859_8",
    "x_sjis": "cp932",
    "x_gbk": "gb18030",
    "x_mac_roman": "mac_roman",
    "macintosh": "mac_roman",
    "unicode_1_1_utf_7": "utf_7",
    "utf8mb4": "utf_8",
}


def codec_name(charset: str) -> str | None:
    """Python's codec for a charset as mail names it, None when there is none."""
    return _CODECS.get(_key(charset)) if len(charset) <= 40 else None


def decode(octets: bytes, charset: str) -> str:
    """Text of ``octets``; what the charset does not explain is tried as UTF-8, then taken as windows-1252 or latin-1.

    us-ascii is only ever a floor: senders forget to label UTF-8.
    """
    codec = codec_name(charset)
    if codec is None or codec in ("ascii", "utf_8"):
        return decode_unlabelled(octets) if codec != "utf_8" else _utf_8(octets)
    text = octets.decode(codec, "replace")
    if codec == "utf_7":
        # Python's UTF-7 lets lone surrogates through, which could never be written as UTF-8 again.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def decode_unlabelled(octets: bytes) -> str:
    """UTF-8 if it is that, else windows-1252 with latin-1 for its five holes."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return octets.decode("cp1252")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _utf_8(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")
