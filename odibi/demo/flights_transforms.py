"""The Python half of the flights demo. The function is written in narwhals, so it runs on every engine."""

import narwhals as nw

from odibi import transform


@transform
def name_the_weather(context, current: nw.LazyFrame, windy_from: float = 20.0, foggy_below: float = 3.0):
    """Add `condition`: foggy, wet, windy, clear, or unknown where nothing was measured."""
    condition = (
        nw.when(nw.col("visib").is_null() & nw.col("precip").is_null() & nw.col("wind_speed").is_null())
        .then(nw.lit("unknown"))
        .otherwise(
            nw.when(nw.col("visib") < foggy_below)
            .then(nw.lit("foggy"))
            .otherwise(
                nw.when(nw.col("precip") > 0)
                .then(nw.lit("wet"))
                .otherwise(nw.when(nw.col("wind_speed") >= windy_from).then(nw.lit("windy")).otherwise(nw.lit("clear")))
            )
        )
    )
    return current.with_columns(condition.alias("condition"))
