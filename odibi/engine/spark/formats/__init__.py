"""How the Spark engine reads and writes each format: `FORMATS[name].scan(session, source)` and `.write(…)`.

One file a format, one line here to register it.
"""

from __future__ import annotations

from odibi.registry import Registry

FORMATS = Registry(
    "format",
    {
        "delta": "odibi.engine.spark.formats.delta:CODEC",
        "parquet": "odibi.engine.spark.formats.parquet:CODEC",
        "csv": "odibi.engine.spark.formats.csv:CODEC",
        "json": "odibi.engine.spark.formats.json:CODEC",
        "excel": "odibi.engine.spark.formats.excel:CODEC",
        "avro": "odibi.engine.spark.formats.avro:CODEC",
    },
)
