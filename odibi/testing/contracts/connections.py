"""What every connection must do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odibi.connections import BaseConnection
from odibi.errors import DataNotFoundError, PathEscapeError
from odibi.files import expand, files_for, staged, staging, sweep

ESCAPES = (
    "../x",
    "a/../../x",
    "/etc/passwd",
    "C:/x",
    "c:\\x",
    "a\\..\\..\\x",
    "file:///etc/passwd",
    "a\0b",
    "..",
    "a/..",
)


class ConnectionContract:
    """A connection answers where something is, as plain data, and nothing leaves it."""

    @pytest.fixture
    def connection(self, tmp_path: Path) -> BaseConnection:
        """An empty place that can be written to, with a name."""
        raise NotImplementedError("override the fixture `connection`")

    def test_a_path_is_below_the_base(self, connection: BaseConnection) -> None:
        """Whatever is asked for lies below the root, spelled like it."""
        location = connection.location("a/b.csv")
        assert location.uri.startswith(location.root)
        assert location.root == connection.get_path("")
        assert location.relative == "a/b.csv"
        assert location.connection == connection.name
        assert location.display == f"{connection.name}:a/b.csv"

    def test_spellings_of_one_path_are_one_path(self, connection: BaseConnection) -> None:
        """Empty and `.` parts and backslashes do not make another path."""
        wanted = connection.get_path("a/b/c.csv")
        assert {connection.get_path(path) for path in ("a//b/c.csv", "./a/b/./c.csv", "a\\b\\c.csv", "a/b/c.csv/")} == {
            wanted
        }

    @pytest.mark.parametrize("path", ESCAPES)
    def test_no_path_leaves_the_connection(self, connection: BaseConnection, path: str) -> None:
        """`..`, absolute paths, drives and URLs are refused, also as a `ValueError`, before anything is touched."""
        with pytest.raises(PathEscapeError) as caught:
            connection.location(path)
        assert isinstance(caught.value, ValueError)
        assert connection.name in str(caught.value)

    def test_facts_are_plain_and_hold_no_secret(self, connection: BaseConnection) -> None:
        """`describe` is data that can be shown; neither it nor a repr shows a secret."""
        facts = json.dumps(connection.describe())
        assert connection.type_name in facts
        shown = facts + repr(connection) + repr(connection.location("x"))
        assert not [secret for secret in connection.secrets() if secret in shown]

    def test_validation_touches_nothing(self, connection: BaseConnection) -> None:
        """A good connection is found good, and nothing is made by asking."""
        connection.validate()
        location = connection.location("never")
        assert not files_for(location).exists(location.uri)

    def test_files_are_written_listed_and_deleted(self, connection: BaseConnection) -> None:
        """The file layer reaches what the connection names."""
        location = connection.location("in/a b/ü.csv")
        files = files_for(location)
        with files.open_write(location.uri) as file:
            file.write(b"id\n1\n")
        with files.open_read(location.uri) as file:
            assert file.read() == b"id\n1\n"
        assert (files.kind(location.uri), files.size(location.uri)) == ("file", 5)
        assert files.kind(connection.location("in").uri) == "folder"
        files.delete(location.uri)
        assert files.kind(location.uri) == "missing"

    def test_folders_and_globs_give_their_data_files(self, connection: BaseConnection) -> None:
        """All visible files of a folder, those that match a glob; hidden names are no data."""
        for name in ("d/1.csv", "d/sub/2.csv", "d/_SUCCESS", "d/.hidden.csv", "d/3.txt"):
            self.put(connection, name, b"x")
        assert self.names(connection, "d") == ["1.csv", "2.csv", "3.txt"]
        assert self.names(connection, "d/*.csv") == ["1.csv"]
        assert self.names(connection, "d/**/*.csv") == ["1.csv", "2.csv"]
        assert self.names(connection, "d/[12].csv") == ["1.csv"]

    def test_what_is_missing_names_what_is_close(self, connection: BaseConnection) -> None:
        """The message shows the connection's own names, not the machine's."""
        self.put(connection, "in/orders.csv", b"x")
        with pytest.raises(DataNotFoundError, match=r"in/orders_\.csv does not exist; did you mean 'orders\.csv'\?"):
            expand(connection.location("in/orders_.csv"))

    def test_a_write_shows_whole_or_not_at_all(self, connection: BaseConnection) -> None:
        """The old content stands until the new one is whole; after an error nothing of the attempt is left."""
        target = connection.location("out/t.csv")
        self.stage(connection, "out/t.csv", b"old")
        with pytest.raises(OSError, match="stop"), staged(target) as path:
            self.break_off(path)
        assert self.get(connection, "out/t.csv") == b"old"
        self.stage(connection, "out/t.csv", b"new")
        assert self.get(connection, "out/t.csv") == b"new"
        files = files_for(target)
        assert [entry.name for entry in files.entries(connection.get_path("out"))] == ["t.csv"]

    def test_work_in_progress_is_not_swept(self, connection: BaseConnection) -> None:
        """A second writer of the target leaves the first one's stage alone."""
        target = connection.location("out/t.csv")
        with staging(target) as stage:
            marker = Path(stage.path) / "mine"
            marker.write_bytes(b"x")
            sweep(target)
            assert marker.read_bytes() == b"x"

    # -- helpers ------------------------------------------------------------------------------------------------------

    def break_off(self, path: str) -> None:
        """A writer that fails half-way."""
        Path(path).write_bytes(b"half")
        raise OSError("stop")

    def put(self, connection: BaseConnection, relative: str, content: bytes) -> None:
        """Write a file."""
        location = connection.location(relative)
        with files_for(location).open_write(location.uri) as file:
            file.write(content)

    def get(self, connection: BaseConnection, relative: str) -> bytes:
        """The content of a file."""
        location = connection.location(relative)
        with files_for(location).open_read(location.uri) as file:
            return file.read()

    def stage(self, connection: BaseConnection, relative: str, content: bytes) -> None:
        """Write a file aside and publish it."""
        with staged(connection.location(relative)) as path:
            Path(path).write_bytes(content)

    def names(self, connection: BaseConnection, relative: str) -> list[str]:
        """The names of the data files there."""
        location = connection.location(relative)
        return sorted(files_for(location).split(path)[1] for path in expand(location))
