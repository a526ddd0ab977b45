"""Delta tables in Azure storage, against delta-rs used directly, on the offline Azure.

python benchmarks/azure_delta.py [--megabytes 1000] [--runs 3]

The bare library gets its rows from DuckDB too; of its ways to read, the faster one counts.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
from measure import head, ratio, verdict

from odibi.connections import AzureADLS
from odibi.engine.base import NO_CHECKS, Source, Target
from odibi.engine.pandas.delta import save, scan
from odibi.engine.pandas.session import Session
from odibi.testing.azure import azure_sandbox

LIMIT = 1.2
ACCOUNT = "silveracct"
ROWS_A_MEGABYTE = 19_400
"""Of the rows below, as Parquet."""
ROWS = """
    SELECT i AS id, random() AS x, (random() * 1e9)::BIGINT AS y, md5(i::VARCHAR) AS h, (random() * 1000)::INT AS z
    FROM range({rows}) AS t(i)
"""
CONSUME = "SELECT count(*), sum(id), sum(x), sum(y), max(h), max(z) FROM {table}"


def write_bare(connection: duckdb.DuckDBPyConnection, uri: str, options: dict[str, str]) -> None:
    """As a script would."""
    from arro3.core import RecordBatchReader
    from deltalake import write_deltalake

    rows = RecordBatchReader.from_arrow(connection.sql("FROM data"))
    write_deltalake(uri, rows, mode="overwrite", storage_options=options)


def read_bare(uri: str, options: dict[str, str]) -> None:
    """With delta-rs's own engine."""
    from deltalake import DeltaTable, QueryBuilder

    table = DeltaTable(uri, storage_options=options)
    QueryBuilder().register("stored", table).execute(CONSUME.format(table="stored")).read_all()


def read_bare_by_duckdb(uri: str, options: dict[str, str]) -> None:
    """DuckDB over the Arrow dataset that delta-rs gives."""
    from deltalake import DeltaTable

    connection = duckdb.connect()
    connection.register("stored", DeltaTable(uri, storage_options=options).to_pyarrow_dataset())
    connection.sql(CONSUME.format(table="stored")).fetchall()
    connection.close()


def read(lake: AzureADLS) -> None:
    """As a node that reads; in a session of its own, which has nothing in its folder."""
    session = Session()
    frame = scan(session, Source(lake, "ours", "delta"))
    session.execute(CONSUME.format(table=f"({frame.sql})"), frame)
    session.close()


def write(session: Session, lake: AzureADLS) -> None:
    """As a node that writes."""
    save(session, session.frame("FROM memory.main.data"), Target(lake, "ours", "delta"), NO_CHECKS, _unchecked)


def _unchecked(*_: Any) -> tuple[()]:
    return ()


def in_turn(ways: dict[str, Callable[[], None]], runs: int) -> dict[str, list[float]]:
    """Seconds of each way, run A B A B …; the first round does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(runs + 1):
        for name, work in ways.items():
            began = time.perf_counter()
            work()
            if number:
                seconds[name].append(time.perf_counter() - began)
    for name, figures in seconds.items():
        print(f"  {name:28} {statistics.median(figures):6.2f} s ({min(figures):.2f} to {max(figures):.2f})")
    return seconds


def _serve(pipe: Any) -> None:
    """The offline Azure, until the pipe is closed."""
    with azure_sandbox() as azure:
        pipe.send((azure.environment(), azure.accounts[ACCOUNT], azure.make_containers()))
        with contextlib.suppress(EOFError):
            pipe.recv()


@contextlib.contextmanager
def sandbox_apart() -> Iterator[AzureADLS]:
    """A container of an offline Azure that is a process of its own: delta-rs lets no other thread run meanwhile."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,))
    process.start()
    there.close()
    environment, key, container = here.recv()
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield AzureADLS(ACCOUNT, container, auth_mode="direct_key", account_key=key, name="lake")
    finally:
        here.close()
        process.join()


def compare(lake: AzureADLS, rows: int, runs: int) -> None:
    """Measure and print."""
    theirs = lake.location("theirs")
    options = {name: str(lake.storage_options()[name]) for name in ("account_name", "account_key")}
    session = Session()
    session.execute(f"CREATE TABLE memory.main.data AS {ROWS.format(rows=rows)}")
    with session.cursor() as cursor:
        figures = in_turn(
            {
                "write, delta-rs": lambda: write_bare(cursor, theirs.uri, options),
                "write, odibi": lambda: write(session, lake),
            },
            runs,
        )
    verdict("write", ratio(figures["write, odibi"], figures["write, delta-rs"]), LIMIT)
    figures = in_turn(
        {
            "read, delta-rs": lambda: read_bare(theirs.uri, options),
            "read, delta-rs and DuckDB": lambda: read_bare_by_duckdb(theirs.uri, options),
            "read, odibi": lambda: read(lake),
        },
        runs,
    )
    fastest = min(("read, delta-rs", "read, delta-rs and DuckDB"), key=lambda name: statistics.median(figures[name]))
    verdict("read", ratio(figures["read, odibi"], figures[fastest]), LIMIT)
    session.close()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    head(f"Delta tables of {args.megabytes} MB in Azure storage (Azurite)")
    with sandbox_apart() as lake:
        compare(lake, args.megabytes * ROWS_A_MEGABYTE, args.runs)


if __name__ == "__main__":
    main()
