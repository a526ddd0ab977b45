"""The secrets that this process knows, and how they are kept out of every text that leaves it.

Whoever learns a secret calls `remember` at once: connections when they are built, the project for the `storage_options`
of its nodes, the fetchers of keys and tokens for what they fetched. Then few places see to it that it stays inside:

    errors.OdibiError        the message of every error of ours, and the texts of the error it is raised from
    node.error_record, …     what a run records of failures: results, events, stories and displays take it from there
    story.values.Cleaner     every text and value of a story, before it is cut or written out (`StorySettings.scrub`)
    story.recorder           the finished files once more (`StorySettings.scrub_document`)
    cli.ui.UI                all that the command line prints, and its live display
    cli.logs                 log records of every library, and warnings, as the command line prints them
    model.Model, clean_repr  the `repr` of settings, projects, results and records
    engine…delta.commit      what a commit says of itself

A value is found in every spelling in which it may turn up (`odibi.secret_forms`): as it is, quoted for URLs, in Base64
(also inside of a longer one), in hexadecimal, escaped for JSON, Python, HTML, XML and shells. Credentials that nobody
remembered are known by their shape: `sig=…` of a SAS, `AccountKey=…` of a connection string, bearer tokens, JWTs.

A value shorter than `SHORTEST` characters is not looked for: taking `1` or `yes` out of all texts would hide what
happens and not the value, since the gaps would tell it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")

SHORTEST = 4
"""Characters of the shortest value that is taken out of texts."""
MASK = "***"

# Texts, which `re` compiles when they are first used and keeps: every program imports this module, few have a secret.
_PARTS = (
    r"(?i)(?:AccountKey|Shared_?Access_?Key|Shared_?Access_?Signature|Shared_?Secret_?Value|Password|Pwd)"
    r"\s*=\s*([^;]+)"
    r"|(?:^|[?&;])sig=([^&;\s]+)"
    r"|^[a-z][a-z0-9+.-]*://[^/@\s:]*:([^/@\s]+)@"
)
"""The secret parts of a connection string, of a SAS token or URL, and of a URL with a password."""
_SECRET_NAME = (
    r"account_?key"
    r"|(?:(?:access|master|storage|api|sas|shared|private|secret|encryption)_?key"
    r"|secret|token|password|passwd|passphrase|pwd|sas|signature|credential|credentials|connection_?string|bearer)$"
)
"""How a setting is called whose value is a secret: by the end of its name, as in `azure_storage_account_key`."""
_STANDS_OUT = r"(?=[^0-9]*[0-9])(?=.*[^\W\d_])[^\s\"'<>{}\[\],:]{12,}"
_RANDOM = r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])[A-Za-z0-9+/=_~.-]{20,}"
"""A value that no person made up: letters in both cases, and digits."""
_NAME = r"\w[\w.-]{,39}|<<"
_lock = Lock()


class _Known:
    """The values known at one time; never changes, so that threads need no lock to use it.

    A pattern takes milliseconds to make, and most texts hold no secret. So a text is first asked, by plain search, for
    the parts that each spelling of a value has (`anchors_of`); the pattern of a value is made when one is found.
    """

    def __init__(self, values: frozenset[str] = frozenset(), before: _Known | None = None) -> None:
        self.values = values
        old = before._anchors if before is not None else {}
        self._anchors: dict[str, tuple[str, ...]] = {
            value: old[value] if value in old else _anchors(value) for value in values
        }
        self._patterns: dict[frozenset[str], re.Pattern[str] | None] = {}

    def pattern(self, text: str, document: bool) -> re.Pattern[str] | None:
        """What finds those that the text may hold, without those that could be part of a document's own words; None
        where it holds none."""
        near = frozenset(
            value
            for value, anchors in self._anchors.items()
            if (not anchors or any(anchor in text for anchor in anchors)) and (not document or stands_out(value))
        )
        if near not in self._patterns:
            from odibi.secret_forms import pattern_of

            self._patterns[near] = pattern_of(near)
        return self._patterns[near]


def _anchors(value: str) -> tuple[str, ...]:
    from odibi.secret_forms import anchors_of

    return anchors_of(value)


_known = _Known()


def remember(value: str) -> None:
    """From now on `scrub` takes this value out of texts, also in its encoded forms, and so its secret parts: the key in
    a connection string, the signature in a SAS. Values shorter than `SHORTEST` are left alone."""
    global _known
    found = {each for each in _with_parts(value) if len(each.strip()) >= SHORTEST}
    with _lock:
        if not found <= _known.values:
            _known = _Known(_known.values | found, _known)


def remember_options(options: Mapping[str, Any]) -> None:
    """As `remember_settings`, of storage options, whose names are those of some library: also what looks like a key."""
    remember_settings(options)
    for value in options.values():
        if isinstance(value, str) and looks_secret(value):
            remember(value)


def remember_settings(settings: Mapping[str, Any]) -> None:
    """Remember the texts in a mapping of settings whose names are those of secrets, also in mappings inside of it."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            remember_settings(value)
        elif isinstance(value, str) and names_secret(str(name)):
            remember(value)


