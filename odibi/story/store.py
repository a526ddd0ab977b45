"""Where stories are kept, and how earlier ones are found again."""

from __future__ import annotations

import heapq
import json
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from odibi.errors import UnknownNameError
from odibi.story.model import SCHEMA_VERSION, Data, head_of

JSON, MARKDOWN, PAGE = "story.json", "story.md", "story.html"
HEAD = 64 * 1024
"""Characters of a `story.json` that are read for a list."""
_ODD = re.compile(r"[^\w ()+,=@.-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(\..*)?", re.IGNORECASE)
_MAX_NAME = 80


class StoryStore(Protocol):
    """A folder that holds stories, as `<pipeline>/<UTC time>-<run id>/story.json`. Paths are relative, with `/`."""

    def write(self, relative: str, text: str) -> str:
        """Store a text as UTF-8 and give its full place, as the user may open it. Raises `OSError`."""

    def read(self, relative: str, limit: int | None = None) -> str:
        """The text, or about its first `limit` characters. Raises `FileNotFoundError`, `OSError`, `ValueError`."""

    def pipelines(self) -> list[str]:
        """Names of the folders of pipelines, in any order; empty where nothing was written yet."""

    def runs(self, pipeline: str) -> list[str]:
        """Names of the folders of runs inside a pipeline's folder, in any order; empty where there are none."""

    def place(self, relative: str) -> str:
        """The full place of a path, as the user may open it."""


class LocalStore:
    """Stories in a local folder, which is made at the first write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, relative: str, text: str) -> str:
        """Store a text. A reader takes a half-written story for what it is, so nothing is written aside."""
        path = self.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return str(path)

    def read(self, relative: str, limit: int | None = None) -> str:
        """The text, or its beginning."""
        with (self.folder / relative).open(encoding="utf-8") as file:
            return file.read() if limit is None else file.read(limit)

    def pipelines(self) -> list[str]:
        """Names of the folders of pipelines."""
        return _folders(self.folder)

    def runs(self, pipeline: str) -> list[str]:
        """Names of the folders of runs."""
        return _folders(self.folder / pipeline)

    def place(self, relative: str) -> str:
        """The path of the file."""
        return str(self.folder / relative)


def _folders(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir() if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def safe_name(name: str) -> str:
    """A folder name for any text, good on every system. A name that has to be changed ends with a hash of the text, so
    that two names never share a folder."""
    normal = unicodedata.normalize("NFC", name)
    safe = _ODD.sub("_", normal).strip(" .")[:_MAX_NAME].rstrip(" .")
    while len(safe.encode()) > 2 * _MAX_NAME:
        safe = safe[:-1].rstrip(" .")
    if safe == name and safe and not _RESERVED.fullmatch(safe):
        return safe
    return f"{safe or 'pipeline'}-{zlib.crc32(name.encode('utf-8', 'surrogatepass')):08x}".replace(".", "_")


class StoryHead(NamedTuple):
    """A story in a list. `folder` is relative to the store; `status` is empty where the story can not be read, and then
    `note` says why."""

    pipeline: str
    run_id: str
    folder: str
    page: str
    started: str = ""
    status: str = ""
    duration: float = 0.0
    nodes: int = 0
    failed: int = 0
    rows_written: int = 0
    note: str = ""


def list_stories(store: StoryStore, pipeline: str | None = None) -> Iterator[StoryHead]:
    """Stories, newest first, of one pipeline or of all; each is read when it is asked for.

    Raises `UnknownNameError` for a pipeline without stories.
    """
    return (story_head(store, folder) for folder in _newest(store, pipeline))


def find_story(store: StoryStore, which: str = "latest", pipeline: str | None = None) -> StoryHead:
    """The newest story (`latest`), or the newest whose run id or folder name begins with `which`, or that of the
    pipeline `which`. Raises `UnknownNameError` with the runs that exist."""
    known: list[str] = []
    for folder in _newest(store, pipeline):
        name, _, run = folder.partition("/")
        run_id = run.rpartition("-")[2]
        if which == "latest" or run_id.startswith(which) or run.startswith(which) or name == safe_name(which):
            return story_head(store, folder)
        known.append(run_id)
    raise UnknownNameError("story", which, known)


def read_story(store: StoryStore, folder: str) -> Data:
    """The data of the story in a folder. Raises `OSError` if it can not be read, `ValueError` if it is no story."""
    story = json.loads(store.read(f"{folder}/{JSON}"))
    if not _is_story(story):
        raise ValueError(f"{store.place(f'{folder}/{JSON}')} is no story of this version of odibi")
    return dict(story)


def earlier_runs(store: StoryStore, folder: str, before: str) -> list[str]:
    """Folders (relative) of a pipeline's runs that are older than the folder name `before`, newest first."""
    return [f"{folder}/{run}" for run in sorted(store.runs(folder), reverse=True) if run < before]


