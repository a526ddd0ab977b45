"""Two columns of a result whose names differ only in case, which SQL can not tell apart.

Inside another query DuckDB gives the second one a number (`ID_1` beside `id`) without a word. Such a query is refused:
nobody asked for a column of that name. Two columns of exactly one name, as `SELECT * FROM a JOIN b` gives them, keep
DuckDB's way.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from odibi.engine.clashes import clash_in
from odibi.engine.pandas.session import quote

HINT = "give one of them another name (AS …), or leave it out (SELECT * EXCLUDE …)"


def find_clash(cursor: duckdb.DuckDBPyConnection, sql: str, inputs: Mapping[str, str]) -> str | None:
    """What is wrong with the column names of a SELECT as it is written, None where nothing is.

    `inputs` are the SELECTs of the tables that it names. `cursor` is a connection that is closed afterwards.
    """
    try:
        for name, select in inputs.items():
            cursor.execute(f"CREATE OR REPLACE TEMP VIEW {quote(name)} AS {select}")
        names = [str(name) for name, *_ in cursor.execute(f"DESCRIBE {sql}").fetchall()]
    except duckdb.Error:  # it only names what exists inside another query: then its names are taken as they are
        return None
    return clash_in(names)
