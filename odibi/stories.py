"""Where a project's stories are, and who writes them: the bridge from a project to `odibi.story`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from odibi.connections.base import BaseConnection, Location, check_relative
from odibi.errors import AccessError
from odibi.events import Observer, StorySettings
from odibi.files import Files, files_for
from odibi.project import Project
from odibi.secrets import scrub, scrub_document
from odibi.story.recorder import StoryRecorder
from odibi.story.store import LocalStore, StoryStore


def store_for(project: Project) -> StoryStore:
    """The place of a project's stories: its story connection, else `.odibi/stories` beside the file."""
    story = project.story
    if story.connection is None:
        return LocalStore(project.file.parent / ".odibi" / "stories")
    connection = project.connections[story.connection]
    folder = check_relative(story.path, story.connection)
    location = connection.location(folder)
    if location.local_path is not None:
        return LocalStore(Path(location.local_path))
    return FilesStore(connection, folder)


def recorder_for(project: Project, emit: Observer, reachable: bool = True) -> Observer:
    """An observer that writes the story of every pipeline of a run and emits where it is: in a temporary folder, with a
    warning, where their own connection is not `reachable`."""
    story = project.story
    settings = StorySettings(
        max_sample_rows=story.max_sample_rows,
        mask=tuple(story.mask),
        auto_generate=story.auto_generate,
        scrub=scrub,
        scrub_document=scrub_document,
    )
    return StoryRecorder(store_for(project) if reachable else _out_of_reach(project), settings, emit)


def _out_of_reach(project: Project) -> StoryStore:
    """In place of a store whose credential did not come: asking for it again would only take another time-out."""
    connection = project.connections[project.story.connection or ""]
    root = connection.describe().get("root", connection.name)
    return OutOfReach("/".join([root.rstrip("/"), *filter(None, [project.story.path.strip("/")])]))


@dataclass(frozen=True)
class OutOfReach:
    """Stories that can neither be read nor written."""

    root: str

    def write(self, relative: str, text: str) -> str:
        """Refused."""
        del relative, text
        raise AccessError("the credential of their connection did not come")

    def read(self, relative: str, limit: int | None = None) -> str:
        """Refused."""
        del relative, limit
        raise AccessError("the credential of their connection did not come")

    def pipelines(self) -> list[str]:
        """None is known."""
        return []

    def runs(self, pipeline: str) -> list[str]:
        """None is known."""
        del pipeline
        return []

    def place(self, relative: str) -> str:
        """Where the file would be."""
        return f"{self.root}/{relative}"


@dataclass(frozen=True)
class FilesStore:
    """Stories behind a URL, through the file layer."""

    connection: BaseConnection
    folder: str

    def _at(self, relative: str) -> tuple[Location, Files]:
        location = self.connection.location("/".join(part for part in (self.folder, relative) if part))
        return location, files_for(location)

    def write(self, relative: str, text: str) -> str:
        """Store a text."""
        location, files = self._at(relative)
        with files.open_write(location.uri) as file:
            file.write(text.encode())
        return location.uri

    def read(self, relative: str, limit: int | None = None) -> str:
        """The text, or its beginning."""
        location, files = self._at(relative)
        with files.open_read(location.uri) as file:
            return file.read(-1 if limit is None else limit).decode("utf-8", "ignore" if limit else "strict")

    def pipelines(self) -> list[str]:
        """Names of the folders of pipelines."""
        return self._folders("")

    def runs(self, pipeline: str) -> list[str]:
        """Names of the folders of runs."""
        return self._folders(pipeline)

    def _folders(self, relative: str) -> list[str]:
        location, files = self._at(relative)
        return [entry.name for entry in files.entries(location.uri) if entry.is_folder]

    def place(self, relative: str) -> str:
        """The URL of the file."""
        return self._at(relative)[0].uri
