"""What text files mean, and what is said of bad files, on every engine."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from odibi.connections import LocalConnection
from odibi.engine import Engine
from odibi.engine.base import Source
from odibi.errors import DataError, DataNotFoundError, OdibiError
from odibi.formats import format_of, normalise_options
from odibi.testing.contracts.base import OnEngine
from odibi.types import parse_type

TYPES: Sequence[tuple[Sequence[str], str]] = (
    (["1", "-2", ""], "bigint"),
    (["9223372036854775807", "-9223372036854775808"], "bigint"),
    (["12345678901234567890", "1"], "decimal(38,0)"),
    (["1.5", "1e3", "NaN"], "double"),
    ([".5", "1.", "-0.0"], "double"),
    (["1", "1.5"], "double"),
    (["12345678901234567890", "1e3"], "double"),
    (["1", "inf"], "double"),
    ([" 1", "2 "], "bigint"),
    (["01234", "5"], "string"),
    (["1.5", "01"], "string"),
    (["+49", "1"], "string"),
    (["1,000", "2"], "string"),
    (["1_000", "2"], "string"),
    (["1d", "2f"], "string"),
    (["1e", "2"], "string"),
    (["true", "FALSE"], "boolean"),
    (["true", "1"], "string"),
    (["t", "f"], "string"),
    (["yes", "no"], "string"),
    (["1", "0"], "bigint"),
    (["2024-01-02", "2024-1-3"], "date"),
    (["2024-02-30", "2024-01-01"], "string"),
    (["2024-01", "2024-02"], "string"),
    (["20240102", "20240103"], "bigint"),
    (["31/01/2024", "01/02/2024"], "string"),
    (["01.02.2024", ""], "string"),
    (["2024-01-02 10:00:00", "2024-01-02T10:00:00.123"], "timestamp_ntz"),
    (["2024-01-02 10:00", ""], "timestamp_ntz"),
    (["2024-01-02 10", ""], "string"),
    (["31/01/2024 10:00:00", ""], "string"),
    (["2024-01-02T10:00:00Z", "2024-01-02T10:00:00+02:00"], "timestamp"),
    (["2024-01-02 10:00:00", "2024-01-02T10:00:00Z"], "timestamp"),
    (["10:00:00", "11:30"], "string"),
    (["NA", "1"], "string"),
    (["null", ""], "string"),
    (["2024-01-02", "1"], "string"),
    (["", ""], "string"),
)
"""Texts of a column, and the type that they have where none is declared."""
DECLARED: Sequence[tuple[str, str, Any]] = (
    ("bigint", "007", 7),
    ("bigint", "+1", 1),
    ("bigint", " 1 ", 1),
    ("bigint", "1.0", 1),
    ("bigint", "1e3", 1000),
    ("bigint", "0.49999999999", 0),
    ("bigint", "-0.499999999999999999999999999", 0),
    ("bigint", "9223372036854775807.4999999999999999999999", 9223372036854775807),
    ("bigint", "123456789.5e9", 123456789500000000),
    ("int", "-3", -3),
    ("double", "1e3", 1000.0),
    ("decimal(5,2)", "1.005", Decimal("1.01")),
    ("decimal(38,9)", "12345678901234567890.123456789", Decimal("12345678901234567890.123456789")),
    ("boolean", "yes", True),
    ("boolean", "0", False),
    ("date", "2024-1-2", date(2024, 1, 2)),
    ("date", "2024/01/02", date(2024, 1, 2)),
    ("date", "2024-01-02 10:00:00", date(2024, 1, 2)),
    ("timestamp_ntz", "2024-01-02", datetime(2024, 1, 2)),  # noqa: DTZ001
    ("timestamp_ntz", "2024-01-02T10:00:00.123456", datetime(2024, 1, 2, 10, 0, 0, 123456)),  # noqa: DTZ001
    ("string", " 007 ", " 007 "),
)
"""A declared type, a text, and its value."""
REFUSED: Sequence[tuple[str, str]] = (
    ("bigint", "x"), ("bigint", "9223372036854775808"), ("int", "3000000000"), ("bigint", "true"), ("double", "1,5"),
    ("double", "1d"), ("decimal(5,2)", "9999"), ("boolean", "on"), ("date", "2024"), ("date", "2024-01"),
    ("date", "31/01/2024"), ("timestamp_ntz", "10:00"), ("timestamp_ntz", "2024-01-02 10"), ("timestamp", "x"),
)  # fmt: skip
"""A declared type and a text that is none."""


def _zipped(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("_", "."), text)
    return out.getvalue()


BAD: Mapping[str, tuple[str, str | bytes, Mapping[str, Any], str]] = {
    "empty csv": ("a.csv", "", {}, r"raw:a.csv is empty \(0 bytes\)"),
    "blank csv": ("a.csv", "\n\n", {}, r"no line of data, not even a header"),
    "too few fields": (
        "a.csv",
        "a,b\n1,2\n3\n",
        {},
        r"a\.csv, line 3: expected 2 columns, found 1: '3'; repair the line",
    ),
    "too many fields": ("a.csv", "a,b\n1,2,3\n", {}, r"a\.csv, line 2: expected 2 columns, found 3"),
    "too many fields, deep": (
        "a.csv",
        "a,b\n" + "1,2\n" * 50_000 + "1,2,3\n",
        {},
        r"line 50002: expected 2 columns, found 3",
    ),
    "latin-1": (
        "a.csv",
        "ä,b\n1,2\n".encode("latin-1"),
        {},
        r"raw:a.csv, line 1: the text is not utf-8; state its `encoding`",
    ),
    "latin-1, deep": (
        "a.csv",
        b"a,b\n" + b"x,2\n" * 50_000 + b"\xe4,3\n",
        {},
        r"(?i)line 50002: the text is not utf-8; (give|state) its `encoding`",
    ),
    "utf-16": ("a.csv", "a,b\n1,2\n".encode("utf-16"), {}, r"state encoding: utf-16"),
    "wrong encoding": ("a.csv", "ä,b\n1,2\n", {"encoding": "utf-16"}, r"the text is not utf-16|holds no line"),
    "no text": ("a.csv", b"\x7fELF\0\0\0\0", {}, r"zero bytes"),
    "same name twice": (
        "a.csv",
        "a,b,a\n1,2,3\n",
        {},
        r"header: the column 'a' is there twice; name the columns yourself",
    ),
    "names that differ in case": ("a.csv", "Id,id\n1,2\n", {}, r"'Id' and 'id' differ only in case"),
    "no name": ("a.csv", "a,,c\n1,2,3\n", {}, r"column 2 of 3 has no name"),
    "another delimiter": ("a.csv", "a;b\n1;2\n", {}, r"state the delimiter: ';'"),
    "too few names": (
        "a.csv",
        "1,2\n",
        {"header": False, "names": ("a",)},
        r"2 columns in its first line, but 1 names",
    ),
    "cut gzip": (
        "a.csv.gz",
        gzip.compress(b"a,b\n" + bytes(range(48, 58)) * 90_000)[:-20],
        {},
        r"[Gg][Zz][Ii][Pp].*cut off",
    ),
    "no gzip": ("a.csv.gz", "a,b\n", {}, r"no whole gzip file"),
    "no bz2": ("a.csv.bz2", "a,b\n", {}, r"no whole bz2 file"),
    "cut bz2": ("a.csv.bz2", bz2.compress(b"a,b\n1,2\n" * 99)[:-9], {}, r"no whole bz2 file"),
    "cut zip": ("a.csv.zip", _zipped(a_csv="a\n1\n")[:40], {}, r"no whole zip file"),
    "zip of others": (
        "a.csv.zip",
        _zipped(a_txt="x", b_pdf="y"),
        {},
        r"holds no \.csv or \.tsv file; it has: a\.txt, b\.pdf",
    ),
    "no zstd": ("a.csv.zst", "a,b\n1,2\n", {}, r"no whole zstd file"),
    "empty parquet": ("a.parquet", "", {}, r"is empty \(0 bytes\)"),
    "no parquet": ("a.parquet", "nope" * 10, {}, r"not a whole Parquet file; it was cut off or is of another format"),
    "empty json": ("a.json", "", {}, r"is empty \(0 bytes\)"),
    "cut json": ("a.json", '[{"a": 1}, {"a"', {}, r"raw:a.json, .*cut off or is no JSON"),
    "broken line": ("a.jsonl", '{"a": 1}\n' * 9000 + "{bad\n", {}, r"a.jsonl, .*cut off or is no JSON"),
    "no json": ("a.json", "hello", {}, r"raw:a.json.*no JSON"),
    "numbers only": ("a.json", "[1, 2]", {}, r"holds no JSON objects with fields"),
    "json names that differ in case": (
        "a.jsonl",
        '{"a": 1}\n{"A": 2}\n',
        {},
        r"the fields 'a' and 'A' differ only in case",
    ),
    "json in latin-1": ("a.jsonl", '{"a": "ä"}'.encode("latin-1"), {}, r"state its `encoding`"),
    "cut json.gz": ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 9999)[:-9], {}, r"(?i)gzip.*cut off"),
    "no workbook": ("a.xlsx", "PK nope", {}, r"no whole \.xlsx workbook .* save it as \.xlsx"),
    "empty workbook": ("a.xlsx", "", {}, r"is empty \(0 bytes\)"),
    "no avro": ("a.avro", "nope" * 20, {}, r"no whole Avro file"),
}
"""A path, what the file holds, options of the read, and what is said."""


class TextFileContract(OnEngine):
    """Text files have the same types and values on every engine, and bad files get the same words."""

    # -- types ---------------------------------------------------------------------------------------------------------

    def test_types_that_nobody_declares(self, engine: Engine, tmp_path: Path) -> None:
        """Every column is looked at as a whole, by the same rules."""
        rows = itertools.zip_longest(*(texts for texts, _ in TYPES), fillvalue="")
        lines = [",".join(f'"{text}"' for text in row) for row in rows]
        header = ",".join(f"c{number}" for number in range(len(TYPES)))
        types, _ = self.read(engine, tmp_path, "a.csv", "\n".join([header, *lines, ""]))
        assert {texts: type for (texts, _), type in zip(map(_named, TYPES), types, strict=True)} == dict(
            map(_named, TYPES)
        )

    def test_declared_types(self, engine: Engine, tmp_path: Path) -> None:
        """The texts that a type takes."""
        schema = {f"c{number}": type for number, (type, _, _) in enumerate(DECLARED)}
        text = f"{','.join(schema)}\n{','.join(text for _, text, _ in DECLARED)}\n"
        types, rows = self.read(engine, tmp_path, "a.csv", text, schema)
        assert types == [str(parse_type(type)) for type in schema.values()]
        assert rows == [tuple(value for _, _, value in DECLARED)]

    @pytest.mark.parametrize(("type", "text"), REFUSED)
    def test_a_text_of_another_type_is_told(self, engine: Engine, tmp_path: Path, type: str, text: str) -> None:
        """With its line, its column and the type."""
        content = f'n,x\n1,\n2,"{text}"\n'
        with pytest.raises(DataError, match=r"a\.csv, line 3: .* is not .*column 'x'.*; declare another type") as told:
            self.read(engine, tmp_path, "a.csv", content, {"n": "int", "x": type})
        assert repr(text) in str(told.value)

    def test_only_a_header_is_no_rows(self, engine: Engine, tmp_path: Path) -> None:
        """The columns are known."""
        assert self.read(engine, tmp_path, "a.csv", "\ufeffa,b\r\n")[1] == []

    # -- options -------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("content", "options", "types", "row"),
        [
            ("a;b\n1;2\n", {"sep": ";"}, "bigint bigint", (1, 2)),
            ("a||b\n1||2\n", {"sep": "||"}, "bigint bigint", (1, 2)),
            ("1,x\n", {"header": None}, "bigint string", (1, "x")),
            ("1,x\n", {"header": False, "names": ["n", "t"]}, "bigint string", (1, "x")),
            ("junk\na,b\n1,2\n", {"skip_rows": 1}, "bigint bigint", (1, 2)),
            ("#c\na,b\n#d\n1,2\n", {"comment": "#"}, "bigint bigint", (1, 2)),
            ("#c\na,b\n1,x#y\n#d\n2,\n", {"comment": "#"}, "bigint string", (1, "x#y")),
            (
                "d,n\n 31/01/2024 ,1\n",
                {"date_format": "dd/MM/yyyy", "types": {"d": "date"}},
                "date bigint",
                (date(2024, 1, 31), 1),
            ),
            (
                "t,n\n31.01.2024 10:30,1\n",
                {"timestamp_format": "dd.MM.yyyy HH:mm", "types": {"t": "timestamp"}},
                "timestamp bigint",
                (datetime(2024, 1, 31, 10, 30, tzinfo=UTC), 1),
            ),
            ("a,b\nNA,-\n1,2\n", {"na_values": ["NA", "-"]}, "bigint bigint", (None, None)),
            ('a,b\n"",x\n', {"empty_as_null": False}, "string string", ("", "x")),
            ("a,b\n1,2024-01-01\n", {"inferSchema": False}, "string string", ("1", "2024-01-01")),
            ("a,b\n1,2\n", {"dtype": {"a": str}}, "string bigint", ("1", 2)),
            ("a,b\n1,2\n", {"columns": ["b"]}, "bigint", (2,)),
            ('a,b\n"x ""y""",2\n', {}, "string bigint", ('x "y"', 2)),
            ('a,b\n"x \\"y\\"",2\n', {"escape": "\\"}, "string bigint", ('x "y"', 2)),
            ("a,b\n'x,y',2\n", {"quote": "'"}, "string bigint", ("x,y", 2)),
            ('a,b\n"two\nlines",2\n', {"multiline": True}, "string bigint", ("two\nlines", 2)),
            (
                "d,t\n31/01/2024,31.01.2024 10:30\n",
                {"date_format": "dd/MM/yyyy", "timestamp_format": "%d.%m.%Y %H:%M"},
                "date timestamp_ntz",
                (date(2024, 1, 31), datetime(2024, 1, 31, 10, 30)),  # noqa: DTZ001
            ),
            ("d,n\n20240131,1\n", {"date_format": "yyyyMMdd"}, "date bigint", (date(2024, 1, 31), 1)),
            ("d,n\n1.2.70,1\n", {"date_format": "d.M.yy"}, "date bigint", (date(1970, 2, 1), 1)),
        ],
    )
    def test_options(
        self, engine: Engine, tmp_path: Path, content: str, options: Mapping[str, Any], types: str, row: tuple[Any, ...]
    ) -> None:
        """They mean the same everywhere."""
        found, rows = self.read(engine, tmp_path, "a.csv", content, **options)
        assert found == types.split()
        assert rows[0] == row

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "iso8859-15"])
    def test_encodings(self, engine: Engine, tmp_path: Path, encoding: str) -> None:
        """Any that Python knows."""
        content = "näme,b\nä,2\n".encode(encoding)
        assert self.read(engine, tmp_path, "a.csv", content, encoding=encoding)[1] == [("ä", 2)]

    @pytest.mark.parametrize(
        ("path", "content", "types", "rows"),
        [
            ("a.jsonl", '{"b": 1, "a": "x"}\n{"b": 2.5, "c": null}\n', "double string string", [(1.0, "x", None)]),
            ("a.json", '[{"a": 1}, {"a": 2}]', "bigint", [(1,), (2,)]),
            ("a.json", '{\n"a": 1\n}\n{\n"a": 2\n}\n', "bigint", [(1,), (2,)]),
            ("a.json", '{"a": {"z": 1, "b": [1, 2]}}', "struct<z:bigint,b:array<bigint>>", None),
            ("a.json", '{"a": 18446744073709551615}', "decimal(38,0)", [(Decimal(2**64 - 1),)]),
            ("a.json", '{"a": 1}\n{"a": "x"}\n{"a": {"b":1}}\n', "string", [("1",), ("x",), ('{"b":1}',)]),
            ("a.json", '{"a": "2024-01-02", "b": []}', "string array<string>", None),
        ],
    )
    def test_json(
        self, engine: Engine, tmp_path: Path, path: str, content: str, types: str, rows: list[tuple[Any, ...]] | None
    ) -> None:
        """Fields in the order of first sight, texts as texts, lines or documents."""
        found, values = self.read(engine, tmp_path, path, content)
        assert found == types.split()
        assert rows is None or set(rows) <= set(values)

    # -- several files -------------------------------------------------------------------------------------------------

    def test_hidden_and_empty_files_and_folders_in_folders(self, engine: Engine, tmp_path: Path) -> None:
        """Columns are brought together by name, types by what holds all."""
        for name, text in {
            "o.csv/part-0.csv": "a,b\n1,x\n", "o.csv/part-1.csv": "b,a\ny,2.5\n", "o.csv/part-2.csv": "",
            "o.csv/sub/part-3.csv": "a,b\n3,z\n", "o.csv/_SUCCESS": "", "o.csv/.part-0.csv.crc": "no",
            "o.csv/_tmp.csv": "no",
        }.items():  # fmt: skip
            self.put(tmp_path, name, text)
        types, rows = self.read(engine, tmp_path, "o.csv", None)
        assert (types, sorted(rows)) == (["double", "string"], [(1.0, "x"), (2.5, "y"), (3.0, "z")])

    @pytest.mark.parametrize("name", ["o[1].csv", "a b%20c.csv", "ünï🎈.csv", "x{1,2}.csv", "it's,#.csv"])
    def test_odd_names_of_files(self, engine: Engine, tmp_path: Path, name: str) -> None:
        """Signs of globs and of URLs are letters as any other, where a file has such a name."""
        self.put(tmp_path, "o1.csv", "a\n2\n")
        assert self.read(engine, tmp_path, name, "a\n1\n")[1] == [(1,)]

    def test_partitions(self, engine: Engine, tmp_path: Path) -> None:
        """The values of folders are typed by all of them; leading zeros are text."""
        self.put(tmp_path, "p/year=2024/code=01/day=2024-01-02/a.csv", "x\n1\n")
        self.put(tmp_path, "p/year=2023/code=__HIVE_DEFAULT_PARTITION__/day=2024-01-03/a.csv", "x\n2\n")
        self.put(tmp_path, "p/year=2022/code=a%2Fb/day=2024-01-03/a.csv", "x\n3\n")
        types, rows = self.read(engine, tmp_path, "p", None, format="csv")
        assert types == ["bigint", "bigint", "string", "date"]
        assert sorted(rows) == [
            (1, 2024, "01", date(2024, 1, 2)), (2, 2023, None, date(2024, 1, 3)), (3, 2022, "a/b", date(2024, 1, 3)),
        ]  # fmt: skip

    def test_files_with_other_columns(self, engine: Engine, tmp_path: Path) -> None:
        """Are told, or brought together where that is asked for."""
        self.put(tmp_path, "d/1.csv", "a,b\n1,2\n")
        self.put(tmp_path, "d/2.csv", "a,c\n3,4\n")
        with pytest.raises(
            DataError, match=r"raw:d/2.csv has other columns than raw:d/1.csv: it lacks 'b' and adds 'c'"
        ):
            self.read(engine, tmp_path, "d", None, format="csv")
        _, rows = self.read(engine, tmp_path, "d", None, format="csv", union_by_name=True)
        assert sorted(rows, key=repr) == [(1, 2, None), (3, None, 4)]

    # -- what is wrong -------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("case", BAD)
    def test_a_bad_file_is_told(self, engine: Engine, tmp_path: Path, case: str) -> None:
        """In a few lines that say where, what, and what to do."""
        path, content, options, message = BAD[case]
        with pytest.raises(OdibiError, match=f"(?s){message}" if "(?i)" not in message else message) as raised:
            self.read(engine, tmp_path, path, content, **options)
        assert isinstance(raised.value, DataError)
        assert len(str(raised.value).splitlines()) <= 3

    def test_a_missing_file_names_the_close_ones(self, engine: Engine, tmp_path: Path) -> None:
        """And what else is there."""
        self.put(tmp_path, "sales/orders.csv", "a\n1\n")
        with pytest.raises(
            DataNotFoundError,
            match=r"raw:sales/order.csv does not exist; did you mean 'orders.csv'\? raw:sales has: orders.csv",
        ):
            self.read(engine, tmp_path, "sales/order.csv", None)

    # -- helpers -------------------------------------------------------------------------------------------------------

    def put(self, folder: Path, path: str, content: str | bytes) -> None:
        """Make a file."""
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def read(
        self,
        engine: Engine,
        folder: Path,
        path: str,
        content: str | bytes | None,
        schema: Mapping[str, str] | None = None,
        **options: Any,
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The types and rows of a file, which is made where it has content."""
        if content is not None:
            self.put(folder, path, content)
        format = format_of(path, options.pop("format", None))
        canonical, mistakes = normalise_options(format, "read", options)
        assert not mistakes
        types = {name: parse_type(text) for name, text in (schema or {}).items()}
        frame = engine.scan(Source(LocalConnection(folder, name="raw"), path, format, canonical, types))
        table = engine.narwhals(frame, lazy=False).to_arrow()
        return [column.type_name for column in frame.columns], [tuple(row.values()) for row in table.to_pylist()]


def _named(case: tuple[Sequence[str], str]) -> tuple[str, str]:
    return " | ".join(case[0]), case[1]
