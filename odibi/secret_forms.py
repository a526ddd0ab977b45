"""The spellings in which a secret may turn up, as one pattern; and what credentials look like that nobody remembered.

A value is spelled character by character, since writers differ in which characters they escape: `/` may stand as `/`,
`%2F`, `%2f`, `%252F`, `\\/` or `&#x2F;`, and each in the same text. In Base64 a value has three forms, by its place in
the bytes around it. All forms begin with one certain character, by which the pattern sorts them: looking at a text
costs about the same for fifty secrets as for a few.
"""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Iterable, Iterator

Way = tuple[str, str]
"""One way to write something: its first character, and the pattern of the rest."""

CHUNK = 2000
"""Characters of a value that are looked for together; of a longer one each part is a secret by itself."""
LONG = 100
"""Characters of a value from which on signs that it begins with are left standing (see `_spelled`)."""
BEGINNING = 24
"""Bytes of a value by which its hexadecimal and Base64 forms are known; the rest of such a text goes with them."""
_ESCAPED = {"\t": "t", "\b": "b", "\f": "f", "\v": "v", "\a": "a"}
_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_BLANK_ESCAPE = r"(?:[nrt]|(?:u00|x)0[9adAD])"
_PLAIN_BLANK = r"[ \t\r\n+]|%(?:25)*(?:0[9aAdD]|20)|&(?:amp;)*#(?:9|10|13|[xX][9aAdD]);|<br ?/?>"
_BLANK = rf"(?:{_PLAIN_BLANK}|\\+{_BLANK_ESCAPE})"
"""What a line break, or a blank beside one, may be: who writes texts out breaks and indents their lines as well."""
_BASE64 = (
    r"(?:[A-Za-z0-9+/=_-]|%(?:25)*(?:2[bBfF]|3[dD])|\\+(?:/|u00(?:2[bBfF]|3[dD]))"
    r"|&(?:amp;)*#(?:43|47|61|[xX](?:2[bBfF]|3[dD]));)"
)
_QUOTES = ("''", "'\"'\"'", "'\\''")
"""A single quote inside of single quotes: in SQL, and in two ways in shells."""
_UNITS = re.compile(r"(\\*)([ \t]*\n[ \t\n]*|.|$)", re.DOTALL)
_SIGNS = re.compile(r"^[^A-Za-z0-9]{1,20}(?=[A-Za-z0-9])")
_SPECIAL = re.compile(r"[^A-Za-z0-9]")
_BARE_RUN = re.compile(r"[A-Za-z0-9]+")
SHORTEST_ANCHOR = 4
"""Letters and digits side by side from which on they are looked for before the pattern is."""


def pattern_of(values: Iterable[str]) -> re.Pattern[str] | None:
    """What finds any of the values in any spelling, the longest first; None for no values."""
    groups: dict[str, list[str]] = {}
    for value in sorted(values, key=lambda each: (-len(each), each)):
        for first, rest in _forms(value):
            groups.setdefault(first, []).append(rest)
    if not groups:
        return None
    return re.compile("|".join(f"{re.escape(first)}(?:{'|'.join(rests)})" for first, rests in groups.items()))


def anchors_of(value: str) -> tuple[str, ...]:
    """Texts of which one stands in every text that holds the value, in whatever spelling: letters and digits are never
    escaped. Empty for a value with too few of them side by side: then only its pattern can tell.

    >>> anchors_of("p4ssw0rd+of/bronze")[0]
    'p4ssw0rd'
    """
    found: list[str] = []
    for chunk in _chunks(value):
        data = chunk.encode("utf-8", "surrogatepass")
        begins = data[:BEGINNING]
        texts = [chunk, begins.hex(), begins.hex().upper()]
        texts += [_core(data, offset) for offset in range(3)]
        found += [max(_BARE_RUN.findall(text), key=len, default="") for text in texts]
    return tuple(found) if min(map(len, found), default=0) >= SHORTEST_ANCHOR else ()