def story_head(store: StoryStore, folder: str) -> StoryHead:
    """What a list shows of the story in a folder, also of one that can not be read."""
    name, _, run = folder.partition("/")
    page = store.place(f"{folder}/{PAGE}")
    unread = StoryHead(name, run.rpartition("-")[2], folder, page, started=_time_of(run))
    try:
        data = read_head(store, folder)
    except FileNotFoundError:
        return unread._replace(note=f"no {JSON}: the run was stopped while it wrote its story")
    except (OSError, ValueError, LookupError, TypeError) as error:
        return unread._replace(note=f"{JSON} can not be read: {error}")
    pipeline, counts = data["pipeline"], data["pipeline"]["counts"]
    return StoryHead(
        pipeline["name"],
        data["run"]["id"],
        folder,
        page,
        pipeline["started"],
        pipeline["status"],
        pipeline["duration"],
        sum(counts.values()),
        counts["failed"],
        pipeline["rows_written"],
    )


def read_head(store: StoryStore, folder: str) -> Data:
    """The story in a folder without its nodes. Raises as `read_story`."""
    head = head_of(store.read(f"{folder}/{JSON}", HEAD))
    if head is None:
        return read_story(store, folder)
    if not _is_story({**head, "nodes": []}):
        raise ValueError("no story of this version of odibi")
    return head


def _is_story(data: Any) -> bool:
    """Whether the parts that are read here are there; the schema says the rest."""
    return (
        isinstance(data, dict)
        and data.get("schema_version") == SCHEMA_VERSION
        and all(isinstance(data.get(part), kind) for part, kind in (("run", dict), ("pipeline", dict), ("nodes", list)))
        and {"id"} <= data["run"].keys()
        and {"name", "status", "started", "duration", "counts", "rows_written"} <= data["pipeline"].keys()
        and isinstance(data["pipeline"]["counts"], dict)
        and {"failed"} <= data["pipeline"]["counts"].keys()
        and all(isinstance(node, dict) and node.keys() >= _NODE_KEYS for node in data["nodes"])
    )


_NODE_KEYS = {"name", "status", "rows", "columns"}


def _newest(store: StoryStore, pipeline: str | None) -> Iterator[str]:
    """Folders of stories, newest first: the names begin with the time."""
    folders = store.pipelines()
    if pipeline is not None:
        if safe_name(pipeline) not in folders:
            raise UnknownNameError("pipeline with stories", pipeline, folders)
        folders = [safe_name(pipeline)]
    by_time: Callable[[str], str] = lambda folder: folder.partition("/")[2]  # noqa: E731 - used twice below
    lists = ([f"{name}/{run}" for run in sorted(store.runs(name), reverse=True)] for name in folders)
    return heapq.merge(*lists, key=by_time, reverse=True)


def _time_of(run: str) -> str:
    """The time in a folder's name, as ISO text; empty where it has none."""
    match = re.match(r"(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)", run)
    return f"{match[1]}T{match[2]}:{match[3]}:{match[4]}Z" if match else ""
