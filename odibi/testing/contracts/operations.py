"""What the built-in operations give, on every engine: the same rows, names and types."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from odibi.engine import Engine
from odibi.engine.base import Query
from odibi.errors import DataError, OdibiError
from odibi.testing.contracts.base import OnEngine
from odibi.testing.frames import arrow_table, rows_of
from odibi.transforms import OPERATIONS
from odibi.transforms.dialect import dialect

Row = Mapping[str, Any]
SCHEMA = {"region": "string", "month": "string", "qty": "int", "price": "decimal(2,1)"}
SALES: Sequence[Row] = [
    dict(zip(SCHEMA, row, strict=True))
    for row in [
        ("EU", "jan", 1, Decimal("1.5")),
        ("EU", "jan", 2, Decimal("2.5")),
        ("EU", "feb", 4, None),
        ("US", None, 8, Decimal("1.0")),
        (None, "jan", 16, Decimal("1.0")),
    ]
]
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "cast": {"columns": {"qty": "string"}},
    "deduplicate": {"subset": ["region"], "order_by": ["qty desc"]},
    "fill_nulls": {"values": {"month": "none"}},
    "pivot": {"group_by": ["region"], "pivot_column": "month", "value_column": "qty", "values": ["jan", None]},
    "rename": {"columns": {"qty": "quantity"}},
    "sample": {"rows": 2, "seed": 1},
    "unpivot": {"id_columns": ["region", "month"], "value_columns": ["qty", "price"]},
}
"""One use of every operation, over `SALES`."""


class OperationContract(OnEngine):
    """An operation gives the same, whoever computes it."""

    # -- every operation -----------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_what_is_announced_before_a_run_is_what_comes_out(self, engine: Engine, name: str) -> None:
        """Names and types, by the engine's own way and by the portable SQL."""
        operation = OPERATIONS[name]()
        params = operation.Params(**EXAMPLES[name])
        frame = sales(engine)
        assert operation.problems(params, frame.columns) == []
        announced = operation.output_columns(params, frame.columns)
        result, _ = engine.operate(operation, params, frame)
        sql = operation.sql(params, frame.columns, dialect(engine.dialect))
        portable, _ = engine.query(Query(sql, engine.dialect), {"current": frame})
        for each in (result, portable):
            assert [(c.name, c.type) for c in each.columns] == [(c.name, c.type) for c in announced]
        assert len(rows(engine, portable)) == len(rows(engine, result))

    @pytest.mark.parametrize(
        ("name", "params", "path"),
        [
            ("cast", {"columns": {"qtty": "int"}}, "columns.qtty"),
            ("deduplicate", {"subset": ["regoin"]}, "subset[0]"),
            ("deduplicate", {"subset": ["region"], "order_by": ["qtty desc"]}, "order_by[0]"),
            ("fill_nulls", {"values": {"monht": "x"}}, "values.monht"),
            ("fill_nulls", {"value": 0, "columns": ["qtty"]}, "columns[0]"),
            ("pivot", {**EXAMPLES["pivot"], "group_by": ["regoin"]}, "group_by[0]"),
            ("pivot", {**EXAMPLES["pivot"], "pivot_column": "monht"}, "pivot_column"),
            ("pivot", {**EXAMPLES["pivot"], "value_column": "qtty"}, "value_column"),
            ("rename", {"columns": {"qtty": "x"}}, "columns.qtty"),
            ("unpivot", {"id_columns": ["regoin"]}, "id_columns[0]"),
            ("unpivot", {"id_columns": ["region"], "value_columns": ["qtty"]}, "value_columns[0]"),
        ],
    )
    def test_unknown_columns_are_told_with_the_closest(self, engine: Engine, name: str, params: Any, path: str) -> None:
        """And with their place."""
        frame = sales(engine)
        operation = OPERATIONS[name]()
        ((where, message, hint),) = operation.problems(operation.Params(**params), frame.columns)
        assert where == path
        assert message.startswith("unknown column")
        assert "did you mean" in hint
        with pytest.raises(DataError, match="unknown column"):
            apply(engine, name, frame, **params)

    # -- rename, cast, fill_nulls --------------------------------------------------------------------------------------

    def test_names_are_found_whatever_their_case(self, engine: Engine) -> None:
        """As tables find them."""
        assert run(engine, "rename", [{"Id": 1, "x": 2}], columns={"ID": "key"}) == [{"key": 1, "x": 2}]

    def test_a_rename_may_swap_but_not_collide(self, engine: Engine) -> None:
        """Names differ by more than case."""
        assert run(engine, "rename", [{"a": 1, "b": 2}], columns={"a": "b", "b": "a"}) == [{"b": 1, "a": 2}]
        with pytest.raises(DataError, match="'B' would exist twice"):
            run(engine, "rename", [{"b": 1, "a": 2}], columns={"a": "B"})

    def test_awkward_names_survive(self, engine: Engine) -> None:
        """Quotes, spaces, braces, dots, what is not ASCII."""
        given = [{'a "b"': 1, "ü %s {x}": 2, "d.e`f": 3}]
        renamed = run(engine, "rename", given, columns={'a "b"': "c'd"})
        assert renamed == [{"c'd": 1, "ü %s {x}": 2, "d.e`f": 3}]
        assert run(engine, "deduplicate", given, subset=["ü %s {x}", "d.e`f"]) == given

    def test_a_bad_cast_is_an_error_or_null_when_asked(self, engine: Engine) -> None:
        """Never a silent other value."""
        given = [{"a": "1"}, {"a": "x"}]
        with pytest.raises(OdibiError, match="'x'"):
            engine.compute(apply(engine, "cast", frame_of(engine, given), columns={"a": "int"}))
        assert run(engine, "cast", given, columns={"a": "int"}, errors="null") == [{"a": 1}, {"a": None}]

    @pytest.mark.parametrize(
        "text", ["array<int>", "struct<a:int,`b c`:string>", "map<string,double>", "timestamp", "binary"]
    )
    def test_casts_to_every_kind_of_type(self, engine: Engine, text: str) -> None:
        """The type is the one that was asked for."""
        nothing = engine.query(Query("SELECT NULL AS a", engine.dialect), {})[0]
        (column,) = apply(engine, "cast", nothing, columns={"a": text}).columns
        assert str(column.type) == text

    @pytest.mark.parametrize(
        ("type", "value", "wanted", "expected"),
        [
            ("double", 2.5, "int", 2),
            ("double", 3.5, "bigint", 4),
            ("double", -3.9, "int", -4),
            ("decimal(3,1)", Decimal("2.5"), "int", 3),
            ("decimal(3,1)", Decimal("-2.5"), "tinyint", -3),
            ("double", 10_000_000.0, "string", "10000000.0"),
            ("double", 1234567890.25, "string", "1234567890.25"),
            ("double", 1e16, "string", "1e+16"),
            ("double", 1.5e-5, "string", "1.5e-05"),
            ("double", 0.00012, "string", "0.00012"),
            ("double", -0.1, "string", "-0.1"),
            ("double", -1.25e300, "string", "-1.25e+300"),
            ("double", float("inf"), "string", "inf"),
            ("double", float("-inf"), "string", "-inf"),
            ("double", float("nan"), "string", "nan"),
            ("double", 0.0, "string", "0.0"),
            ("float", 16_777_216.0, "string", "16777216.0"),
            ("timestamp", datetime(2024, 1, 31, 9, 0, 0, 500_000, tzinfo=UTC), "string", "2024-01-31 09:00:00.5+00"),
            ("timestamp_ntz", datetime(2024, 1, 31, 9), "string", "2024-01-31 09:00:00"),  # noqa: DTZ001
            ("date", date(2024, 1, 31), "string", "2024-01-31"),
            ("date", date(2024, 1, 31), "timestamp", datetime(2024, 1, 31, tzinfo=UTC)),
            ("boolean", True, "string", "true"),
            ("decimal(5,2)", Decimal("1.50"), "string", "1.50"),
            ("decimal(5,3)", Decimal("2.345"), "decimal(5,2)", Decimal("2.35")),
            ("bigint", 5, "double", 5.0),
            ("string", " 12 ", "int", 12),
            ("string", "true", "boolean", True),
            ("string", "2024-01-31", "date", date(2024, 1, 31)),
        ],
    )
    def test_a_cast_gives_the_same_everywhere(
        self, engine: Engine, type: str, value: Any, wanted: str, expected: Any
    ) -> None:
        """Engines round and write numbers in ways of their own; a cast does not."""
        given = frame_of(engine, [{"a": value}, {"a": None}], {"a": type})
        found = apply(engine, "cast", given, columns={"a": wanted})
        assert rows(engine, found) == [{"a": expected}, {"a": None}]

    def test_nulls_are_filled_per_column(self, engine: Engine) -> None:
        """In the column's type."""
        given = frame_of(
            engine, [{"i": 1}], {"s": "string", "d": "date", "n": "decimal(5,2)", "f": "double", "i": "int"}
        )
        values = {"s": "it's \\ {x}", "d": "2024-01-31", "n": 0.5, "f": 1e300, "i": 0}
        found = rows(engine, apply(engine, "fill_nulls", given, values=values))
        assert found == [{"s": "it's \\ {x}", "d": date(2024, 1, 31), "n": Decimal("0.50"), "f": 1e300, "i": 1}]

    def test_one_value_fills_the_columns_of_its_kind(self, engine: Engine) -> None:
        """Text fills text, numbers numbers."""
        types = {"s": "string", "i": "int", "f": "double", "b": "boolean", "d": "date"}
        given = frame_of(engine, [dict.fromkeys(types)], types)

        def filled(value: Any) -> Row:
            return rows(engine, apply(engine, "fill_nulls", given, value=value))[0]

        nothing = dict.fromkeys(types)
        assert filled(0) == {**nothing, "i": 0, "f": 0.0}
        assert filled("-") == {**nothing, "s": "-"}
        assert filled(False) == {**nothing, "b": False}

    # -- sample --------------------------------------------------------------------------------------------------------

    def test_a_seed_takes_the_same_rows_whatever_their_order(self, engine: Engine) -> None:
        """And near the share that is asked for."""
        up = [{"i": number, "s": str(number)} for number in range(1000)]
        for params, least, most in (({"fraction": 0.1, "seed": 7}, 60, 140), ({"rows": 100, "seed": 7}, 100, 100)):
            one, two = (run(engine, "sample", given, **params) for given in (up, up[::-1]))
            assert sorted(row["i"] for row in one) == sorted(row["i"] for row in two)
            assert least <= len(one) <= most

    def test_another_seed_takes_other_rows(self, engine: Engine) -> None:
        """Or a seed would be of no use."""
        given = [{"i": number} for number in range(1000)]
        one, two = (run(engine, "sample", given, rows=50, seed=seed) for seed in (1, 2))
        assert sorted(row["i"] for row in one) != sorted(row["i"] for row in two)

    @pytest.mark.parametrize(
        ("params", "count"),
        [
            ({"fraction": 1, "seed": 1}, 10),
            ({"fraction": 0, "seed": 1}, 0),
            ({"rows": 50}, 10),
            ({"rows": 3}, 3),
            ({"fraction": 1.0}, 10),
        ],
    )
    def test_edges_of_a_sample(self, engine: Engine, params: Any, count: int) -> None:
        """All, none, more than there are."""
        assert len(run(engine, "sample", [{"i": number} for number in range(10)], **params)) == count

    def test_a_sample_of_every_type(self, engine: Engine) -> None:
        """Whatever a row holds, it can be chosen."""
        from odibi.testing.contracts.functions import ONE, SCHEMA

        given = frame_of(engine, [ONE], SCHEMA)
        assert len(rows(engine, apply(engine, "sample", given, rows=1, seed=1))) == 1

    # -- pivot ---------------------------------------------------------------------------------------------------------

    def test_a_pivot_looks_its_values_up(self, engine: Engine) -> None:
        """In order, NULL last."""
        assert pivoted(engine, "sum") == [
            {"region": "EU", "feb": 4, "jan": 3, "null": None},
            {"region": None, "feb": None, "jan": 16, "null": None},
            {"region": "US", "feb": None, "jan": None, "null": 8},
        ]

    def test_given_values_fix_the_columns_and_their_order(self, engine: Engine) -> None:
        """Also of values that are not there."""
        found = pivoted(engine, "sum", values=["jan", "dec"])
        assert [list(row) for row in found] == [["region", "jan", "dec"]] * 3
        assert found[0] == {"region": "EU", "jan": 3, "dec": None}

    @pytest.mark.parametrize(
        ("agg_func", "value", "jan", "type"),
        [
            ("sum", "price", Decimal("4.0"), "decimal(12,1)"),
            ("count", "price", 2, "bigint"),
            ("avg", "price", 2.0, "double"),
            ("min", "price", Decimal("1.5"), "decimal(2,1)"),
            ("max", "qty", 2, "int"),
            ("sum", "qty", 3, "bigint"),
        ],
    )
    def test_aggregates_and_their_types(self, engine: Engine, agg_func: str, value: str, jan: Any, type: str) -> None:
        """The same on every engine."""
        assert pivoted(engine, agg_func, value)[0]["jan"] == jan
        params = {"group_by": ["region"], "pivot_column": "month", "value_column": value, "agg_func": agg_func}
        assert apply(engine, "pivot", sales(engine), **params).columns[1].type_name == type

    def test_counts_of_nothing_are_zero(self, engine: Engine) -> None:
        """Not NULL."""
        assert pivoted(engine, "count")[0] == {"region": "EU", "feb": 1, "jan": 2, "null": 0}

    def test_first_is_one_of_the_values(self, engine: Engine) -> None:
        """Any."""
        assert pivoted(engine, "first")[0]["jan"] in (1, 2)

    @pytest.mark.parametrize(
        ("type", "values", "names"),
        [
            ("boolean", [True, False, None], ["false", "true", "null"]),
            ("date", [date(2024, 1, 31), date(2023, 12, 31)], ["2023-12-31", "2024-01-31"]),
            ("decimal(3,2)", [Decimal("1.50"), Decimal("0.25")], ["0.25", "1.50"]),
            ("string", ["", 'it\'s "x" `y` \\z'], ["empty", 'it\'s "x" `y` \\z']),
            ("timestamp", [datetime(2024, 1, 31, 9, tzinfo=UTC)], ["2024-01-31 09:00:00+00"]),
            ("timestamp_ntz", [datetime(2024, 1, 31, 9, 0, 1)], ["2024-01-31 09:00:01"]),  # noqa: DTZ001
            ("array<int>", [[1, 2]], ["[1, 2]"]),
            ("double", [0.1, 1e300, 10_000_000.0], ["0.1", "10000000.0", "1e+300"]),
            ("bigint", [10, 9], ["9", "10"]),
        ],
    )
    def test_columns_are_named_as_values_are_written(
        self, engine: Engine, type: str, values: list[Any], names: list[str]
    ) -> None:
        """And each finds its values again."""
        given = frame_of(engine, [{"g": 1, "k": k, "v": 5} for k in values], {"g": "int", "k": type, "v": "int"})
        found = apply(engine, "pivot", given, group_by=["g"], pivot_column="k", value_column="v")
        assert [column.name for column in found.columns] == ["g", *names]
        assert rows(engine, found) == [{"g": 1, **dict.fromkeys(names, 5)}]

    def test_too_many_values_are_refused(self, engine: Engine) -> None:
        """Before a column is made."""
        given = [{"g": 1, "k": number, "v": 1} for number in range(1001)]
        with pytest.raises(DataError, match="more than 1,000 distinct values"):
            run(engine, "pivot", given, group_by=["g"], pivot_column="k", value_column="v")

    def test_values_that_make_one_name_twice_are_refused(self, engine: Engine) -> None:
        """Tables tell no case."""
        given = [{"g": 1, "k": key, "v": 1} for key in ("a", "A")]
        with pytest.raises(DataError, match="would exist twice"):
            run(engine, "pivot", given, group_by=["g"], pivot_column="k", value_column="v")

    def test_text_can_not_be_added_up(self, engine: Engine) -> None:
        """The type is named."""
        params = {"group_by": ["month"], "pivot_column": "qty", "value_column": "region"}
        with pytest.raises(DataError, match="region' is string, sum needs numbers"):
            apply(engine, "pivot", sales(engine), **params)

    def test_a_pivot_of_no_rows(self, engine: Engine) -> None:
        """Has the groups alone."""
        params = {"group_by": ["region"], "pivot_column": "month", "value_column": "qty"}
        found = apply(engine, "pivot", frame_of(engine, [], SCHEMA), **params)
        assert rows(engine, found) == []
        assert [column.name for column in found.columns] == ["region"]

    # -- unpivot -------------------------------------------------------------------------------------------------------

    def test_unpivot_keeps_nulls_and_widens_numbers(self, engine: Engine) -> None:
        """To the type that holds them all."""
        params = {"id_columns": ["region", "month"], "name_column": "what", "value_column": "how many"}
        found = apply(engine, "unpivot", sales(engine), **params)
        types = [(c.name, c.type_name) for c in found.columns]
        assert types[2:] == [("what", "string"), ("how many", "decimal(11,1)")]
        content = rows(engine, found)
        assert len(content) == 10
        assert {"region": "EU", "month": "feb", "what": "price", "how many": None} in content

    def test_unpivot_of_different_types_asks_for_a_cast(self, engine: Engine) -> None:
        """Nothing is made text behind the user's back."""
        with pytest.raises(DataError, match=r"month: string, qty: int.*cast them"):
            apply(engine, "unpivot", sales(engine), id_columns=["region"], value_columns=["month", "qty"])

    def test_unpivot_undoes_pivot(self, engine: Engine) -> None:
        """Also of what is computed only then."""
        params = {"group_by": ["region"], "pivot_column": "month", "value_column": "qty"}
        wide = apply(engine, "pivot", sales(engine), **params)
        long = apply(engine, "unpivot", wide, id_columns=["region"])
        assert sum(row["value"] or 0 for row in rows(engine, long)) == 31

    # -- deduplicate ---------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("state", ["given", "computed", "kept"])
    @pytest.mark.parametrize("keep", ["first", "last"])
    @pytest.mark.parametrize("order", [["x desc"], ["x"], ["x asc", "y desc"]], ids=" ".join)
    def test_exactly_one_row_stays_per_key_and_it_is_the_right_one(
        self, engine: Engine, state: str, keep: str, order: list[str]
    ) -> None:
        """NULL is a key like others, and an order value that wins only alone. Many tables are tried at once."""
        types = {"table": "int", "n": "int", "k": "string", "x": "int", "y": "int"}
        data = _tables(random.Random(f"{keep} {order}"))
        frame = frame_of(engine, data, types)
        if state != "given":
            frame = engine.query(Query("SELECT * FROM t WHERE n >= 0", engine.dialect), {"t": frame})[0]
        frame = engine.keep(frame) if state == "kept" else frame
        found = rows(engine, apply(engine, "deduplicate", frame, subset=["table", "k"], order_by=order, keep=keep))
        best = _best(data, [(text.split()[0], ("desc" in text) is (keep == "first")) for text in order])
        names = [text.split()[0] for text in order]
        chosen = {(row["table"], row["k"]): [row[name] for name in names] for row in found}
        assert len(found) == len(chosen)
        assert chosen == {key: [row[name] for name in names] for key, row in best.items()}
        assert all(row in data for row in found), "rows stay whole"

    def test_one_of_the_rows_stays_without_an_order(self, engine: Engine) -> None:
        """Whole."""
        given: list[Row] = [{"k": "a", "v": 1}, {"k": "a", "v": 2}, {"k": None, "v": 3}, {"k": None, "v": 3}]
        found = run(engine, "deduplicate", given, subset="k")
        assert sorted(str(row["k"]) for row in found) == ["None", "a"]
        assert all(row in given for row in found)

    def test_whole_rows(self, engine: Engine) -> None:
        """NULL equals NULL."""
        found = run(engine, "deduplicate", [{"a": 1, "b": None}, {"a": 1, "b": None}, {"a": 1, "b": 2}])
        assert sorted(found, key=str) == [{"a": 1, "b": 2}, {"a": 1, "b": None}]

    def test_a_column_may_be_named_like_an_order(self, engine: Engine) -> None:
        """The column wins."""
        given = [{"k": 1, "at desc": 5}, {"k": 1, "at desc": 7}]
        assert run(engine, "deduplicate", given, subset="k", order_by=["at desc"]) == [{"k": 1, "at desc": 5}]
        assert run(engine, "deduplicate", given, subset="k", order_by=["at desc desc"]) == [{"k": 1, "at desc": 7}]


