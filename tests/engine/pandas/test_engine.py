"""The pandas engine itself: its one database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from odibi.engine import PandasEngine


def test_threads_that_start_together_share_one_database() -> None:
    """Frames of two databases can bear one name, and would be taken for each other."""
    together = threading.Barrier(4)
    engine = PandasEngine()

    def ask() -> object:
        together.wait()
        return engine.session

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for _ in range(4)]
        sessions = {id(each.result()) for each in asked}
    engine.close()
    assert len(sessions) == 1
