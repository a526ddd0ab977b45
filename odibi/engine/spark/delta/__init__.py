"""Delta tables on Spark: reading, writing, maintenance."""
