"""Tables that ask for more than the Delta library of the session knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from odibi.connections import LocalConnection
from odibi.engine import SparkEngine
from odibi.engine.base import Target
from odibi.errors import UnsupportedError
from odibi.testing.frames import arrow_table

pytestmark = pytest.mark.one_machine


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ({"minReaderVersion": 3, "readerFeatures": ["fooBar"]}, "fooBar, which the Delta library .* can not read"),
        ({"minReaderVersion": 1}, "fooBar, which the Delta library .* can not write"),
    ],
)
def test_features_that_nobody_knows(spark: Any, tmp_path: Path, protocol: dict[str, Any], said: str) -> None:
    engine, lake = SparkEngine(spark_session=spark), LocalConnection(tmp_path / "lake", name="lake")
    target = Target(lake, "t", "delta", mode="append")
    engine.save(engine.adopt(arrow_table([{"id": 1}])), target)
    action = {"protocol": {"minWriterVersion": 7, "writerFeatures": ["fooBar"], **protocol}}
    (Path(lake.location("t").uri) / "_delta_log" / f"{1:020}.json").write_text(json.dumps(action))
    read, *write = (lambda: engine.read(lake, path="t"), lambda: engine.restore_delta(lake, "t", 0))
    with pytest.raises(UnsupportedError, match=f"^lake:t has the Delta feature {said}"):
        (write[0] if "write" in said else read)()
    engine.close()
