"""Fixtures of the story tests: made-up runs, hostile texts, and a recorder that writes into a temporary folder."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from odibi.events import Event, StorySettings
from odibi.story.recorder import StoryRecorder
from odibi.story.store import LocalStore


def _load(name: str) -> ModuleType:
    """A helper beside this file; test files of different folders share no package."""
    spec = importlib.util.spec_from_file_location(f"story_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def hostile() -> ModuleType:
    return _load("hostile")


@pytest.fixture(scope="session")
def made_up() -> ModuleType:
    return _load("made_up")


@pytest.fixture(scope="session")
def schema_check() -> ModuleType:
    return _load("schema_check")


@pytest.fixture
def tell(tmp_path: Path) -> Callable[..., StoryRecorder]:
    """Records a run into `tmp_path/stories` and gives the recorder."""

    def record(events: Sequence[Event], store: Any = None, **settings: Any) -> StoryRecorder:
        defaults = {"mask": ["EMAIL"], "fallback": tmp_path / "fallback"}
        recorder = StoryRecorder(store or LocalStore(tmp_path / "stories"), StorySettings(**{**defaults, **settings}))
        for event in events:
            recorder(event)
        return recorder

    return record
