"""Python functions on the Spark engine: frames are Spark or narwhals frames, and what comes back becomes a frame.

A Spark DataFrame stays a plan, whoever made it. Anything else goes through Arrow, by way of the driver.
"""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pickle import PicklingError
from typing import Any

from odibi.context import Context
from odibi.engine.spark import errors, executors
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.session import Session, is_stopped, stopped
from odibi.engine.spark.types import columns_of
from odibi.engine.tables import Types, arrow_type, check_names, native_of, package_of, table_of
from odibi.errors import DataError, OdibiError
from odibi.transforms import place_of
from odibi.transforms.calling import run_function, wanted_frame

RETURN = "return a DataFrame (Spark, pandas, narwhals, Arrow or polars)"
MANY_ROWS = 1_000_000
"""So many rows in the driver's memory are worth a warning."""
SAMPLED = 1000
"""Rows of Python's data that are remembered for the story, which shows no more."""
_LAZY = "annotate `current` as nw.LazyFrame, whose rows stay on the cluster"
_NOT_PANDAS = (
    "on this engine `current` and context.get() are Spark DataFrames: annotate `current` as nw.LazyFrame (narwhals) "
    "and the function runs on every engine, or call .toPandas() first"
)


def call(
    session: Session, function: Callable[..., Any], context: Any, current: SparkFrame | None, params: Mapping[str, Any]
) -> SparkFrame:
    """Call a transform function and take what it returns. Raises `DataError` where that is no frame, `OdibiError` with
    the line in the user's file where the function fails."""
    executors.reach(session, function)
    given = None if current is None else _given(function, current)
    returned = run_function(function, context, given, params, _in_words)
    frames = _frames(context, current)
    name = getattr(function, "__name__", function)
    if is_stopped(session.spark):
        raise stopped(f"function {name!r} stopped the Spark session")
    late: tuple[type[BaseException], ...] = (*errors.spark_errors(), PicklingError)
    try:
        frame = from_python(session, returned, lambda: _types_of(frames))
    except DataError as error:
        raise DataError(f"function {name!r}: {error}") from error
    except late as error:  # on Connect a wrong plan shows when its columns are asked for
        told = _in_words(error) or f"{type(error).__name__}: {error}"
        raise OdibiError(f"function {name!r} failed: {told}\n  at {place_of(function)}") from error
    return replace(frame, kept=tuple(dict.fromkeys(each for one in (frame, *frames) for each in one.kept)))


def _given(function: Callable[..., Any], current: SparkFrame) -> Any:
    wanted = wanted_frame(function)
    if wanted.kind == "native":
        return current.data
    return to_narwhals(current, wanted.kind == "lazy", wanted.module)


def _in_words(error: BaseException) -> str | None:
    """What a user's function ran into, where Spark raised it. What ends a run goes through."""
    if isinstance(error, (AttributeError, TypeError)) and _is_pandas_habit(error):
        return f"{type(error).__name__}: {_without_class(error)}; {_NOT_PANDAS}"
    if not isinstance(error, errors.spark_errors()):
        return None
    if errors.is_interrupt(error):
        raise error
    return str(errors.explain(error))


def _is_pandas_habit(error: BaseException) -> bool:
    """True for `current["a"] = …`, `current.assign(…)`, `current.groupby("a").b` and the like on what Spark gives."""
    if isinstance(error, AttributeError):
        return type(error.obj).__module__.startswith("pyspark.sql")
    text = str(error)
    keyword = re.search(r"DataFrame\.(\w+)\(\) got an unexpected keyword argument '(\w+)'", text)
    if keyword:
        return _is_of_pandas(*keyword.groups())
    signs = ("'DataFrame' object does not support", "'DataFrame' has no len()", "'Column' object is not callable")
    return any(each in text for each in signs) or "GroupedData." in text


def _is_of_pandas(method: str, keyword: str) -> bool:
    """Whether pandas' method of that name takes that argument: then it was not pandas who refused it."""
    import pandas as pd

    found = getattr(pd.DataFrame, method, None)
    return found is not None and keyword in inspect.signature(found).parameters


def _without_class(error: BaseException) -> str:
    """The message without the name of its condition."""
    return str(error).rpartition("] ")[2].removesuffix(".")


def _frames(context: Any, current: SparkFrame | None) -> list[SparkFrame]:
    """The frames that a function was given, `current` first."""
    others: list[Any] = list(context.frames.values()) if isinstance(context, Context) else []
    return list(dict.fromkeys([*([] if current is None else [current]), *others]))


def _types_of(frames: Sequence[SparkFrame]) -> Mapping[str, Any]:
    """Arrow types of the columns that a function was given."""
    types: dict[str, Any] = {}
    for frame in frames:
        for column in frame.columns:
            if column.type is not None:
                types.setdefault(column.name, arrow_type(column.type))
    return types


