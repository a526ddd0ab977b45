"""The medallion job by hand in PySpark: declared schemas, one action a table, each step reads the table written before.

python medallion_pyspark.py DATA OUT JARS
"""

import sys

from pyspark.sql import SparkSession

ORDERS = (
    "order_id bigint, customer_id bigint, product_id bigint, ts timestamp_ntz, qty bigint, price double,"
    " status string, country string, note string"
)
CUSTOMERS = "customer_id bigint, name string, segment string, signup_date date"
SILVER = """
  SELECT o.*, qty * price AS amount, year(ts) AS year, month(ts) AS month, c.name, c.segment, c.signup_date
  FROM (
    SELECT * EXCEPT (rn) FROM (
      SELECT *, row_number() OVER (PARTITION BY order_id ORDER BY ts DESC) AS rn
      FROM {orders_bronze} WHERE status <> 'cancelled' AND qty > 0) WHERE rn = 1) o
  JOIN {customers} c USING (customer_id)"""
GOLD = """
  SELECT segment, country, month, sum(amount) AS amount, count(*) AS n, count(DISTINCT customer_id) AS customers
  FROM {orders_silver} GROUP BY ALL"""


def session(jars):
    """A local session with Delta, set up as for small tables on one machine."""
    builder = SparkSession.builder.appName("medallion").config("spark.jars", jars)
    settings = {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.memory": "4g",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def run(spark, data, out):
    """Bronze, silver, gold."""
    orders = spark.read.csv(f"{data}/orders.csv", schema=ORDERS, header=True)
    customers = spark.read.csv(f"{data}/customers.csv", schema=CUSTOMERS, header=True)

    orders.write.format("delta").mode("overwrite").save(f"{out}/orders_bronze")
    bronze = spark.read.format("delta").load(f"{out}/orders_bronze")

    silver = spark.sql(SILVER, orders_bronze=bronze, customers=customers)
    silver.write.format("delta").mode("overwrite").partitionBy("year").save(f"{out}/orders_silver")

    gold = spark.sql(GOLD, orders_silver=spark.read.format("delta").load(f"{out}/orders_silver"))
    gold.write.format("delta").mode("overwrite").save(f"{out}/gold")


if __name__ == "__main__":
    run(session(sys.argv[3]), sys.argv[1], sys.argv[2])
