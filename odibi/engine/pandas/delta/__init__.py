"""Delta tables of the pandas engine: `scan` and `save`; `maintain` has history, vacuum and restore.

DuckDB reads and writes the Parquet files, delta-rs reads and commits the log. What a table's features ask beyond that
goes through delta-rs as a whole; see `table.READ_BY_DUCKDB` and `table.WRITTEN_FAST`.
"""

from __future__ import annotations

from odibi.engine.pandas.delta.read import scan
from odibi.engine.pandas.delta.write import save

__all__ = ["save", "scan"]