# -- out ---------------------------------------------------------------------------------------------------------------


def to_narwhals(frame: SparkFrame, lazy: bool, module: str = "narwhals") -> Any:
    """The frame as a narwhals LazyFrame over the Spark plan, or computed, collected and as a DataFrame over Arrow."""
    narwhals = importlib.import_module(module)
    if lazy:
        return narwhals.from_native(frame.data)
    table = to_arrow(frame.data)
    if table.num_rows > MANY_ROWS:
        text = f"{table.num_rows:,} rows were collected into the driver's memory for a function; {_LAZY}"
        warnings.warn(text, UserWarning, stacklevel=2)
    return narwhals.from_native(table, eager_only=True)


def to_arrow(data: Any) -> Any:
    """A Spark DataFrame, computed and collected, as a pyarrow Table."""
    import narwhals

    try:
        if _has_arrow():
            return data.toArrow()
        return narwhals.from_native(data).collect("pyarrow").to_native()  # before Spark 4
    except errors.spark_errors() as error:
        if "maxResultSize" in str(error):
            text = "the rows are more than the driver takes (spark.driver.maxResultSize)"
            raise DataError(f"{text}; {_LAZY}, or take fewer rows or columns before") from error
        raise


# -- in ----------------------------------------------------------------------------------------------------------------


def from_python(session: Session, data: Any, types: Types | None = None) -> SparkFrame:
    """A frame over a Spark DataFrame of this session, or over pandas, narwhals, Arrow or polars data; see
    `odibi.engine.tables.table_of`. Starts no job."""
    native = native_of(data)
    if is_spark(native):
        _refuse_foreign(session, native)
        columns = columns_of(native.schema)
        check_names(column.name for column in columns)
        return SparkFrame(native, columns)
    if package_of(native) == "pyspark" and type(native).__name__ == "DataFrame":
        raise DataError("a DataFrame of pandas on Spark is no frame; return its .to_spark()")
    if package_of(native) == "polars" and type(native).__name__ in ("DataFrame", "LazyFrame"):
        native = native.lazy().collect().to_arrow()  # in types that older Arrow knows
    table = storable(table_of(native, RETURN, types))
    frame = to_spark(session, table)
    return SparkFrame(frame, columns_of(frame.schema), table.num_rows, lazy=False, first_rows=_Rows.first(table))


def is_spark(data: Any) -> bool:
    """True for a DataFrame of Spark, classic or Connect."""
    return any(
        each.__name__ == "DataFrame" and each.__module__.startswith("pyspark.sql") for each in type(data).__mro__
    )


def _refuse_foreign(session: Session, data: Any) -> None:
    """Raise DataError for a frame that can not be used together with those of this session."""
    owner = data.sparkSession
    if not _same(owner, session.spark):
        state = "that was stopped" if is_stopped(owner) else "of its own"
        raise DataError(
            f"the Spark DataFrame belongs to a session {state}; make it with the session of the run: "
            "context.get(…).sparkSession, or SparkSession.getActiveSession()"
        )
    if _is_classic(owner) and data.isStreaming:
        raise DataError("a streaming DataFrame can not be used here; read it with spark.read, not spark.readStream")


def _is_classic(spark: Any) -> bool:
    return getattr(spark, "_jsparkSession", None) is not None


def _same(one: Any, other: Any) -> bool:
    """Whether two objects are one session: Python may hold several for one of the JVM."""
    if one is other:
        return True
    if _is_classic(one) and _is_classic(other):
        return not is_stopped(one) and bool(one._jsparkSession == other._jsparkSession)
    ids = (getattr(one, "session_id", None), getattr(other, "session_id", None))
    return ids[0] is not None and ids[0] == ids[1]


def to_spark(session: Session, table: Any) -> Any:
    """A Spark DataFrame over the rows of a `storable` pyarrow Table. A zoneless timestamp stays one."""
    from pyspark.sql.types import StructField, StructType

    schema = StructType([StructField(field.name, spark_type_of(field.type)) for field in table.schema])
    spark = session.spark
    if _has_arrow():
        return spark.createDataFrame(table, schema)
    rows = (tuple(map(_plain, row.values(), table.schema.types)) for row in table.to_pylist())  # before Spark 4
    trusted = {} if session.platform.connect else {"verifySchema": False}
    return spark.createDataFrame(list(rows), schema, **trusted)


