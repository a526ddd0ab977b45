"""The input of the medallion job: orders.csv and customers.csv, the same bytes every time.

    python data.py FOLDER ROWS

One order in twenty comes again with another time, so that removing duplicates has work; one in a hundred has no
quantity.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

CUSTOMERS = 100_000


def pseudo_random(salt: int, limit: int) -> str:
    """SQL for a number below `limit` that depends on the row and the salt alone."""
    return f"(hash(i * 31 + {salt}) % {limit})"


def orders(rows: int) -> str:
    """SQL of the orders."""
    earlier = f"CAST({pseudo_random(2, 1 << 40)} % i AS BIGINT)"
    again = f"CASE WHEN {pseudo_random(1, 20)} = 0 AND i > 0 THEN {earlier} ELSE i END"
    second = f"CAST({pseudo_random(5, 94_694_400)} AS BIGINT)"
    return f"""
      SELECT {again} AS order_id, {pseudo_random(3, CUSTOMERS)} AS customer_id, {pseudo_random(4, 5000)} AS product_id,
             strftime(TIMESTAMP '2023-01-01' + to_seconds({second}), '%Y-%m-%dT%H:%M:%S') AS ts,
             CASE WHEN {pseudo_random(6, 100)} = 0 THEN 0 ELSE 1 + {pseudo_random(7, 9)} END AS qty,
             printf('%.2f', 1 + {pseudo_random(8, 49_900)}::DOUBLE / 100) AS price,
             ['new', 'paid', 'shipped', 'delivered', 'cancelled'][1 + {pseudo_random(9, 5)}::INT] AS status,
             ['AT', 'BE', 'CH', 'CZ', 'DE', 'DK', 'ES', 'FI', 'FR', 'GB', 'IE', 'IT', 'NL', 'NO', 'PL', 'PT', 'SE']
               [1 + {pseudo_random(10, 17)}::INT] AS country,
             CASE WHEN {pseudo_random(11, 20)} > 0 THEN 'note ' || {pseudo_random(12, 8000)} || ' of order ' || i END
             AS note
      FROM range({rows}) t(i)"""


CUSTOMER_ROWS = f"""
  SELECT i AS customer_id, 'Customer ' || i AS name,
         ['consumer', 'corporate', 'home_office', 'public', 'partner'][1 + {pseudo_random(21, 5)}::INT] AS segment,
         CAST(DATE '2015-01-01' + {pseudo_random(22, 2900)}::INT AS VARCHAR) AS signup_date
  FROM range({CUSTOMERS}) t(i)"""


def make(folder: Path, rows: int) -> Path:
    """Write both files, unless they are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, query in (("orders", orders(rows)), ("customers", CUSTOMER_ROWS)):
        path = folder / f"{name}.csv"
        if not path.exists():
            duckdb.sql(query).write_csv(str(path), header=True)
    return folder


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(float(sys.argv[2])))
