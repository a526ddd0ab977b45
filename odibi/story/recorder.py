"""The observer that writes a story when a pipeline ends. Nothing that goes wrong here fails a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from odibi.events import (
    Event,
    NodeRetried,
    NodeStarted,
    Observer,
    PipelineFinished,
    PipelineStarted,
    RunInfo,
    RunStarted,
    StorySettings,
    StoryWritten,
)
from odibi.story.html import to_html
from odibi.story.markdown import to_markdown
from odibi.story.model import Data, PipelineFacts, build_story, to_json
from odibi.story.store import (
    JSON,
    MARKDOWN,
    PAGE,
    LocalStore,
    StoryStore,
    earlier_runs,
    read_head,
    read_story,
    safe_name,
)
from odibi.story.text import utc
from odibi.story.values import Cleaner

LOOK_BACK = 5
"""How many earlier stories are looked at for one of a completed run to compare with."""
_T = TypeVar("_T")


@dataclass
class _Seen:
    """What was seen of a pipeline that runs."""

    started: PipelineStarted
    begun: dict[str, datetime] = field(default_factory=dict)
    retries: list[NodeRetried] = field(default_factory=list)


class StoryRecorder:
    """Writes the story of each pipeline into `store`.

    `paths` maps a pipeline to the place of its page; `warnings` are what went wrong with the stories. With `emit` set,
    `StoryWritten` is emitted for each story, with the warning if there was one.
    """

    def __init__(self, store: StoryStore, settings: StorySettings, emit: Observer | None = None) -> None:
        self.store, self.settings, self.emit = store, settings, emit
        self.paths: dict[str, str] = {}
        self.warnings: list[str] = []
        self._run: RunInfo | None = None
        self._seen: dict[str, _Seen] = {}
        self._folders: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Take an event; may be called from several threads."""
        if isinstance(event, RunStarted):
            self._run = event.run
        elif isinstance(event, PipelineStarted):
            self._seen[event.pipeline] = _Seen(event)
        elif isinstance(event, NodeStarted) and event.pipeline in self._seen:
            self._seen[event.pipeline].begun[event.node] = event.started
        elif isinstance(event, NodeRetried) and event.pipeline in self._seen:
            self._seen[event.pipeline].retries.append(event)
        elif isinstance(event, PipelineFinished) and self.settings.auto_generate and self._run is not None:
            self._tell(event, self._run)

    def _tell(self, finished: PipelineFinished, run: RunInfo) -> None:
        seen = self._seen.pop(finished.pipeline, None)
        started = seen.started.started if seen else finished.ended - timedelta(seconds=finished.duration)
        folder = self._folder(finished.pipeline, run.run_id, started)
        previous, note = self._previous(finished.pipeline, folder)
        facts = PipelineFacts(
            run=run,
            finished=finished,
            started=started,
            nodes=seen.started.nodes if seen else (),
            description=seen.started.description if seen else "",
            layer=seen.started.layer if seen else "",
            retries=seen.retries if seen else (),
            begun=seen.begun if seen else {},
            previous=previous,
            note=note,
        )
        path, warning = self._write(facts, folder)
        warning = Cleaner(scrub=self.settings.scrub).text(warning)
        if path:
            self.paths[finished.pipeline] = path
        if warning:
            self.warnings.append(warning)
        if self.emit is not None:
            self.emit(StoryWritten(finished.pipeline, path, warning))

    def _folder(self, pipeline: str, run_id: str, started: datetime) -> str:
        """`<pipeline>/<UTC time>-<run id>`; file systems that ignore case must not put two stories into one folder."""
        folder = f"{safe_name(pipeline)}/{utc(started):%Y-%m-%dT%H-%M-%S.%f}"[:-3] + f"Z-{safe_name(run_id)}"
        while folder.casefold() in self._folders:
            folder += "x"
        self._folders.add(folder.casefold())
        return folder

    def _previous(self, pipeline: str, folder: str) -> tuple[Data | None, str]:
        """The last completed story of the pipeline, else the last one; a note where earlier ones can not be used."""
        home, _, name = folder.partition("/")
        earlier, trouble = _attempt(partial(earlier_runs, self.store, home, name))
        if earlier is None:
            return None, f"earlier stories can not be listed: {trouble}"
        chosen, note = self._choose(pipeline, earlier[:LOOK_BACK])
        if not chosen:
            return None, note
        previous, trouble = _attempt(partial(read_story, self.store, chosen))
        return previous, note or (_unusable(chosen, trouble) if previous is None else "")

    def _choose(self, pipeline: str, candidates: Sequence[str]) -> tuple[str, str]:
        """The folder of the story to compare with, empty if there is none, and a note on the first unreadable one."""
        chosen, note = "", ""
        for candidate in candidates:
            head, trouble = _attempt(partial(read_head, self.store, candidate))
            if head is None:
                note = note or _unusable(candidate, trouble)
            elif head["pipeline"]["name"] == pipeline:
                chosen = chosen or candidate
                if head["pipeline"]["status"] == "completed":
                    return candidate, note
        return chosen, note

    def _write(self, facts: PipelineFacts, folder: str) -> tuple[str, str]:
        """The place of the page, and a warning where it is not where it should be."""
        path, trouble = _attempt(lambda: _write_story(self.store, folder, facts, self.settings))
        if path is not None:
            return path, ""
        warning = f"the story can not be written to {self.store.place(folder)}: {trouble}"
        elsewhere = f"{warning}; it is in a temporary folder"
        facts = facts._replace(warnings=(elsewhere,))
        path, trouble = _attempt(lambda: _write_story(self._fallback(), folder, facts, self.settings))
        return (path, elsewhere) if path is not None else ("", f"{warning}; nor to a temporary folder: {trouble}")

    def _fallback(self) -> LocalStore:
        if self.settings.fallback is not None:
            return LocalStore(self.settings.fallback)
        import tempfile

        return LocalStore(Path(tempfile.mkdtemp(prefix="odibi-stories-")))


def _write_story(store: StoryStore, folder: str, facts: PipelineFacts, settings: StorySettings) -> str:
    """Make the three files; the data last, so that a story that has it is whole."""
    story = build_story(facts, settings)
    clean = settings.scrub_document or str
    page = store.write(f"{folder}/{PAGE}", clean(to_html(story)))
    store.write(f"{folder}/{MARKDOWN}", clean(to_markdown(story)))
    store.write(f"{folder}/{JSON}", clean(to_json(story)))
    return page


def _unusable(folder: str, trouble: str) -> str:
    return f"the earlier story {folder} can not be compared with: {trouble}"


def _attempt(action: Callable[[], _T]) -> tuple[_T | None, str]:
    """The result, or None and what went wrong."""
    try:
        return action(), ""
    except Exception as error:  # noqa: BLE001 - the data is written already: no storage library's error may fail the run now
        return None, f"{type(error).__name__}: {error}"
