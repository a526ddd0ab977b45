"""Every bad file gets one message of a few lines that says where, what, and what to do."""

from __future__ import annotations

import duckdb
import pytest

from odibi.connections import LocalConnection
from odibi.engine.base import Source
from odibi.engine.pandas import errors
from odibi.engine.pandas.formats import FORMATS
from odibi.engine.pandas.session import Session
from odibi.errors import DataError, DataNotFoundError, PathEscapeError
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


def test_a_text_far_behind_the_sample_is_told(read):
    with pytest.raises(DataError, match=r"line 50002: 'x' is not BIGINT \(column 'a'\); declare"):
        read("a.csv", "a,b\n" + "1,2\n" * 50_000 + "x,3\n")


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
