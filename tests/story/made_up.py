"""A made-up run with everything a story can show, as events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from odibi.events import (
    CheckRecord,
    ColumnRecord,
    ErrorRecord,
    Event,
    NodeInfo,
    NodeRecord,
    NodeRetried,
    NodeStarted,
    PipelineFinished,
    PipelineStarted,
    ReadRecord,
    RunFinished,
    RunInfo,
    RunStarted,
    StepRecord,
    WriteRecord,
)

START = datetime(2025, 3, 1, 2, 15, 4, 120000, UTC)
FLIGHTS = [("flight_id", "bigint"), ("carrier", "string"), ("dep_time", "timestamp_ntz"), ("delay", "double")]


def columns(*pairs: tuple[str, str]) -> list[ColumnRecord]:
    return [ColumnRecord(name, kind) for name, kind in pairs]


def run_info(run_id: str = "7f3a9c21", started: datetime = START, **changes: Any) -> RunInfo:
    info = RunInfo(
        run_id,
        started,
        "Flights lake",
        "flights.yaml",
        "pandas",
        description="All flights out of New York, from the raw files to delays by carrier, route and weather.",
        version="2.1",
        owner="data-team@example.com",
        sql_dialect="spark",
        versions={"odibi": "1.2.0", "python": "3.12.4", "duckdb": "2.0.0", "deltalake": "1.6.6"},
        user="maria",
        host="lake-runner-3",
        git_commit="4be1f0c2d9a8e7b6c5d4e3f2a1b0c9d8e7f6a5b4",
    )
    return replace(info, **changes)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def sample() -> list[dict[str, Any]]:
    carriers = ["UA", "AA", "B6", "DL", "EV"]
    return [
        {
            "flight_id": 2**60 + i,
            "carrier": carriers[i % 5],
            "dep_time": datetime(2013, 1, 1, 5, 17 + i, tzinfo=UTC).replace(tzinfo=None),
            "delay": [2.0, 4.5, None, float("nan"), -1.0][i % 5],
            "price": Decimal("129.90") + i,
            "email": f"passenger{i}@example.com",
            "seat": {"row": 12 + i, "letter": "C", "email": "x@y.z"},
            "day": date(2013, 1, 1),
        }
        for i in range(8)
    ]


def records() -> list[NodeRecord]:
    pipeline = "bronze_to_gold"
    clean = [
        *FLIGHTS,
        ("price", "decimal(10,2)"),
        ("email", "string"),
        ("seat", "struct<row:int,letter:string>"),
        ("day", "date"),
    ]
    raw = [
        ("flight_id", "int"),
        ("carrier", "string"),
        ("dep_time", "string"),
        ("delay", "double"),
        ("tailnum", "string"),
    ]
    small = columns(("code", "string"), ("name", "string"))

    def read(
        name: str, start: float, took: float, cols: Sequence[tuple[str, str]] = (("code", "string"), ("name", "string"))
    ) -> NodeRecord:
        return NodeRecord(
            name,
            pipeline,
            kinds=["read"],
            started=at(start),
            duration=took,
            streamed=True,
            columns=columns(*cols),
            read=ReadRecord(
                f"bronze:{name.removeprefix('load_')}.csv.gz", "csv", {"null_values": ["NA"], "delimiter": ","}
            ),
        )

    sql = "SELECT *, CAST(dep_time AS timestamp) AS dep_time\nFROM load_flights\nWHERE delay < 1e6 -- <keep>"
    return [
        read("load_flights", 0.0, 0.21, raw),
        read("load_airlines", 0.01, 0.08),
        read("load_airports", 0.02, 0.11),
        read("load_weather", 0.02, 0.19),
        NodeRecord(
            "clean_flights",
            pipeline,
            description="Typed, without cancelled flights and doubles.",
            depends_on=["load_flights"],
            kinds=["transform", "validation", "write"],
            started=at(0.22),
            duration=1.84,
            rows=327_346,
            rows_in={"load_flights": None},
            columns=columns(*clean),
            columns_in={"load_flights": columns(*raw)},
            sample=sample(),
            steps=[
                StepRecord("sql", sql, sql.replace("CAST(", "TRY_CAST("), 0.61, "flights.yaml:41"),
                StepRecord("operation", "deduplicate(keys=['flight_id'])", None, 0.32, "flights.yaml:46"),
                StepRecord("function", "add_prices(currency='USD')", None, 0.51, "flights.yaml:47"),
            ],
            checks=[
                CheckRecord("not_empty", "passed", None, 327_346),
                CheckRecord("unique: flight_id", "passed", 0, 327_346),
                CheckRecord(
                    "ranges: delay",
                    "warned",
                    3,
                    327_346,
                    "delay must be at most 1,440",
                    [
                        {"flight_id": 91, "delay": 1_501.0, "email": "a@b.c"},
                        {"flight_id": 377, "delay": 2_003.5, "email": None},
                    ],
                ),
            ],
            write=WriteRecord(
                "silver:flights.delta",
                "delta",
                "overwrite",
                True,
                327_346,
                12,
                48_123_456,
                ["day"],
                365,
                6,
                7,
                ["column price added: decimal(10,2)"],
            ),
            retries=1,
            warnings=["365 partitions by day hold 897 rows on average; 1,000 or more serve better"],
        ),
        NodeRecord(
            "clean_airlines",
            pipeline,
            depends_on=["load_airlines"],
            kinds=["transform"],
            started=at(0.1),
            duration=0.02,
            streamed=True,
            columns=small,
            columns_in={"load_airlines": small},
            steps=[StepRecord("sql", "SELECT trim(code) AS code, name FROM load_airlines")],
        ),
        NodeRecord(
            "clean_weather",
            pipeline,
            depends_on=["load_weather"],
            kinds=["transform", "write"],
            started=at(0.22),
            duration=0.44,
            rows=26_115,
            rows_in={"load_weather": 26_115},
            columns=small,
            columns_in={"load_weather": small},
            write=WriteRecord("silver:weather.delta", "delta", "append", True, 26_115, 1, 612_044, (), None, 3, 4),
        ),
        NodeRecord(
            "flights_joined",
            pipeline,
            depends_on=["clean_flights", "clean_airlines", "load_airports", "clean_weather"],
            kinds=["transform"],
            started=at(2.07),
            duration=0.93,
            rows=327_346,
            rows_in={"clean_flights": 327_346, "clean_airlines": None, "clean_weather": 26_115},
            columns=columns(*clean, ("airline", "string")),
            columns_in={"clean_flights": columns(*clean), "clean_airlines": small},
            steps=[
                StepRecord(
                    "sql",
                    "SELECT f.*, a.name AS airline FROM clean_flights f JOIN clean_airlines a ON a.code = f.carrier",
                )
            ],
        ),
        NodeRecord(
            "delays_by_carrier",
            pipeline,
            depends_on=["flights_joined"],
            kinds=["transform", "write"],
            started=at(3.01),
            duration=0.31,
            rows=16,
            columns=small,
            rows_in={"flights_joined": 327_346},
            sample=[{"code": "UA", "name": "United | *Air* Lines"}],
            write=WriteRecord(
                "gold:delays_by_carrier.delta", "delta", "overwrite", True, 16, 1, 2_311, (), None, None, 0
            ),
        ),
        NodeRecord(
            "delays_by_weather",
            pipeline,
            status="failed",
            description="Delay against wind and rain.",
            depends_on=["flights_joined", "clean_weather"],
            kinds=["transform", "write"],
            started=at(3.02),
            duration=0.09,
            rows_in={"flights_joined": 327_346, "clean_weather": 26_115},
            steps=[
                StepRecord(
                    "sql",
                    "SELECT wind_spede, avg(delay) AS delay\nFROM flights_joined JOIN clean_weather\nGROUP BY 1",
                    None,
                    0.09,
                    "flights.yaml:88",
                )
            ],
            error=ErrorRecord(
                "TransformError",
                "column 'wind_spede' is not there; did you mean 'wind_speed'?\n"
                "known: flight_id, carrier, dep_time, delay, wind_speed, wind_gust\n"
                "flights.yaml:88:16: pipelines.bronze_to_gold.nodes.delays_by_weather.transform.steps[0]",
                "step 1 (sql)",
                "flights.yaml:88:16",
                "BinderException",
                'Traceback (most recent call last):\n  File "engine.py", line 3, in sql\nBinderException',
            ),
        ),
        NodeRecord(
            "weather_report",
            pipeline,
            status="skipped",
            depends_on=["delays_by_weather"],
            kinds=["transform"],
            reason="node 'delays_by_weather', which it depends on, failed",
        ),
        NodeRecord(
            "publish_report",
            pipeline,
            status="skipped",
            depends_on=["weather_report", "delays_by_carrier"],
            kinds=["write"],
            reason="node 'weather_report', which it depends on, failed",
        ),
    ]


def infos(nodes: Sequence[NodeRecord]) -> list[NodeInfo]:
    return [NodeInfo(node.name, node.depends_on, node.kinds, node.description) for node in nodes]


def events_of(
    nodes: Sequence[NodeRecord],
    status: Any = "failed",
    info: RunInfo | None = None,
    pipeline: str = "bronze_to_gold",
    **finished: Any,
) -> list[Event]:
    info = info or run_info()
    took = max([3.4, *(node.duration for node in nodes)])
    return [
        RunStarted(info, [pipeline]),
        PipelineStarted(pipeline, infos(nodes), info.started, "Raw files to gold tables.", "gold"),
        *[NodeStarted(pipeline, node.name, node.started) for node in nodes if node.started],
        *[
            NodeRetried(pipeline, node.name, 1, 1.0, "OSError: connection reset by peer")
            for node in nodes
            if node.retries
        ],
        PipelineFinished(pipeline, status, info.started + timedelta(seconds=took), took, nodes, **finished),
        RunFinished(info, status, info.started + timedelta(seconds=took), took),
    ]


def earlier_records() -> list[NodeRecord]:
    """The same pipeline the night before: fewer rows, other columns, nothing failed."""
    nodes = records()
    for node in nodes:
        node.status, node.error, node.reason = "completed", None, ""
        if node.rows:
            node.rows -= 1_204 if node.rows > 2_000 else 0
        if node.name == "clean_flights":
            node.columns = columns(
                *[(name, "int" if name == "flight_id" else kind) for name, kind in FLIGHTS], ("tailnum", "string")
            )
    return nodes
