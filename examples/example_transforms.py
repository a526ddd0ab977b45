"""Python steps of the examples. A function gets the context and, as `current`, the result of the step before."""

from __future__ import annotations

import narwhals as nw

from odibi import transform


@transform
def add_size(context, current: nw.LazyFrame, large_from: float = 100.0):
    """Add `size`: small or large. Written in narwhals, so it runs on every engine."""
    is_large = nw.col("amount").cast(nw.Float64) >= large_from
    return current.with_columns(nw.when(is_large).then(nw.lit("large")).otherwise(nw.lit("small")).alias("size"))
