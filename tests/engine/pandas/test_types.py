"""DuckDB's types and ours."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.engine.pandas.types import Native, column_of, duckdb_type, parse_native
from odibi.types import SIMPLE, DataType, parse_type

NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=8)
LEAVES = st.sampled_from(SIMPLE).map(DataType) | st.integers(1, 38).flatmap(
    lambda precision: st.integers(0, precision).map(lambda scale: DataType("decimal", precision, scale))
)


def structs(children):
    fields = st.lists(
        st.tuples(NAMES, children), min_size=1, max_size=3, unique_by=lambda field: field[0].lower().casefold()
    )
    return fields.map(
        lambda found: DataType("struct", children=tuple(t for _, t in found), field_names=tuple(n for n, _ in found))
    )


TYPES = st.recursive(
    LEAVES,
    lambda inner: (
        inner.map(lambda t: DataType("array", children=(t,)))
        | st.tuples(inner, inner).map(lambda pair: DataType("map", children=pair))
        | structs(inner)
    ),
    max_leaves=5,
)


@given(TYPES)
def test_every_type_survives_duckdb(type):
    with duckdb.connect() as connection:
        ((_, shown, *_),) = connection.execute(f"DESCRIBE SELECT CAST(NULL AS {duckdb_type(type)}) AS v").fetchall()
    assert column_of("v", shown).type == type


@pytest.mark.parametrize(
    ("expression", "type"),
    [
        ("1::HUGEINT", None),
        ("1::UTINYINT", None),
        ("uuid()", None),
        ("NULL", None),
        ("[]", None),
        ("{'a': INTERVAL 1 DAY}", None),
        ("'x'::ENUM('x', 'it''s, (odd)')", None),
        ("TIMESTAMP_NS '2024-01-01 00:00:00'", None),
        ("[1, 2]::INT[2]", "array<int>"),
        ("now()", "timestamp"),
        ("{'a b': [MAP {'k': 1.50}]}", "struct<`a b`:array<map<string,decimal(3,2)>>>"),
        ("{'time with': now(), 'b\"': 1}", 'struct<`time with`:timestamp,`b"`:int>'),
    ],
)
def test_types_of_expressions(expression, type):
    with duckdb.connect() as connection:
        ((_, shown, *_),) = connection.execute(f"DESCRIBE SELECT {expression} AS v").fetchall()
    found = column_of("v", shown)
    assert found.type == (parse_type(type) if type else None)
    assert found.native == shown


def test_a_type_nobody_knows_keeps_its_text():
    assert column_of("v", "GEOMETRY('x')").type_name == "GEOMETRY('x')"
    assert parse_native("BIGNUM") == Native("BIGNUM")
