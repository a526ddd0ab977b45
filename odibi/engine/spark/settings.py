"""Settings of Spark that odibi's answers rest on, or that keep secrets out of what Spark shows."""

from __future__ import annotations

SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
"""What odibi's answers rest on. Where a platform refuses one, it has it by itself (ANSI and UTC on serverless), or what
is written says its types."""
SECRET_SETTINGS = "(?i)secret|password|token|access[.]?key|fs[.]azure[.](sas|account[.](key|oauth2[.]client))"
"""Names of settings that Spark shows nowhere. A session that odibi builds starts with it (environment, UI, logs)."""
REDACTION = "spark.redaction.regex"
REDACTION_OF_SQL = "spark.sql.redaction.options.regex"
"""The same for `SET`, plans and options, on any session."""
