"""A chain of trivial tables in bare DuckDB.

python chain_duckdb.py NODES
"""

import sys

import duckdb

con = duckdb.connect()
con.execute("CREATE TABLE n0 AS SELECT i AS id, i * 2 AS v FROM range(10) t(i)")
for i in range(1, int(sys.argv[1])):
    con.execute(f"CREATE TABLE n{i} AS SELECT id, v + 1 AS v FROM n{i - 1}")
print(con.execute(f"SELECT sum(v) FROM n{int(sys.argv[1]) - 1}").fetchall())
