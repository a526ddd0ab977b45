"""Every bad file gets one message of a few lines that says where, what, and what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile

import duckdb
import pytest

from odibi.connections import LocalConnection
from odibi.engine.base import Source
from odibi.engine.pandas import errors
from odibi.engine.pandas.formats import FORMATS
from odibi.engine.pandas.session import Session
from odibi.errors import DataError, DataNotFoundError, OdibiError, PathEscapeError
from odibi.formats import format_of


@pytest.fixture(scope="module")
def session():
    session = Session()
    yield session
    session.close()


@pytest.fixture
def read(session, tmp_path):
    def read_file(path, content=None, /, **options):
        if content is not None:
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        source = Source(
            LocalConnection(tmp_path, name="raw"), path, format_of(path, options.pop("format", None)), options
        )
        try:
            frame = FORMATS[source.format].scan(session, source)
            return [column.name for column in frame.columns], session.execute(frame.sql, frame)
        except duckdb.Error as error:  # as the engine does it
            raise errors.explain(error, "", None, {}) from error

    return read_file


def zipped(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("_", "."), text)
    return out.getvalue()


BAD = {
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
    "a text in numbers, deep": (
        "a.csv",
        "a,b\n" + "1,2\n" * 50_000 + "x,3\n",
        {},
        r"line 50002: 'x' is not BIGINT \(column 'a'\); declare",
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
        r"line 50002: the text is not UTF-8; give its `encoding`",
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
    "cut zip": ("a.csv.zip", zipped(a_csv="a\n1\n")[:40], {}, r"no whole zip file"),
    "zip of others": (
        "a.csv.zip",
        zipped(a_txt="x", b_pdf="y"),
        {},
        r"holds no \.csv or \.tsv file; it has: a\.txt, b\.pdf",
    ),
    "no zstd": ("a.csv.zst", "a,b\n1,2\n", {}, r"no whole zstd file"),
    "empty parquet": ("a.parquet", "", {}, r"is empty \(0 bytes\)"),
    "no parquet": ("a.parquet", "nope" * 10, {}, r"not a whole Parquet file; it was cut off or is of another format"),
    "empty json": ("a.json", "", {}, r"is empty \(0 bytes\)"),
    "cut json": ("a.json", '[{"a": 1}, {"a"', {}, r"raw:a.json, record/value \d+: .*cut off or is no JSON"),
    "no json": ("a.json", "hello", {}, r"raw:a.json.*no JSON"),
    "numbers only": ("a.json", "[1, 2]", {}, r"holds no JSON objects with fields"),
    "json names that differ in case": (
        "a.jsonl",
        '{"a": 1}\n{"A": 2}\n',
        {},
        r"the fields 'a' and 'A' differ only in case",
    ),
    "json in latin-1": ("a.jsonl", '{"a": "ä"}'.encode("latin-1"), {}, r"state its `encoding`"),
    "cut json.gz": ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 9999)[:-9], {}, r"GZIP.*cut off"),
    "no workbook": ("a.xlsx", "PK nope", {}, r"no whole \.xlsx workbook .* save it as \.xlsx"),
    "empty workbook": ("a.xlsx", "", {}, r"is empty \(0 bytes\)"),
    "no avro": ("a.avro", "nope" * 20, {}, r"no whole Avro file"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_told(read, case):
    path, content, options, message = BAD[case]
    with pytest.raises(OdibiError, match=f"(?s){message}") as raised:
        read(path, content, **options)
    assert isinstance(raised.value, DataError)
    assert len(str(raised.value).splitlines()) <= 3


@pytest.mark.parametrize("format", ["parquet", "excel", "avro"])
def test_a_cut_file_is_told(session, read, tmp_path, format):
    from odibi.engine.base import Target

    path = {"parquet": "t.parquet", "excel": "t.xlsx", "avro": "t.avro"}[format]
    target = Target(LocalConnection(tmp_path), path, format)
    frame = session.frame("SELECT range AS a, hash(range)::VARCHAR AS b FROM range(5000)")
    FORMATS[format].write(
        session, session.frame(f"SELECT a::BIGINT AS a, b FROM ({frame.sql})"), target, str(tmp_path / path)
    )
    whole = (tmp_path / path).read_bytes()
    with pytest.raises(DataError, match=r"cut off|format"):
        read(path, whole[: len(whole) * 2 // 3])


@pytest.mark.parametrize("content", ["a,b\n", "a,b", "\ufeffa,b\r\n"])
def test_only_a_header_is_no_rows(read, content):
    assert read("a.csv", content) == (["a", "b"], [])


def test_a_missing_file_names_the_close_ones(read):
    read("sales/orders.csv", "a\n1\n")
    with pytest.raises(
        DataNotFoundError,
        match=r"raw:sales/order.csv does not exist; did you mean 'orders.csv'\? raw:sales has: orders.csv",
    ):
        read("sales/order.csv")
    with pytest.raises(DataNotFoundError, match=r"did you mean 'sales'\?"):
        read("sale/orders.csv")
    with pytest.raises(DataNotFoundError, match=r"no file matches raw:sales/\*\.tsv; raw:sales has: orders\.csv"):
        read("sales/*.tsv")


def test_a_folder_without_data(read, tmp_path):
    (tmp_path / "f" / "_SUCCESS").parent.mkdir()
    (tmp_path / "f" / "_SUCCESS").touch()
    with pytest.raises(DataNotFoundError, match="raw:f is a folder without data files"):
        read("f", format="csv")


def test_a_link_that_leaves_the_connection(read, tmp_path):
    (tmp_path / "d").mkdir()
    try:
        (tmp_path / "d" / "out.csv").symlink_to("/etc/hostname")
    except OSError:
        pytest.skip("no right to make links")
    with pytest.raises(PathEscapeError, match="symbolic link"):
        read("d", format="csv")


def test_files_with_other_columns(read):
    read("d/1.csv", "a,b\n1,2\n")
    with pytest.raises(DataError, match=r"raw:d/2.csv has other columns than raw:d/1.csv: it lacks 'b' and adds 'c'"):
        read("d/2.csv", "a,c\n3,4\n") and read("d", format="csv")
    names, rows = read("d", format="csv", union_by_name=True)
    assert (names, sorted(rows, key=repr)) == (["a", "b", "c"], [(1, 2, None), (3, None, 4)])


def test_parquet_files_that_do_not_fit(session, read, tmp_path):
    for name, sql in {
        "1": "SELECT 1::BIGINT AS a",
        "2": "SELECT 1.5::DOUBLE AS a",
        "3": "SELECT 1::BIGINT AS b",
    }.items():
        session.execute(f"COPY ({sql}) TO '{tmp_path}/{name}.parquet'")
    with pytest.raises(DataError, match=r"column 'a' is BIGINT in raw:1.parquet and DOUBLE in raw:2.parquet; declare"):
        read("[12].parquet")
    with pytest.raises(DataError, match=r"raw:3.parquet has other columns .* lacks 'a' and adds 'b'"):
        read("[13].parquet")
    assert sorted(read("[13].parquet", union_by_name=True)[1], key=repr) == [(1, None), (None, 1)]
