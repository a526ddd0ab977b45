"""Values of the data made safe to show: bounded, exact, masked, free of secrets, and of JSON's types only."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

MASKED = "***"
MAX_CELL = 300
"""Characters of one value of a sample."""
MAX_TEXT = 50_000
"""Characters of SQL, messages and descriptions."""
MAX_LEAVES = 100
"""Single values shown of one nested value."""
MAX_DEPTH = 8
MAX_COLUMNS = 200
"""Columns of one sample."""
_EXACT = 2**53
"""From here on a number of JSON is not exact for every reader; such integers are texts."""
_SHORT = 1000
"""Integers of fewer digits are no secrets."""
_QUOTED = re.compile(r"(['\"])(.*?)\1", re.DOTALL)
_BEFORE_NAMES = ("did you mean ", "column ", "columns ", "node ", "table ")
"""After these words a message quotes a name, not a value."""
_MISSING = ("NAType", "NaTType")
"""pandas' missing values, by the names of their types: pandas itself is never imported here."""


def clean(text: str) -> str:
    """The text without lone surrogates, which no file can hold; they are written out (`\\udc80`)."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, then a mark with the whole length."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"


class Cleaner:
    """Makes texts and values fit to be shown. `mask` names columns and struct fields, in any case; of a dotted name
    (`customer.email`) the last part counts."""

    def __init__(
        self, mask: Iterable[str] = (), scrub: Callable[[str], str] | None = None, names: Iterable[str] = ()
    ) -> None:
        self.scrub = scrub
        self.names = frozenset(name.casefold() for name in names)
        names = {name.strip().casefold() for name in mask}
        self.mask = names | {name.rpartition(".")[2] for name in names} - {""}

    def text(self, text: str, limit: int = MAX_TEXT) -> str:
        """A text without secrets, cut to `limit`. Secrets are taken out before the cut, which could halve one."""
        text = clean(text)
        if self.scrub is not None:
            text = self.scrub(text)
        return text if len(text) <= limit else cut(text, limit)

    def told(self, text: str) -> str:
        """A message, such as an error. Where columns are masked, what it quotes is hidden unless it is a known name: a
        text can not be asked from which column its values come."""
        if self.mask:
            text = _QUOTED.sub(self._quoted, text)
        return self.text(text)

    def _quoted(self, found: re.Match[str]) -> str:
        named = found[2].casefold() in self.names or found.string.endswith(_BEFORE_NAMES, 0, found.start())
        return found[0] if named else f"{found[1]}{MASKED}{found[1]}"

    def texts(self, texts: Iterable[str]) -> list[str]:
        """Each text cleaned."""
        return [self.text(text) for text in texts]

    def masked(self, name: str) -> bool:
        """Whether values of a column or field of this name are hidden."""
        return bool(self.mask) and name.strip().casefold() in self.mask

    def value(self, value: Any) -> Any:
        """One value as None, bool, int, float, str, list or dict."""
        kind = type(value)
        if kind is str:
            return self.text(value, MAX_CELL)
        if value is None or kind is bool:
            return value
        if kind is int and -_EXACT < value < _EXACT:
            return value if -_SHORT < value < _SHORT else self.number(value)
        if kind is float and math.isfinite(value):
            return value
        return self._value(value, [MAX_LEAVES], 0)

    def number(self, value: int) -> Any:
        """The number itself, unless its digits are a secret."""
        return value if self.scrub is None or self.scrub(str(value)) == str(value) else MASKED

    def rows(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[list[Any]]:
        """The cells of `rows` in the order of `columns`."""
        hidden = [self.masked(name) for name in columns]
        value = self.value
        return [
            [MASKED if hide else value(row.get(name)) for name, hide in zip(columns, hidden, strict=True)]
            for row in rows
        ]

    def mapping(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A flat record, such as a failing key or the options of a read."""
        items = list(values.items())[:MAX_COLUMNS]
        return {self.text(str(name), MAX_CELL): self.field(name, value) for name, value in items}

    def field(self, name: Any, value: Any) -> Any:
        """The value of a named field, hidden if the name is masked."""
        return MASKED if isinstance(name, str) and self.masked(name) else self.value(value)

    # -- values that are not plain -------------------------------------------------------------------------------------

    def _value(self, value: Any, budget: list[int], depth: int) -> Any:
        """`budget` holds how many leaves may still be shown of the outermost value."""
        if isinstance(value, Mapping):
            return self._struct(value.items(), budget, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self._list(list(value), budget, depth)
        budget[0] -= 1
        return self._leaf(value)

    def _struct(self, items: Iterable[tuple[Any, Any]], budget: list[int], depth: int) -> Any:
        if depth >= MAX_DEPTH:
            return "…"
        shown: dict[str, Any] = {}
        for name, value in items:
            if budget[0] <= 0:
                shown["…"] = "…"
                break
            key = self.text(name if isinstance(name, str) else str(self._leaf(name)), MAX_CELL)
            shown[key] = self._named(name, value, budget, depth)
        return shown

    def _named(self, name: Any, value: Any, budget: list[int], depth: int) -> Any:
        if isinstance(name, str) and self.masked(name):
            budget[0] -= 1
            return MASKED
        return self._value(value, budget, depth + 1)

    def _list(self, values: list[Any], budget: list[int], depth: int) -> Any:
        if depth >= MAX_DEPTH:
            return "…"
        shown: list[Any] = []
        for value in values:
            if budget[0] <= 0:
                shown.append(f"… ({len(values):,} values)")
                break
            shown.append(self._entry(value, budget, depth))
        return shown

    def _entry(self, value: Any, budget: list[int], depth: int) -> Any:
        """An element of a list; Arrow gives maps as lists of (key, value) pairs, whose keys are names too."""
        if self.mask and isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
            return [self._leaf(value[0]), self._named(value[0], value[1], budget, depth)]
        return self._value(value, budget, depth + 1)

    def _leaf(self, value: Any) -> Any:
        if value is None or isinstance(value, bool) or type(value).__name__ in _MISSING:
            return None if not isinstance(value, bool) else value
        if isinstance(value, str):
            return self.text(str(value), MAX_CELL)
        if isinstance(value, int):
            return self.number(int(value)) if -_EXACT < value < _EXACT else self.text(integer(value), MAX_CELL)
        if isinstance(value, float):
            return real(float(value))
        if type(value).__module__ == "numpy" and callable(getattr(value, "item", None)):
            return (
                self._leaf(value.item())
                if not isinstance(value.item(), type(value))
                else self.text(str(value), MAX_CELL)
            )
        if isinstance(value, bytes | bytearray | memoryview) and self._is_secret(bytes(value)):
            return MASKED
        return self.text(plain(value), MAX_CELL)

    def _is_secret(self, value: bytes) -> bool:
        """Whether bytes hold a secret, which their hexadecimal form, cut short, would give away in part."""
        text = value.decode("utf-8", "replace")
        return self.scrub is not None and self.scrub(text) != text


def integer(value: int) -> str:
    """All digits; of a monster, which Python refuses to write out, its hexadecimal form."""
    return str(int(value)) if value.bit_length() < 4096 else hex(value)


def real(value: float) -> float | str:
    """The number, or `NaN`, `Infinity`, `-Infinity`, which JSON can not hold as numbers."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def plain(value: Any) -> str:
    """A value that JSON has no type for, as text: decimals exact, times in ISO form, bytes in hexadecimal."""
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        return format(value, "f") if isinstance(exponent, int) and abs(exponent) < MAX_CELL else str(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return binary(bytes(value))
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - whatever a foreign type's text raises, the rest of the story is worth having
        return f"<{type(value).__name__}>"


def binary(value: bytes) -> str:
    """`0x0aff…`, with the length where it was cut."""
    shown = value[:32].hex()
    return f"0x{shown}" if len(value) <= 32 else f"0x{shown}… ({len(value):,} bytes)"
