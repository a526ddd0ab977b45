"""Parquet in Azure storage, against obstore and DuckDB used directly, on the offline Azure.

python benchmarks/azure_files.py [--megabytes 1000] [--runs 3]

Bare is what a careful script does: DuckDB writes a local file, obstore uploads it in parts; obstore downloads a file in
one stream and DuckDB reads the copy, or DuckDB reads through adlfs (obstore's own fsspec file system DuckDB does not
take). The faster of the two counts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import duckdb
import obstore
from azure_delta import in_turn, sandbox_apart
from measure import head, ratio, verdict
from obstore.store import AzureStore

from odibi.connections import AzureADLS
from odibi.engine import PandasEngine
from odibi.engine.base import NO_CHECKS, Query, Source, Target

LIMIT = 1.2
ROWS_A_MEGABYTE = 7130
"""Of 20 columns of random numbers, as Parquet."""
COLUMNS = [f"i{number}" if number % 2 else f"f{number}" for number in range(20)]
TWO = "SELECT sum(i1), sum(f2) FROM {table}"
ALL = f"SELECT {', '.join(f'sum({name})' for name in COLUMNS)} FROM {{table}}"


def rows_sql(rows: int) -> str:
    """The rows that are written."""
    items = (f"(random() * 1e9)::BIGINT AS {name}" if name[0] == "i" else f"random() AS {name}" for name in COLUMNS)
    return f"SELECT {', '.join(items)} FROM range({rows})"


class Bare:
    """The libraries, used directly."""

    def __init__(self, lake: AzureADLS) -> None:
        from adlfs import AzureBlobFileSystem  # looks for certificates when it is imported

        how = {"account_name": lake.account, "account_key": lake.account_key}
        self.store = AzureStore(lake.container, config=how, client_options={"timeout": "120s"})  # type: ignore[arg-type]
        self.through = AzureBlobFileSystem(**how)
        self.container = lake.container

    def write(self, connection: duckdb.DuckDBPyConnection) -> None:
        """COPY, then upload."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder, "x.parquet")
            connection.execute(f"COPY data TO '{local}' (FORMAT parquet)")
            obstore.put(self.store, "theirs.parquet", local, chunk_size=8 << 20)

    def read_a_copy(self, query: str) -> None:
        """Download, then query."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder, "x.parquet")
            with local.open("wb") as file:
                for part in obstore.get(self.store, "theirs.parquet").stream(min_chunk_size=8 << 20):
                    file.write(part)
            with duckdb.connect() as connection:
                connection.sql(query.format(table=f"'{local}'")).fetchall()

    def read_through(self, query: str) -> None:
        """DuckDB over adlfs."""
        with duckdb.connect() as connection:
            connection.register_filesystem(self.through)
            connection.sql(query.format(table=f"'abfs://{self.container}/theirs.parquet'")).fetchall()


def ours_write(engine: PandasEngine, lake: AzureADLS) -> None:
    """As a node that writes."""
    frame = engine.query(Query("FROM memory.main.data", engine.dialect), {})[0]
    engine.save(frame, Target(lake, "ours.parquet", "parquet", "overwrite"), NO_CHECKS)


def ours_read(lake: AzureADLS, query: str) -> None:
    """As a node that reads, in an engine of its own, which has nothing in its folder."""
    engine = PandasEngine()
    frame = engine.scan(Source(lake, "theirs.parquet", "parquet", {}))
    frame.session.execute(query.format(table=f"({frame.sql})"), frame)
    engine.close()


def compare(lake: AzureADLS, rows: int, runs: int) -> None:
    """Measure and print."""
    bare, engine = Bare(lake), PandasEngine()
    empty = engine.query(Query("SELECT 1 AS x", engine.dialect), {})[0]
    empty.session.execute(f"CREATE TABLE memory.main.data AS {rows_sql(rows)}")
    with empty.session.cursor() as cursor:
        ways = {"write, bare": lambda: bare.write(cursor), "write, odibi": lambda: ours_write(engine, lake)}
        figures = in_turn(ways, runs)
    verdict("write", ratio(figures["write, odibi"], figures["write, bare"]), LIMIT)
    engine.close()
    for name, query in (("2 of 20 columns", TWO), ("all columns", ALL)):
        figures = in_turn(
            {
                f"{name}, a copy": lambda query=query: bare.read_a_copy(query),  # type: ignore[misc]
                f"{name}, adlfs": lambda query=query: bare.read_through(query),  # type: ignore[misc]
                f"{name}, odibi": lambda query=query: ours_read(lake, query),  # type: ignore[misc]
            },
            runs,
        )
        *theirs, ours = figures.values()
        verdict(f"read, {name}", ratio(ours, min(theirs, key=statistics.median)), LIMIT)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    head(f"Parquet of {args.megabytes} MB in Azure storage (Azurite)")
    with sandbox_apart() as lake:
        compare(lake, args.megabytes * ROWS_A_MEGABYTE, args.runs)


if __name__ == "__main__":
    main()
