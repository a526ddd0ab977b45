"""Random typed rows come back as they were written, in parts and as a whole."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.connections.local import LocalConnection
from odibi.engine.base import NO_CHECKS, Source, Target
from odibi.engine.pandas.delta import save, scan
from odibi.engine.pandas.session import Session, literal

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=40)
VALUES = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1).map(str),
    "TINYINT": st.integers(-128, 127).map(str),
    "DOUBLE": st.floats().map(repr),
    "DECIMAL(20,5)": st.decimals(-(10**14), 10**14, places=5).map(str),
    "BOOLEAN": st.booleans().map(str),
    "VARCHAR": TEXT,
    "DATE": st.dates().map(str),
    "TIMESTAMP": st.datetimes().map(str),
    "TIMESTAMPTZ": st.datetimes().map(lambda moment: f"{moment}+00"),
}


@st.composite
def tables(draw):
    types = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=2, max_size=4))
    rows = draw(st.lists(st.tuples(*(st.none() | VALUES[type] for type in types)), max_size=6))
    return types, rows


def select(types, rows):
    nothing = ", ".join(f"CAST(NULL AS {type}) AS c{index}" for index, type in enumerate(types))
    parts = [f"SELECT {nothing} WHERE false"]
    for row in rows:
        values = ["NULL" if value is None else literal(value) for value in row]
        parts.append("SELECT " + ", ".join(f"CAST({v} AS {type})" for v, type in zip(values, types, strict=True)))
    return " UNION ALL ".join(parts)


@pytest.fixture(scope="module")
def shared():
    session = Session()
    yield session
    session.close()


@settings(max_examples=40)
@given(table=tables(), more=st.data(), partitioned=st.booleans())
def test_rows_come_back(shared, table, more, partitioned):
    types, rows = table
    added = more.draw(st.lists(st.tuples(*(st.none() | VALUES[type] for type in types)), max_size=3))
    with tempfile.TemporaryDirectory() as folder:
        lake = LocalConnection(Path(folder), name="lake")
        target = Target(lake, "t", "delta", partition_by=("c0",) if partitioned else ())
        first = save(shared, shared.frame(select(types, rows)), target, NO_CHECKS, no_checks)
        append = Target(lake, "t", "delta", mode="append")
        save(shared, shared.frame(select(types, added)), append, NO_CHECKS, no_checks)
        if partitioned:  # in Delta an empty text as partition value is NULL
            rows, added = [[(row[0] or None, *row[1:]) for row in part] for part in (rows, added)]
        assert texts(shared, first.frame.sql) == texts(shared, select(types, rows))
        found = scan(shared, Source(lake, "t", "delta"))
        assert texts(shared, found.sql) == texts(shared, select(types, rows + added))


def no_checks(frame):
    return ()


def texts(session, sql):
    return sorted(text for (text,) in session.execute(f"SELECT r::VARCHAR FROM ({sql}) AS r"))