def _chunks(value: str) -> list[str]:
    """The value in parts of equal length: a last one of a few characters would be found in every text."""
    size = -(-len(value) // -(-len(value) // CHUNK)) if value else 1
    return [value[start : start + size] for start in range(0, len(value), size)]


def _forms(value: str) -> Iterator[Way]:
    if len(value) > CHUNK:
        for chunk in _chunks(value):
            yield from _forms(chunk)
        return
    data = value.encode("utf-8", "surrogatepass")
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    quoted = {value, *(value.replace("'", each) for each in _QUOTES), value.replace('"', '""')}
    for each in sorted(quoted):
        yield from _spelled(each)
    for text in (data[:BEGINNING].hex(), data[:BEGINNING].hex().upper()):
        yield text[0], re.escape(text[1:]) + ("[0-9A-Fa-f]*" if len(data) > BEGINNING else "")
    for offset in range(3):
        yield from _in_base64(data, offset)


def _in_base64(data: bytes, offset: int) -> Iterator[Way]:
    """The characters of Base64 that the bytes alone decide, when `offset` bytes stand before them in their group of
    three; and the one that they share with what follows, with the padding."""
    bits = (offset + len(data[:BEGINNING])) * 8
    core = _core(data, offset)
    more = f"{_BASE64}*" if len(data) > BEGINNING else f"{_BASE64}{{,3}}" if bits % 6 else ""
    yield from ((first, rest + more) for first, rest in _spelled(core, base64_signs=True))


def _core(data: bytes, offset: int) -> str:
    begins = data[:BEGINNING]
    start, end = (0, 2, 3)[offset], (offset + len(begins)) * 8 // 6
    return base64.b64encode(bytes(offset) + begins).decode()[start:end]


def _spelled(value: str, base64_signs: bool = False) -> Iterator[Way]:
    """The ways to write a text, one for each way to write its first character: each repeats all that follows, which of
    a long text is too much."""
    if len(value) > LONG:
        value = _SIGNS.sub("", value) or value
    units = [(len(match[1]), match[2]) for match in _UNITS.finditer(value) if match[0]]
    rest = "".join(_unit(*unit, base64_signs) for unit in units[1:])
    yield from ((first, more + rest) for first, more in _ways(*units[0], base64_signs))


def _unit(backslashes: int, character: str, base64_signs: bool = False) -> str:
    """One pattern for all ways. None of them begins as another one does: what matches could else match in so many ways
    that a search takes forever."""
    if "\n" in character and not backslashes:
        return f"{_BLANK}+"
    written = [re.escape(first) + rest for first, rest in _ways(backslashes, character, base64_signs)]
    return written[0] if len(written) == 1 else f"(?:{'|'.join(written)})"


def _ways(backslashes: int, character: str, base64_signs: bool = False) -> list[Way]:
    """The ways to write a character after a number of backslashes. These are taken together: an escape doubles the ones
    and adds others before the character, and where one ends and the other begins no reader could tell."""
    if not backslashes:
        return _character(character, base64_signs)
    after = "|".join(_after_backslash(character))
    more = _unit(0, character) if character else ""
    percent, entity = r"%(?:25)*5[cC]", r"&(?:amp;)*#(?:92|[xX]5[cC]);"
    return [
        ("\\", rf"\\{{{backslashes - 1},}}(?:{after})"),
        ("%", percent[1:] + rf"(?:{percent}){{{backslashes - 1}}}" + more),
        ("&", entity[1:] + rf"(?:{entity}){{{backslashes - 1}}}" + more),
    ]


def _after_backslash(character: str) -> list[str]:
    """The ways to write a character of which the backslash that begins them was read already."""
    if "\n" in character:
        return [rf"(?:{_BLANK_ESCAPE}|{_PLAIN_BLANK}){_BLANK}*"]
    if not character:
        return []
    plain = [re.escape(first) + rest for first, rest in _character(character) if first != "\\"]
    return list(dict.fromkeys([*plain, *_escapes(character)]))


def _character(character: str, base64_signs: bool = False) -> list[Way]:
    """The ways to write one character that is no backslash, or the blanks around a line break."""
    if not _SPECIAL.match(character):
        return [(character, "")]
    if "\n" in character:
        return [(first, rest + f"{_BLANK}*") for first, rest in _BLANKS]
    code, data = ord(character), character.encode("utf-8", "surrogatepass")
    percent = "".join(f"%(?:25)*{_hex(f'{byte:02x}')}" for byte in data)
    named = f"{_ENTITIES[character]}|" if character in _ENTITIES else ""
    ways = [(character, ""), ("%", percent[1:])]
    ways.append(("\\", rf"\\*(?:{'|'.join(_escapes(character))})"))
    ways.append(("&", rf"(?:amp;)*(?:{named}#0*{code}|#[xX]0*{_hex(f'{code:x}')});"))
    if character == " ":
        ways.append(("+", ""))
    elif base64_signs:
        ways.append(({"+": "-", "/": "_"}.get(character, character), ""))
    return ways


_BLANKS: tuple[Way, ...] = (
    *((each, "") for each in " \t\r\n+"),
    ("\\", rf"\\*{_BLANK_ESCAPE}"),
    ("%", r"(?:25)*(?:0[9aAdD]|20)"),
    ("&", r"(?:amp;)*#(?:9|10|13|[xX][9aAdD]);"),
    ("<", r"br ?/?>"),
)


def _escapes(character: str) -> list[str]:
    """What follows the last backslash where a character is escaped, as in JSON and Python."""
    if not _SPECIAL.match(character):
        return []
    code, data = ord(character), character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass").hex()
    if code < 256:
        escaped = [f"(?:u00|x|U000000){_hex(f'{code:02x}')}"]
    else:
        escaped = [
            r"\\+".join(f"u{_hex(units[i : i + 4])}" for i in range(0, len(units), 4)),
            f"U{_hex(f'{code:08x}')}",
        ]
    if code > 127:
        escaped.append(r"\\+".join(f"x{_hex(f'{byte:02x}')}" for byte in data))
    if character in _ESCAPED:
        escaped.append(_ESCAPED[character])
    elif 32 <= code < 127:
        escaped.append(re.escape(character))
    return escaped


def _hex(digits: str) -> str:
    """A pattern for digits in upper or lower case."""
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


# -- credentials that nobody remembered --------------------------------------------------------------------------------

_OPENS = r"(?:(?:=|%(?:25)*3[dD])\\*[\"']?|\\*[\"']\s*[:=]\s*\\*[\"'])"
"""Between the name of a setting and its value: `=`, or the quotes of JSON and Python."""
_SETTING = _OPENS + r"((?!\$\{|\*\*\*)[^\s\"'&;,<>\\]{8,})"
_SETTINGS = (
    "accountkey", "account_key", "sharedaccesskey", "shared_access_key", "sharedaccesssignature",
    "shared_access_signature", "clientsecret", "client_secret", "client_assertion", "sastoken", "sas_token",
    "access_token", "refresh_token",
)  # fmt: skip
_SHAPES: tuple[tuple[str, str], ...] = (
    *((name, _SETTING) for name in _SETTINGS),
    ("sig", r"(?:=|%(?:25)*3[dD])([A-Za-z0-9+/%=_-]{20,})"),
    ("bearer", r"\s+(?=[^\s\"']*\d)([A-Za-z0-9._~+/=-]{16,})"),
    ("sharedkey", r"(?i:lite)?\s+[a-z0-9]{3,24}:([A-Za-z0-9+/=]{8,})"),
    ("authorization", r"\\*[\"']?\s*[:=]\s*\\*[\"']?(?i:basic|negotiate|ntlm|digest)\s+([^\s\"'\\<>]{8,})"),
    ("eyj", r"([A-Za-z0-9_-]{6,}\.eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*)"),
    ("dapi", r"([0-9a-f]{32}(?:-\d+)?)"),
    ("private key-----", r"([^\"'<>]*?)-----END [A-Z ]*PRIVATE KEY-----"),
)
"""A word in lower case, and the pattern of what follows it: the credential is its group."""
_COMPILED = [(word, re.compile(pattern)) for word, pattern in _SHAPES]
_BARE = frozenset(string.ascii_letters + string.digits)


def without_shapes(text: str, mask: str) -> str:
    """The text with `mask` for what looks like a credential."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters become two
        lowered = text.translate(_LOWER)
    found = sorted(
        span for word, pattern in _COMPILED if word in lowered for span in _shaped(text, lowered, word, pattern)
    )
    parts: list[str] = []
    done = 0
    for start, end in found:
        if end > done:
            parts += (text[done : max(start, done)], mask if start >= done else "")
            done = end
    return "".join([*parts, text[done:]]) if parts else text


def _shaped(text: str, lowered: str, word: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    at = lowered.find(word)
    while at >= 0:
        match = pattern.match(text, at + len(word))
        if match is not None and (word != "sig" or text[at - 1 : at] not in _BARE):
            yield match.span(1)
        at = lowered.find(word, at + len(word))


_LOWER = {ord(letter): letter.lower() for letter in string.ascii_uppercase}