def names_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret.

    >>> [name for name in ("account_key", "sas_token", "account_name", "secret_name") if names_secret(name)]
    ['account_key', 'sas_token']
    """
    plain = name.strip().replace("-", "_").replace(".", "_").lower()
    return re.search(_SECRET_NAME, plain) is not None and not plain.endswith("service_credential")


def shown_name(name: str) -> str:
    """A name from a file for a message, cut off where it stops to look like one: with a comma or a space too much, or a
    colon too few, YAML takes a part of a secret for a key.

    >>> shown_name("accout_key"), shown_name("account_key:a2V5/YQ=="), shown_name("account_key a2V5")
    ('accout_key', 'account_key…', 'account_key…')
    """
    start = re.match(_NAME, name)
    shown = start[0] if start else ""
    return shown if shown == name else f"{shown}…"


def shown_value(value: str) -> str:
    """A value for a message that says what it can not be; what looks like a key, put in a wrong place, is not shown.

    >>> shown_value("my_account"), shown_value("Zx9q8Lw3/Vt0aa1bb2cc3dd==")
    ("'my_account'", 'what looks like a secret (25 characters)')
    """
    return f"what looks like a secret ({len(value)} characters)" if looks_secret(value) else repr(value)


def looks_secret(value: str) -> bool:
    """Whether no person made this value up: letters in both cases and digits, many of them.

    >>> looks_secret("Zx9q8Lw3/Vt0aa1bb2cc3dd=="), looks_secret("account1.dfs.core.windows.net")
    (True, False)
    """
    return re.fullmatch(_RANDOM, value.strip()) is not None


def stands_out(value: str) -> bool:
    """Whether a value can be no part of a document's own structure or words: long, of letters and digits, and without
    the signs that hold JSON and HTML together.

    >>> stands_out("p4ssw0rd-of-bronze"), stands_out("changes_from_inputs"), stands_out('"rows": 1, "a')
    (True, False, False)
    """
    return re.fullmatch(_STANDS_OUT, value) is not None


def scrub(text: str) -> str:
    """The text with `***` in the place of every secret: of those that were remembered, in every spelling, and of what
    has the shape of a credential.

    >>> scrub("GET https://account1.blob.core.windows.net/c/f?sp=r&sig=nOeLfWbFDNlqNXuQN2UUcwcYYKZ4hkzgHSo%3D")
    'GET https://account1.blob.core.windows.net/c/f?sp=r&sig=***'
    """
    if not _known.values and len(text) < _SHORTEST_SHAPE:
        return text  # most texts of most runs
    return _scrub(text, False)


def scrub_document(text: str) -> str:
    """As `scrub`, of a JSON, HTML or other document whose values were scrubbed before it was written out. A secret that
    could be a word or a sign of its structure (`failed`, `": "`) is left alone now, so that the document stays whole.
    """
    return _scrub(text, True) if _known.values else text


def scrub_data(value: Any) -> Any:
    """Plain data with its texts scrubbed, ready to be written out. Keys stay, unless they stand out as secrets.

    >>> scrub_data({"error": "Authorization: Bearer 0123456789abcdef0123", "rows": 3})
    {'error': 'Authorization: Bearer ***', 'rows': 3}
    """
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {scrub_document(k) if isinstance(k, str) else k: scrub_data(each) for k, each in value.items()}
    if isinstance(value, list | tuple):
        return [scrub_data(each) for each in value]
    if value is None or isinstance(value, bool | float):
        return value
    shown = str(value)  # a number may be a secret as well; what JSON has no type for is written as text anyway
    return value if (scrubbed := scrub(shown)) == shown else scrubbed


def clean(error: BaseException | None) -> None:
    """Take secrets out of an error's texts, and of those of the errors it comes from, in place: for errors of
    libraries, which may name a URL with a SAS in it."""
    found, left = set[int](), [error]
    while left:
        each = left.pop()
        if each is not None and id(each) not in found:
            found.add(id(each))
            _clean_one(each)
            left += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


def clean_handled() -> None:
    """`clean` of the error that is being handled now, if there is one; costs nothing where no secret is known."""
    if _known.values:
        clean(sys.exception())


def clean_repr(kind: type[T]) -> type[T]:
    """A class decorator: what `repr` shows of its instances is scrubbed."""
    shown = kind.__repr__
    kind.__repr__ = lambda self: scrub(shown(self))  # type: ignore[method-assign]
    return kind


def forget() -> None:
    """Forget all secrets; for tests."""
    global _known
    with _lock:
        _known = _Known()


def _scrub(text: str, document: bool) -> str:
    known = _known
    if known.values:
        pattern = known.pattern(text, document)
        if pattern is not None:
            text = _masked(text, pattern)
    if len(text) < _SHORTEST_SHAPE:
        return text
    words = text.lower()
    for word in _SHAPE_WORDS:
        if word in words:
            from odibi.secret_forms import without_shapes

            return without_shapes(text, MASK)
    return text


_SHORTEST_SHAPE = 12
_SHAPE_WORDS = (
    "sig=", "sig%3d", "accountkey", "account_key", "sharedaccess", "shared_access", "sharedkey", "bearer",
    "authorization", "clientsecret", "client_secret", "client_assertion", "sas_token", "sastoken", "ss_token",
    "sh_token", "eyj", "dapi", "private key",
)  # fmt: skip
"""One of these stands in each text that holds the shape of a credential: most texts are told by that alone."""


def _masked(text: str, pattern: re.Pattern[str]) -> str:
    """Every match masked, also of those that overlap: secrets may be parts of each other, or share an end."""
    match = pattern.search(text)
    if match is None:
        return text
    parts: list[str] = []
    done = 0
    while match is not None:
        start, end = match.span()
        following = pattern.search(text, start + 1)
        while following is not None and following.start() < end:
            end = max(end, following.end())
            following = pattern.search(text, following.start() + 1)
        parts += (text[done:start], MASK)
        done, match = end, following
    return "".join([*parts, text[done:]])


def _with_parts(value: str) -> Iterator[str]:
    """The value, as it is and without space around it, and the secret parts of it."""
    yield value
    bare = value.strip()
    yield bare
    yield bare.removeprefix("?")
    for match in re.finditer(_PARTS, bare):
        from urllib.parse import unquote

        part = next(group for group in match.groups() if group)
        yield part.strip()
        yield unquote(part.strip())
        if part != bare:
            yield from _with_parts(part)
    if bare.startswith("{"):
        yield from _inside_json(bare)
    if "PRIVATE KEY-----" in bare:
        yield from (line for line in bare.splitlines() if line and not line.startswith("-----"))


def _inside_json(text: str) -> Iterator[str]:
    import json

    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(data, dict):
        for name, value in data.items():
            if isinstance(value, str) and names_secret(name):
                yield from _with_parts(value)


def _clean_one(error: BaseException) -> None:
    args = tuple(scrub(each) if isinstance(each, str) else each for each in error.args)
    if args != error.args:
        error.args = args
    for name in ("message", "msg", "reason", "strerror", "filename", "filename2", "url", "__notes__"):
        told = getattr(error, name, None)
        cleaned = [scrub(str(note)) for note in told] if name == "__notes__" and told else told
        if isinstance(told, str):
            cleaned = scrub(told)
        if cleaned != told:
            try:
                setattr(error, name, cleaned)
            except (AttributeError, TypeError):  # read-only: then its text is made of `args`
                continue
