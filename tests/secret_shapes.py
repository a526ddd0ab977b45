"""Secrets of every shape, and a search for them that shares nothing with the code under test: it decodes what was told,
where that code encodes what is secret."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote, unquote_plus

from hypothesis import strategies as st

_RUN = re.compile(rb"[A-Za-z0-9+/_-]{4,}")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a"}


def leaks(told: str | bytes | Iterable[str], secret: str) -> list[str]:
    """How the secret can be got out of what was told: the decodings that lead to it."""
    if isinstance(told, bytes):
        told = told.decode("utf-8", "replace")
    if not isinstance(told, str):
        return [found for each in told for found in leaks(each, secret)]
    found = []
    for name, text in _views(told).items():
        if _holds(text, secret):
            found.append(name)
        if _in_base64(text, secret):
            found.append(f"{name} base64")
    return found


def _views(told: str) -> dict[str, str]:
    """What was told, decoded once and twice, each distinct text once."""
    views = {"plain": told}
    for _ in range(2):
        for before, text in list(views.items()):
            for name, decode in _DECODERS.items():
                decoded = decode(text)
                if decoded not in views.values():
                    views[f"{before} {name}"] = decoded
    return views


def _holds(text: str, secret: str) -> bool:
    """Whether the secret stands in a text; lines may have been indented."""
    if "\n" not in secret and "\r" not in secret:
        return secret in text
    lines = [re.escape(line.strip()) for line in secret.splitlines()]
    return re.search(r"\s*\n\s*".join(lines), text) is not None


def _in_base64(text: str, secret: str) -> bool:
    data = secret.encode("utf-8", "surrogatepass")
    for run in _RUN.findall(text.encode("utf-8", "replace")):
        normal = run.replace(b"-", b"+").replace(b"_", b"/")
        for offset in range(4):
            part = normal[offset:]
            part = part[: len(part) - (len(part) % 4 == 1)]
            if data in base64.b64decode(part + b"=" * (-len(part) % 4)):
                return True
    return False


def _unescape(text: str) -> str:
    def decode(match: re.Match[str]) -> str:
        digits = match[1] or match[2] or match[3]
        if digits:
            return chr(min(int(digits, 16), 0x10FFFF))
        return _NAMED.get(match[4], match[4])

    decoded = _ESCAPE.sub(decode, text)
    return decoded.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescape_bytes(text: str) -> str:
    """As Python shows bytes: UTF-8, escaped byte by byte."""
    escaped = re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)
    return escaped.encode("latin-1", "ignore").decode("utf-8", "ignore")


_DECODERS = {
    "url": unquote,
    "form": unquote_plus,
    "html": html.unescape,
    "escapes": _unescape,
    "bytes": _unescape_bytes,
    "shell": lambda text: text.replace("'\"'\"'", "'").replace("'\\''", "'"),
    "sql": lambda text: text.replace("''", "'"),
    "csv": lambda text: text.replace('""', '"'),
}

# -- shapes ------------------------------------------------------------------------------------------------------------

account_keys = st.binary(min_size=64, max_size=64).map(lambda raw: base64.b64encode(raw).decode())
signatures = st.binary(min_size=32, max_size=32).map(lambda raw: base64.b64encode(raw).decode())
sas_tokens = signatures.map(
    lambda sig: f"sv=2024-11-04&ss=b&spr=https,http&se=2030-01-01T00:00:00Z&sig={quote(sig, safe='')}"
)
connection_strings = account_keys.map(
    lambda key: (
        f"DefaultEndpointsProtocol=https;AccountName=bronzeacct;AccountKey={key};EndpointSuffix=core.windows.net"
    )
)
passwords = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)
odd_signs = st.text(st.sampled_from("\"'\\`$%&+=/?#:;,<>{}[]()*|~ aA1\n\t\r\0\x1b"), min_size=8, max_size=30)
any_text = st.text(min_size=8, max_size=30)
urls = passwords.map(lambda word: f"https://user:{quote(word, safe='')}@example.org/a?token={quote(word)}")
documents = passwords.map(lambda word: json.dumps({"tenant": "t", "client_secret": word, "list": [1, None]}))
secrets = st.one_of(
    account_keys, signatures, sas_tokens, connection_strings, passwords, odd_signs, any_text, urls, documents
).filter(lambda text: len(text.strip()) >= 6 and len(set(text.strip())) >= 4)

EXAMPLES = {
    "key": "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4kA==",
    "key of odd signs": "+/+/+/8v+/+/7+/+/+//+/+/A+/+/+9/+/+/+//+/+/+//+/+/+/+/+/3/+/+/+//+/+/+//+/+/+//+/+/+/A==",
    "sas": "sv=2024-11-04&ss=b&sig=kLm%2B3qz%2FZ0a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6%3D&sp=rwdlac",
    "password": "pa$$w0rd!'\"<&>\\/%41+ =",
    "unicode": "Gr\u00fc\u00dfe-\u4e16\u754c-\U0001f600-\u00e9",
    "lines": 'first "line"\n  second\\line\ttab\nthird',
    "nul": "a\0b\x1b[31mred\x7f",
    "regex": ".*(a|b)+[^c]{2,}$^\\d?",
    "stars": "***-stars-***",
    "word": "failed",
    "other word": "status",
    "number": "1234567890",
    "json": '{"rows": 1, "node": null}',
    "quotes": "'\"'\"'''\"\"\"",
    "backslashes": "\\\\\\\\n\\\"\\'\\u0041",
    "percent": "%2541%25%%41+%20",
    "entities": "&amp;&lt;a&#65;&quot;",
}
