"""Parquet: DuckDB reads and writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odibi.engine.base import Source, Target
from odibi.engine.pandas.formats.base import (
    Codec,
    File,
    Input,
    copy,
    declared,
    names_sql,
    open_input,
    pick,
    reader,
    texts_sql,
)  # fmt: skip
from odibi.engine.pandas.session import DuckFrame, Session, literal, quote
from odibi.engine.pandas.types import Native, parse_native
from odibi.engine.sources import check_fit, check_names
from odibi.errors import DataError

Signature = tuple[tuple[str, str], ...]
"""Names and DuckDB types of a file's columns; a type stored as INT96 is `INT96`."""
WIDER = {
    "UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT", "UBIGINT": "DECIMAL(20,0)",
    "HUGEINT": "DECIMAL(38,0)", "UHUGEINT": "DECIMAL(38,0)",
    "UUID": "VARCHAR", "JSON": "VARCHAR", "ENUM": "VARCHAR", "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP", "TIMESTAMP_NS": "TIMESTAMP",
}  # fmt: skip
"""Types that Spark does not have, and the ones that hold the same values."""


def scan(session: Session, source: Source) -> DuckFrame:
    """A lazy frame over Parquet files. Raises `DataError` for files that do not fit together."""
    input = open_input(session, source, by_parts=True)
    signatures = _signatures(session, input)
    groups = _groups(input, signatures)
    names = list(dict.fromkeys(name for group in groups for name, _ in group))
    known = [*names, *(name for name in input.partitions if name not in names)]
    wanted = pick(input, known)
    parts = [_select(session, input, group, files, wanted) for group, files in groups.items()]
    sql = parts[0] if len(parts) == 1 else f"SELECT {names_sql(wanted)} FROM ({' UNION ALL BY NAME '.join(parts)})"
    return session.frame(sql, cheap=True)


def _signatures(session: Session, input: Input) -> dict[str, Signature]:
    """What columns each file has, from the footers."""
    paths = texts_sql(file.pattern for file in input.files)
    rows = session.execute(
        "SELECT file_name, name, type, coalesce(duckdb_type, ''), coalesce(num_children, 0) "
        f"FROM parquet_schema({paths}) ORDER BY file_name, column_id"
    )
    by_file: dict[str, list[tuple[str, str, str, int]]] = {}
    for path, *row in rows:
        by_file.setdefault(path, []).append((row[0], row[1], row[2], row[3]))
    return {path: _top(columns) for path, columns in by_file.items()}


def _top(rows: Sequence[tuple[str, str, str, int]]) -> Signature:
    """The columns of the flattened tree: its root's children. The type of a nested one is its whole tree."""
    found: list[tuple[str, str]] = []
    at = 1
    while at < len(rows):
        end = _end(rows, at)
        name, physical, type, _ = rows[at]
        inner = "".join(f"{row[0]} {row[2]} {row[3]};" for row in rows[at + 1 : end])
        found.append((name, "INT96" if physical == "INT96" else type or inner))
        at = end
    return tuple(found)


def _end(rows: Sequence[tuple[str, str, str, int]], at: int) -> int:
    """Where the subtree that begins at `at` ends."""
    end = at + 1
    for _ in range(rows[at][3]):
        end = _end(rows, end)
    return end


def _groups(input: Input, signatures: Mapping[str, Signature]) -> dict[Signature, list[File]]:
    """Files by what columns they have. Raises `DataError` where they differ and nothing brings them together."""
    groups: dict[Signature, list[File]] = {}
    for file in input.files:
        signature = signatures[file.local]
        check_names([name for name, _ in signature], file.display, "rename one of them where the file is written")
        groups.setdefault(signature, []).append(file)
    (first, (example, *_)), *others = groups.items()
    for signature, (file, *_) in others:
        _check_fit(input, dict(first), example, dict(signature), file)
    return groups


def _check_fit(input: Input, first: Mapping[str, str], example: File, second: Mapping[str, str], file: File) -> None:
    check_fit(file.display, second, example.display, first, bool(input.options.get("union_by_name")))
    for name in set(first) & set(second):
        if first[name] != second[name] and name not in input.schema:
            raise DataError(
                f"column {name!r} is {first[name]} in {example.display} and {second[name]} in {file.display}; "
                "declare its type in the read's `schema`, or read the files apart"
            )


def _select(session: Session, input: Input, signature: Signature, files: Sequence[File], wanted: Sequence[str]) -> str:
    said = declared(input, wanted)
    source = reader("read_parquet", files, input.hive)
    types = {column.name: column.native for column in session.describe(f"FROM {source}")}
    types |= {name: type for name, type in signature if type == "INT96"}
    items = [_item(name, types[name], said.get(name)) for name in wanted if name in types]
    return f"SELECT {', '.join(items)} FROM {source}"


def _item(name: str, type: str, said: str | None) -> str:
    column = quote(name)
    if type == "INT96":  # an instant, which Spark writes without saying so
        column, type = f"timezone('UTC', {column})", "TIMESTAMP WITH TIME ZONE"
    target = said or plain_type(parse_native(type))
    if target != type:
        column = f"CAST({column} AS {target})"
    return column if column == quote(name) else f"{column} AS {quote(name)}"


def plain_type(native: Native) -> str:
    """The DuckDB type that holds the same values and that Spark has too, nested ones too."""
    if native.name in ("LIST", "ARRAY"):
        return plain_type(native.children[0]) + "[]"
    if native.name == "MAP":
        return f"MAP({plain_type(native.children[0])}, {plain_type(native.children[1])})"
    if native.name == "STRUCT":
        fields = zip(native.field_names, native.children, strict=True)
        return f"STRUCT({', '.join(f'{quote(name)} {plain_type(child)}' for name, child in fields)})"
    if native.name == "DECIMAL":
        return f"DECIMAL({','.join(map(str, native.numbers))})"
    return WIDER.get(native.name, native.name)


def write(session: Session, frame: DuckFrame, target: Target, path: str) -> int:
    """Write a frame as Parquet."""
    compression = str(target.options.get("compression", "snappy"))
    arguments = {
        "FORMAT": "parquet",
        "COMPRESSION": literal("uncompressed" if compression == "none" else compression),
        **({"ROW_GROUP_SIZE": str(target.options["row_group_size"])} if target.options.get("row_group_size") else {}),
    }
    return copy(session, frame, f"FROM ({frame.sql}\n)", target, path, arguments, "parquet")


CODEC = Codec(scan, write)