# -- helpers -----------------------------------------------------------------------------------------------------------


def frame_of(engine: Engine, given: Sequence[Row], schema: Mapping[str, str] | None = None) -> Any:
    """Rows as a frame of the engine."""
    return engine.adopt(arrow_table(given, schema))


def sales(engine: Engine) -> Any:
    """The rows of `SALES`, computed rather than stored."""
    given = frame_of(engine, SALES, SCHEMA)
    return engine.query(Query("SELECT * FROM given", engine.dialect), {"given": given})[0]


def apply(engine: Engine, name: str, frame: Any, **params: Any) -> Any:
    """The result of an operation."""
    operation = OPERATIONS[name]()
    return engine.operate(operation, operation.Params(**params), frame)[0]


def rows(engine: Engine, frame: Any) -> list[dict[str, Any]]:
    """The rows of a frame; of numbers NaN is told by its text."""
    return [
        {name: "nan" if isinstance(value, float) and value != value else value for name, value in row.items()}
        for row in rows_of(engine.narwhals(frame, lazy=True))
    ]


def run(engine: Engine, name: str, given: Sequence[Row], **params: Any) -> list[dict[str, Any]]:
    """What an operation makes of rows."""
    return rows(engine, apply(engine, name, frame_of(engine, given), **params))


def pivoted(engine: Engine, agg_func: str, value: str = "qty", **more: Any) -> list[dict[str, Any]]:
    """`SALES` by region and month."""
    params = {"group_by": "region", "pivot_column": "month", "value_column": value, "agg_func": agg_func, **more}
    found = rows(engine, apply(engine, "pivot", sales(engine), **params))
    return sorted(found, key=lambda row: str(row["region"]))


def _tables(chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "table": table,
            "n": number,
            "k": chance.choice([None, "a", "b", "c"]),
            "x": chance.choice([None, 0, 1, 2, 3]),
            "y": chance.choice([None, 0, 1, 2, 3]),
        }
        for table in range(40)
        for number in range(chance.randrange(12))
    ]


def _best(data: Sequence[Row], order: Sequence[tuple[str, bool]]) -> dict[Any, Row]:
    """The row that stays, by key: computed in Python."""

    def rank(row: Row) -> Any:
        return [(row[at] is None, 0 if row[at] is None else (-row[at] if down else row[at])) for at, down in order]

    found: dict[Any, Row] = {}
    for row in data:
        key = (row["table"], row["k"])
        if key not in found or rank(row) < rank(found[key]):
            found[key] = row
    return found
