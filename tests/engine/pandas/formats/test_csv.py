"""What the types and texts of a CSV file are."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.connections import LocalConnection
from odibi.engine.base import Source
from odibi.engine.pandas.formats import FORMATS
from odibi.engine.pandas.session import Session
from odibi.formats import normalise_options
from odibi.types import parse_type


@pytest.fixture(scope="module")
def session():
    session = Session()
    yield session
    session.close()


@pytest.fixture
def read(session, tmp_path):
    def read_text(content, schema=None, path="a.csv", rows=True, **options):
        (tmp_path / path).write_bytes(content if isinstance(content, bytes) else content.encode())
        return scan(session, tmp_path, path, options, schema, rows)

    return read_text


def scan(session, folder, path, options, schema=None, rows=True):
    options, mistakes = normalise_options("csv", "read", options)
    assert not mistakes
    types = {name: parse_type(text) for name, text in (schema or {}).items()}
    frame = FORMATS["csv"].scan(session, Source(LocalConnection(folder), path, "csv", options, types))
    return [column.type_name for column in frame.columns], session.execute(frame.sql, frame) if rows else []


@pytest.mark.parametrize(
    ("values", "type"),
    [
        (["1", "-2", ""], "bigint"),
        (["9223372036854775807"], "bigint"),
        (["12345678901234567890", "1"], "decimal(38,0)"),
        (["1.5", "1e3", "NaN"], "double"),
        (["01234", "5"], "string"),
        (["+49", "1"], "string"),
        (["true", "FALSE"], "boolean"),
        (["t", "f"], "string"),
        (["yes", "no"], "string"),
        (["1", "0"], "bigint"),
        (["2024-01-02"], "date"),
        (["31/01/2024"], "string"),
        (["01/02/2024"], "string"),
        (["2024-01-02 10:00:00", "2024-01-02T10:00:00.123"], "timestamp_ntz"),
        (["31/01/2024 10:00:00"], "string"),
        (["2024-01-02T10:00:00Z", "2024-01-02T10:00:00+02:00"], "timestamp"),
        (["10:00:00"], "string"),
        (["NA", "1"], "string"),
        (["", ""], "string"),
    ],
)
def test_inferred_types(read, values, type):
    types, _ = read("x,y\n" + "".join(f"{value},1\n" for value in values), rows=False)
    assert types == [type, "bigint"]


def test_declared_columns_are_all_there_is(read):
    types, rows = read("a,b,c\n1,2,x\n", {"c": "string", "a": "decimal(5,2)"})
    assert types == ["string", "decimal(5,2)"]
    assert str(rows[0][1]) == "1.00"


def test_types_of_some_columns(read):
    assert read("a,b\n1,2\n", dtype={"a": str})[0] == ["string", "bigint"]


def test_inference_can_be_switched_off(read):
    assert read("a,b\n1,2024-01-01\n", inferSchema=False) == (["string", "string"], [("1", "2024-01-01")])


def test_date_formats(read):
    types, rows = read(
        "d,t\n31/01/2024,31.01.2024 10:30\n", date_format="dd/MM/yyyy", timestamp_format="%d.%m.%Y %H:%M"
    )
    assert types == ["date", "timestamp_ntz"]
    assert str(rows[0][1]) == "2024-01-31 10:30:00"


def test_null_values(read):
    assert read("a,b\nNA,x\n1,\n", na_values=["NA"]) == (["bigint", "string"], [(None, "x"), (1, None)])


def test_header_options(read):
    assert read("1,x\n", header=None) == (["bigint", "string"], [(1, "x")])
    assert read("1,x\n", {"n": "int", "t": "string"}, header=False) == (["int", "string"], [(1, "x")])
    assert read("junk\na,b\n1,2\n", skip_rows=1)[1] == [(1, 2)]
    assert read("#c\na,b\n#d\n1,2\n", comment="#")[1] == [(1, 2)]


def test_delimiters(read):
    assert read("a;b\n1;2\n", sep=";")[1] == [(1, 2)]
    assert read("a\tb\n1\t2\n", sep="\\t")[1] == [(1, 2)]
    assert read("a\tb\n1\t2\n", path="a.tsv")[1] == [(1, 2)]
    assert read("a||b\n1||2\n", sep="||")[1] == [(1, 2)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "iso8859-15"])
def test_encodings(read, encoding):
    assert read("näme,b\nä,2\n".encode(encoding), encoding=encoding)[1] == [("ä", 2)]


def test_odd_but_right(read):
    _, rows = read('"a ""x""","b,c"\r\n"1","two\nlines"\r\n')
    assert rows == [(1, "two\nlines")]
    assert read("a\n" + "1\n" * 3, {"a": "int"})[1] == [(1,)] * 3


def test_casts_to_text_give_the_value(session, read, tmp_path):
    """Not the file's text, which DuckDB gives in some queries and in others not."""
    read("x,b\n2,TRUE\n1e3,false\n", {"x": "double", "b": "boolean"})
    source = Source(
        LocalConnection(tmp_path), "a.csv", "csv", {}, {"x": parse_type("double"), "b": parse_type("boolean")}
    )
    frame = FORMATS["csv"].scan(session, source)
    assert session.execute(f"SELECT x::VARCHAR, b::VARCHAR FROM ({frame.sql})") == [
        ("2.0", "true"),
        ("1000.0", "false"),
    ]


def test_spark_folder_glob_and_wildcards_in_names(session, tmp_path):
    folder = tmp_path / "out.csv"
    (folder / "sub").mkdir(parents=True)
    for name, text in {
        "part-0.csv": "a,b\n1,x\n", "part-1.csv": "b,a\ny,2.5\n", "part-2.csv": "", "sub/part-3.csv": "a,b\n3,z\n",
        "_SUCCESS": "", ".part-0.csv.crc": "no", "_tmp.csv": "no",
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    types, rows = scan(session, tmp_path, "out.csv", {})
    assert (types, sorted(rows)) == (["double", "string"], [(1.0, "x"), (2.5, "y"), (3.0, "z")])
    assert sorted(scan(session, tmp_path, "out.csv/part-[01].csv", {})[1]) == [(1.0, "x"), (2.5, "y")]
    (tmp_path / "o[1].csv").write_text("a\n1\n")
    (tmp_path / "o1.csv").write_text("a\n2\n")
    assert scan(session, tmp_path, "o[1].csv", {})[1] == [(1,)]


def test_zipped_files(session, tmp_path):
    with zipfile.ZipFile(tmp_path / "two.csv.zip", "w") as archive:
        archive.writestr("in/1.csv", "a\n1\n")
        archive.writestr("in/2.csv", "a\n2\n")
        archive.writestr("__MACOSX/1.csv", "junk")
        archive.writestr("readme.txt", "junk")
    assert sorted(scan(session, tmp_path, "two.csv.zip", {})[1]) == [(1,), (2,)]


@settings(max_examples=40)
@given(
    rows=st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), st.integers(-(2**63), 2**63 - 1)
        ),
        min_size=1,
    )
)
def test_what_pythons_csv_writes_is_read(tmp_path_factory, session, rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("text", "number"), *rows])
    folder = tmp_path_factory.mktemp("csv")
    (folder / "a.csv").write_text(out.getvalue(), encoding="utf-8", newline="")
    _, found = scan(session, folder, "a.csv", {}, {"text": "string", "number": "bigint"})
    assert sorted(found) == sorted(rows)
