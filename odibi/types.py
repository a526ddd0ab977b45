"""Column types, written as Spark writes them, and nothing of any engine.

`parse_type("array<struct<id:bigint,tags:map<string,decimal(12,2)>>>")` gives a `DataType`; `str()` of it gives the
canonical spelling back. Engines translate from and to their own types in their own folders.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

INTEGERS = ("tinyint", "smallint", "int", "bigint")
SIMPLE = ("boolean", *INTEGERS, "float", "double", "string", "binary", "date", "timestamp", "timestamp_ntz")
ALIASES = {
    "bool": "boolean", "byte": "tinyint", "short": "smallint", "integer": "int", "long": "bigint", "real": "float",
    "dec": "decimal", "numeric": "decimal", "timestamp_ltz": "timestamp", "varchar": "string", "text": "string",
}  # fmt: skip
"""Other spellings that Spark itself takes, and the two that users of SQL databases write."""
_TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_][A-Za-z_0-9]*)|(?P<number>\d+)|`(?P<quoted>(?:[^`]|``)+)`|(?P<sign>[<>(),:]))"
)


@dataclass(frozen=True, slots=True)
class DataType:
    """One type. `name` is the Spark name; `precision`/`scale` of a decimal; `children` of array (element), map (key,
    value) and struct (fields, with `field_names`)."""

    name: str
    precision: int = 0
    scale: int = 0
    children: tuple[DataType, ...] = ()
    field_names: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.name == "struct":
            fields = zip(self.field_names, self.children, strict=True)
            return f"struct<{','.join(f'{_quoted(name)}:{child}' for name, child in fields)}>"
        if self.children:
            return f"{self.name}<{','.join(map(str, self.children))}>"
        return self.name

    @property
    def is_integer(self) -> bool:
        """True for tinyint, smallint, int and bigint."""
        return self.name in INTEGERS


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a frame or table. `type` is None where the engine's type has no Spark name (it is then in
    `native`)."""

    name: str
    type: DataType | None
    native: str = ""

    @property
    def type_name(self) -> str:
        """The type as a user reads it."""
        return str(self.type) if self.type else self.native


def parse_type(text: str) -> DataType:
    """The type that `text` names. Raises ValueError whose text says what is wrong and what would be right.

    >>> str(parse_type("ARRAY< struct<a: INT, b:Decimal(12, 2)> >"))
    'array<struct<a:int,b:decimal(12,2)>>'
    """
    reader = _Reader(text)
    found = reader.type()
    reader.end()
    return found


class _Reader:
    """A recursive-descent reader of one type text."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def fail(self, what: str) -> ValueError:
        return ValueError(f"{self.text!r} is not a type: {what}")

    def next(self) -> tuple[str, str]:
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            if self.text[self.at :].strip():
                raise self.fail(f"unexpected {self.text[self.at :].strip()[0]!r}")
            return "end", ""
        self.at = match.end()
        kind = str(match.lastgroup)
        return kind, match[kind]

    def expect(self, *signs: str) -> str:
        kind, value = self.next()
        if kind != "sign" or value not in signs:
            raise self.fail(f"expected {' or '.join(map(repr, signs))}, found {value or 'the end'!r}")
        return value

    def end(self) -> None:
        kind, value = self.next()
        if kind != "end":
            raise self.fail(f"unexpected {value!r} at its end")

    def type(self) -> DataType:
        kind, word = self.next()
        if kind != "word":
            raise self.fail(f"expected a type name, found {word or 'the end'!r}")
        name = ALIASES.get(word.lower(), word.lower())
        if name in SIMPLE:
            return DataType(name)
        special = {"decimal": self.decimal, "array": self.array, "map": self.map, "struct": self.struct}
        if name not in special:
            raise self.fail(
                f"unknown type {word!r}; known: {', '.join(SIMPLE)}, decimal(p,s), array<…>, map<…>, struct<…>"
            )
        return special[name]()

    def number(self) -> int:
        kind, value = self.next()
        if kind != "number":
            raise self.fail(f"expected a number, found {value or 'the end'!r}")
        return int(value)

    def decimal(self) -> DataType:
        if not self.text[self.at :].lstrip().startswith("("):
            return DataType("decimal", 10, 0)  # Spark's own default
        self.expect("(")
        precision, scale = self.number(), 0
        if self.expect(",", ")") == ",":
            scale = self.number()
            self.expect(")")
        if not 1 <= precision <= 38 or scale > precision:
            raise self.fail("a decimal has 1 to 38 digits, and no more of them behind the point than in all")
        return DataType("decimal", precision, scale)

    def array(self) -> DataType:
        self.expect("<")
        element = self.type()
        self.expect(">")
        return DataType("array", children=(element,))

    def map(self) -> DataType:
        self.expect("<")
        key = self.type()
        self.expect(",")
        value = self.type()
        self.expect(">")
        return DataType("map", children=(key, value))

    def struct(self) -> DataType:
        names: list[str] = []
        types: list[DataType] = []
        self.expect("<")
        while True:
            kind, name = self.next()
            if kind not in ("word", "quoted"):
                raise self.fail(f"expected a field name, found {name or 'the end'!r}")
            names.append(name.replace("``", "`") if kind == "quoted" else name)
            self.expect(":")
            types.append(self.type())
            if self.expect(",", ">") == ">":
                return DataType("struct", children=tuple(types), field_names=tuple(names))


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else "`" + name.replace("`", "``") + "`"
