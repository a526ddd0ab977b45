"""The medallion job by hand: DuckDB computes and writes the Parquet files, delta-rs commits, nothing is kept in memory.

python medallion_duckdb.py DATA OUT
"""

import json
import os
import sys
import time
import uuid

import duckdb
from arro3.core import RecordBatchReader
from deltalake import Schema
from deltalake.transaction import AddAction, create_table_with_add_actions

SILVER = """
  SELECT o.*, qty * price AS amount, year(ts)::INT AS year, month(ts)::INT AS month, c.name, c.segment, c.signup_date
  FROM (
    SELECT * EXCLUDE rn FROM (
      SELECT *, row_number() OVER (PARTITION BY order_id ORDER BY ts DESC) AS rn
      FROM orders_bronze WHERE status <> 'cancelled' AND qty > 0) WHERE rn = 1) o
  JOIN customers c USING (customer_id)"""
GOLD = """
  SELECT segment, country, month, sum(amount) AS amount, count(*) AS n, count(DISTINCT customer_id) AS customers
  FROM orders_silver GROUP BY ALL"""

data, out = sys.argv[1:3]
con = duckdb.connect()
con.execute("SET preserve_insertion_order = false")


def bound(kind, text):
    """A column bound as the Delta log spells it."""
    if "int" in kind.lower():
        return int(text)
    if "float" in kind.lower():
        return float(text)
    return text.replace(" ", "T") + "Z" if "timestamp" in kind.lower() else text


def write(table, query, partition_by=()):
    """Write a query as a Delta table, and let later queries read the files back under the table's name."""
    path = f"{out}/{table}"
    os.makedirs(path, exist_ok=True)
    schema = RecordBatchReader.from_arrow(con.sql(query).limit(0)).schema
    kinds = {field.name: str(field.type) for field in schema}
    target, options = f"{path}/{uuid.uuid4()}.parquet", ""
    if partition_by:
        target = path
        options = (
            f", PARTITION_BY ({', '.join(partition_by)}), FILENAME_PATTERN '{uuid.uuid4()}-{{i}}', OVERWRITE_OR_IGNORE"
        )
    adds, files = [], []
    for name, rows, size, _, columns, partition, *_ in con.execute(
        f"COPY ({query}) TO '{target}' (FORMAT parquet, RETURN_STATS{options})"
    ).fetchall():
        low, high, nulls = {}, {}, {}
        for quoted, facts in columns.items():
            column = quoted.strip('"')
            nulls[column] = int(facts["null_count"])
            if "min" in facts and "max" in facts:
                low[column], high[column] = bound(kinds[column], facts["min"]), bound(kinds[column], facts["max"])
        stats = json.dumps({"numRecords": rows, "minValues": low, "maxValues": high, "nullCount": nulls})
        values = {key: str(value) for key, value in (partition or {}).items()}
        adds.append(AddAction(os.path.relpath(name, path), size, values, int(time.time() * 1000), True, stats))
        files.append(name)
    create_table_with_add_actions(
        path, Schema.from_arrow(schema), adds, mode="overwrite", partition_by=list(partition_by)
    )
    con.execute(f"CREATE VIEW {table} AS FROM read_parquet({files}, hive_partitioning = true)")


con.execute(f"CREATE VIEW customers AS FROM read_csv('{data}/customers.csv')")
write("orders_bronze", f"FROM read_csv('{data}/orders.csv')")
write("orders_silver", SILVER, ["year"])
write("gold", GOLD)
