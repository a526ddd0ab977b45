"""How the pandas engine reads and writes each format: `FORMATS[name].scan(session, source)` and `.write(…)`.

One file a format, one line here to register it.
"""

from __future__ import annotations

from odibi.registry import Registry

FORMATS = Registry(
    "format",
    {
        "delta": "odibi.engine.pandas.formats.delta:CODEC",
        "parquet": "odibi.engine.pandas.formats.parquet:CODEC",
        "csv": "odibi.engine.pandas.formats.csv:CODEC",
        "json": "odibi.engine.pandas.formats.json:CODEC",
        "excel": "odibi.engine.pandas.formats.excel:CODEC",
        "avro": "odibi.engine.pandas.formats.avro:CODEC",
    },
)
