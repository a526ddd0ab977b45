"""The database of an engine."""

from __future__ import annotations

import stat
import sys
import tempfile
from pathlib import Path

import pytest

from odibi.engine.pandas.session import Session


@pytest.mark.skipif(sys.platform == "win32", reason="the working directory can not be deleted there")
def test_where_the_working_directory_can_not_be_written_large_data_goes_to_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    session = Session()
    session.execute("SET memory_limit = '20MB'")
    session.execute("CREATE TABLE memory.main.wide AS SELECT md5(i::VARCHAR) AS v FROM range(600000) t(i)")
    ((spilled,),) = session.execute("SELECT sum(size) FROM duckdb_temporary_files()")
    (private,) = tmp_path.glob(".odibi-*")
    assert spilled > 0
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    session.close()
    del session
    assert not list(tmp_path.iterdir())


def test_tables_left_over_do_not_disturb_the_end_of_an_interrupted_run():
    from odibi.engine.pandas.session import Session

    session = Session()
    session.keep(session.frame("SELECT 1 AS id"))  # nothing refers to it
    session.interrupt()
    session.collect()
    session.close()