def spark_type_of(type: Any) -> Any:
    """The Spark type of an Arrow type that `nearest` gives."""
    import pyarrow as pa
    from pyspark.sql import types as T  # noqa: N812 - the name that Spark's own documentation gives it

    if pa.types.is_struct(type):
        return T.StructType([T.StructField(field.name, spark_type_of(field.type)) for field in type])
    if pa.types.is_map(type):
        return T.MapType(spark_type_of(type.key_type), spark_type_of(type.item_type))
    if pa.types.is_list(type):
        return T.ArrayType(spark_type_of(type.value_type))
    if pa.types.is_decimal(type):
        return T.DecimalType(type.precision, type.scale)
    if pa.types.is_timestamp(type):
        return T.TimestampNTZType() if type.tz is None else T.TimestampType()
    simple = {
        "null": T.NullType, "bool": T.BooleanType, "int8": T.ByteType, "int16": T.ShortType, "int32": T.IntegerType,
        "int64": T.LongType, "float": T.FloatType, "double": T.DoubleType, "string": T.StringType,
        "binary": T.BinaryType, "date32[day]": T.DateType, "duration[us]": T.DayTimeIntervalType,
    }  # fmt: skip
    return simple[str(type)]()


def _has_arrow() -> bool:
    """Whether Spark's API takes and gives Arrow tables; it does since Spark 4."""
    from pyspark.sql import DataFrame

    return hasattr(DataFrame, "toArrow")


def _plain(value: Any, type: Any) -> Any:
    """A value of Arrow as Spark's rows have it: a map is a dict."""
    import pyarrow as pa

    if value is None or not pa.types.is_nested(type):
        return value
    if pa.types.is_map(type):
        return {_plain(key, type.key_type): _plain(item, type.item_type) for key, item in value}
    if pa.types.is_struct(type):
        return tuple(_plain(value[field.name], field.type) for field in type)
    return [_plain(item, type.value_type) for item in value]


def storable(table: Any) -> Any:
    """The table in types that Spark has. Raises `DataError` for a value that the nearest type does not hold."""
    import pyarrow as pa

    arrays = []
    for field, column in zip(table.schema, table.columns, strict=True):
        wanted = nearest(field.type)
        if wanted is None:
            raise DataError(f"column {field.name!r} holds {field.type}, which Spark has no type for; convert it first")
        try:
            arrays.append(column if wanted == field.type else _cast(column, wanted))
        except pa.ArrowException as error:
            raise DataError(f"column {field.name!r} holds {field.type} that {wanted} can not hold: {error}") from error
    return pa.table(arrays, names=table.column_names) if arrays else table


def _cast(column: Any, wanted: Any) -> Any:
    """Only what is finer than a microsecond may be lost."""
    import pyarrow.compute as pc

    return pc.cast(column, options=pc.CastOptions(wanted, allow_time_truncate=True))


_SAME = ("null", "bool", "int8", "int16", "int32", "int64", "float", "double", "string", "binary", "date32")


def nearest(type: Any) -> Any:
    """The Arrow type that Spark has in place of another: the same, a wider one, one in microseconds; None for none."""
    import pyarrow as pa

    types = pa.types
    if types.is_nested(type):
        return _nearest_nested(type)
    if types.is_dictionary(type):
        return nearest(type.value_type)
    if types.is_timestamp(type):
        return pa.timestamp("us", type.tz and "UTC")
    if types.is_duration(type):
        return pa.duration("us")
    if types.is_decimal(type):
        return type if type.bit_width == 128 else pa.decimal128(min(38, type.precision), type.scale)
    name = str(type).partition("[")[0]
    known = {
        "uint8": pa.int16(), "uint16": pa.int32(), "uint32": pa.int64(), "uint64": pa.int64(),
        "halffloat": pa.float32(), "date64": pa.date32(), "large_string": pa.string(), "string_view": pa.string(),
        "large_binary": pa.binary(), "binary_view": pa.binary(), "fixed_size_binary": pa.binary(), "time32": None,
        "time64": None,
    }  # fmt: skip
    if name not in known and name not in _SAME:
        return None
    return known.get(name, type)


def _nearest_nested(type: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_struct(type):
        fields = [(field.name, nearest(field.type)) for field in type]
        return None if any(each is None for _, each in fields) else pa.struct(fields)
    if pa.types.is_map(type):
        key, item = nearest(type.key_type), nearest(type.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    value = nearest(type.value_type) if hasattr(type, "value_type") else None
    return None if value is None else pa.list_(value)


class _Rows(Sequence[Mapping[str, Any]]):
    """Rows of an Arrow table as dicts, made when looked at."""

    def __init__(self, table: Any) -> None:
        self.table = table

    @classmethod
    def first(cls, table: Any) -> _Rows:
        """A copy of the first rows: a slice would hold all of them."""
        import pyarrow as pa

        return cls(table.take(pa.array(range(min(SAMPLED, table.num_rows)), pa.int64())))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return self.table.to_pylist()[place]
        return self.table.slice(range(len(self))[place], 1).to_pylist()[0]
