"""The layer under everything that touches files: names, globs, writes that a crash can not tear."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from odibi.connections.base import Location
from odibi.errors import AccessError, DataError, DataNotFoundError, PathEscapeError
from odibi.files import added, expand, explain, files_for, lock, staged, stages, staging, sweep
from odibi.files.changes import unchanged
from odibi.files.local import LocalFiles
from odibi.files.stages import age_of, new_txn


@pytest.fixture(params=["local", "memory"])
def at(request, tmp_path):
    """A function from a relative path to a location: every test of it runs on both."""
    if request.param == "local":
        root, join = str(tmp_path), os.path.join
    else:
        root, join = f"memory://{tmp_path.name}", lambda *parts: "/".join(parts)

    def location(relative: str) -> Location:
        return Location(join(root, *relative.split("/")) if relative else root, root, "lake", relative)

    return location


def put(location: Location, content: str = "x") -> None:
    with files_for(location).open_write(location.uri) as file:
        file.write(content.encode())


def content(location: Location) -> str:
    with files_for(location).open_read(location.uri) as file:
        return file.read().decode()


def relative(at, paths):
    root = at("").uri
    return [path[len(root) :].replace(os.sep, "/").strip("/") for path in paths]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def everything(location: Location) -> list[str]:
    files = files_for(location)
    found = []
    for entry in files.entries(location.uri):
        found.append(entry.name)
        if entry.is_folder:
            found += everything(Location(entry.path, location.root))
    return found


# -- names -------------------------------------------------------------------------------------------------------------


def test_kind_size_delete(at):
    put(at("d/a.csv"), "abc")
    files = files_for(at("d"))
    assert [files.kind(at(path).uri) for path in ("d", "d/a.csv", "d/b.csv")] == ["folder", "file", "missing"]
    assert files.size(at("d/a.csv").uri) == 3
    files.delete(at("d/a.csv").uri)
    files.delete(at("d/a.csv").uri)
    assert not files.exists(at("d/a.csv").uri)


def test_expand_leaves_hidden_names_out(at):
    for path in (
        "o/part-1",
        "o/part-0",
        "o/_SUCCESS",
        "o/.part-0.crc",
        "o/k=1/part-2",
        "o/_k=1/part-3",
        "o/_delta_log/0.json",
    ):
        put(at(path))
    assert relative(at, expand(at("o"))) == ["o/_k=1/part-3", "o/k=1/part-2", "o/part-0", "o/part-1"]
    assert relative(at, expand(at("o/_SUCCESS"))) == ["o/_SUCCESS"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.csv", ["a.csv", "b.csv"]),
        ("[ab].csv", ["a.csv", "b.csv"]),
        ("[!a].csv", ["b.csv"]),
        ("?.csv", ["a.csv", "b.csv"]),
        ("*/a.csv", ["x/a.csv"]),
        ("**/a.csv", ["a.csv", "x/a.csv", "x/y/a.csv"]),
        ("x/**", ["x/a.csv", "x/y/a.csv"]),
        ("x*", ["x/a.csv", "x/y/a.csv"]),
        ("**/y/*", ["x/y/a.csv"]),
    ],
)
def test_globs(at, pattern, found):
    for path in ("a.csv", "b.csv", "c.txt", "x/a.csv", "x/y/a.csv", "_h/a.csv", ".h.csv"):
        put(at(path))
    assert relative(at, expand(at(pattern))) == found


def test_a_name_with_wildcards_is_itself(at):
    put(at("a[1].csv"))
    put(at("a1.csv"))
    assert relative(at, expand(at("a[1].csv"))) == ["a[1].csv"]


def test_what_is_missing_is_told_with_what_is_close(at):
    put(at("raw/sales.csv"))
    with pytest.raises(
        DataNotFoundError, match=r"lake:raw/sale.csv does not exist; did you mean 'sales.csv'\? lake:raw has: sales.csv"
    ):
        expand(at("raw/sale.csv"))
    with pytest.raises(DataNotFoundError, match=r"no file matches lake:raw/\*.tsv"):
        expand(at("raw/*.tsv"))
    with pytest.raises(
        DataNotFoundError, match=r"lake:rw does not exist; did you mean 'raw'\? the root of connection 'lake' has"
    ):
        expand(at("rw"))


def test_links_that_leave_are_refused(tmp_path):
    (tmp_path / "root" / "d").mkdir(parents=True)
    (tmp_path / "out.csv").touch()
    try:
        (tmp_path / "root" / "d" / "l.csv").symlink_to(tmp_path / "out.csv")
    except OSError:
        pytest.skip("no right to make links")
    root = str(tmp_path / "root")
    for pattern in ("d", "d/*.csv"):
        with pytest.raises(PathEscapeError):
            expand(Location(os.path.join(root, *pattern.split("/")), root))


def test_links_in_a_ring_end(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.csv").touch()
    try:
        (tmp_path / "d" / "again").symlink_to(tmp_path / "d", target_is_directory=True)
    except OSError:
        pytest.skip("no right to make links")
    assert len(expand(Location(str(tmp_path / "d"), str(tmp_path)))) == 1


# -- staged writes -----------------------------------------------------------------------------------------------------


def write(location: Location, text: str, **facts) -> None:
    with staged(location, **facts) as path:
        if facts.get("folder"):
            Path(path, "part-0.csv").write_text(text)
        else:
            Path(path).write_text(text)


def test_a_file_is_replaced_and_nothing_else_is_left(at):
    write(at("d/a.csv"), "one")
    write(at("d/a.csv"), "two")
    assert content(at("d/a.csv")) == "two"
    assert everything(at("")) == ["d", "a.csv"]


def interrupted(location: Location) -> None:
    with staged(location) as path:
        Path(path).write_text("half")
        raise KeyboardInterrupt


def test_an_error_leaves_the_target_as_it_was(at):
    write(at("d/a.csv"), "one")
    with pytest.raises(KeyboardInterrupt):
        interrupted(at("d/a.csv"))
    assert content(at("d/a.csv")) == "one"
    assert everything(at("")) == ["d", "a.csv"]


def test_files_and_folders_replace_each_other(tmp_path):
    place = Location(str(tmp_path / "out.csv"), str(tmp_path), "lake", "out.csv")
    for folder in (False, True, True, False, False):
        write(place, "x", folder=folder, suffixes=(".csv",))
        assert Path(place.uri).is_dir() == folder
        assert len(expand(place)) == 1
        assert names(tmp_path) == ["out.csv"]


def test_a_folder_with_other_things_is_not_replaced(tmp_path):
    place = Location(str(tmp_path / "out"), str(tmp_path), "lake", "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").touch()
    with pytest.raises(DataError, match=r"lake:out is a folder that holds other files \(thesis.doc"):
        write(place, "x", suffixes=(".csv",))
    (tmp_path / "t" / "_delta_log").mkdir(parents=True)
    with pytest.raises(DataError, match="is a Delta table"):
        write(Location(str(tmp_path / "t"), str(tmp_path), "lake", "t"), "x")
    with pytest.raises(DataError, match="is the connection's base"):
        write(Location(str(tmp_path), str(tmp_path), "lake", ""), "x")


def test_spark_folders_of_packed_parts_are_replaced(tmp_path):
    (tmp_path / "o").mkdir()
    for name in ("part-0.csv.gz", "_SUCCESS"):
        (tmp_path / "o" / name).touch()
    write(Location(str(tmp_path / "o"), str(tmp_path), "lake", "o"), "x", suffixes=(".csv",))
    assert (tmp_path / "o").read_text() == "x"


def test_a_folder_on_an_object_store_is_refused():
    place = Location("memory://refused/o", "memory://refused", "lake", "o")
    with pytest.raises(DataError, match=r"one step on an object store; write a single file .* or a Delta table"):
        write(place, "x", folder=True)


def test_a_file_is_in_the_way(tmp_path):
    (tmp_path / "d").write_text("a file")
    with pytest.raises(DataError, match=r"lake:d/a.csv: a file is where a folder must be"):
        write(Location(str(tmp_path / "d" / "a.csv"), str(tmp_path), "lake", "d/a.csv"), "x")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_no_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(AccessError, match="no permission to write"):
            write(Location(str(tmp_path / "a.csv"), str(tmp_path), "lake", "a.csv"), "x")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (errno.ENOSPC, AccessError, "no space left to write .*; free space"),
        (errno.EROFS, AccessError, "read-only"),
        (errno.EACCES, AccessError, "no permission to write .*give this user the right"),
        (errno.ENOTDIR, DataError, "a file is where a folder must be"),
        (errno.ENAMETOOLONG, DataError, "too long"),
        (errno.ENOLCK, AccessError, "has no locks"),
        (errno.EIO, AccessError, "can not write"),
    ],
)
def test_what_the_system_refuses_is_told(code, error, message):
    found = explain(OSError(code, os.strerror(code), "/x/a.csv"), Location("/x/a.csv", "/x", "lake", "a.csv"), "write")
    assert isinstance(found, error)
    assert str(found).startswith("lake:a.csv: ")
    with pytest.raises(error, match=message):
        raise found


# -- what a killed writer leaves ---------------------------------------------------------------------------------------

KILLED = """
import os, sys
from pathlib import Path
from odibi.connections.base import Location
from odibi.files import staging, staged
import odibi.files.stages as module

root, step, name = sys.argv[1:]
place = Location(os.path.join(root, name), root, "lake", name)

def die(*args):
    print("ready", flush=True)
    os._exit(9) if step != "alive" else sys.stdin.read()

if step in ("alive", "writing"):
    with staged(place, folder=True) as path:
        Path(path, "part-0.csv").write_text("half")
        die()
else:
    call = step.split("-")[1]
    real = getattr(os, call)
    if step.startswith("after"):
        setattr(module.os, call, lambda *args: (real(*args), die()))
    else:
        setattr(module.os, call, die)
    with staged(place, folder=True) as path:
        Path(path, "part-0.csv").write_text("new")
"""


def start(root: Path, step: str, name: str = "out") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(root), step, name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("step", ["writing", "before-rename", "after-rename", "before-replace", "after-replace"])
def test_after_a_kill_there_is_the_old_or_the_new(tmp_path, step):
    place = Location(str(tmp_path / "out"), str(tmp_path), "lake", "out")
    write(place, "old", folder=True)
    start(tmp_path, step).communicate()
    assert any(name.startswith(".odibi-") for name in names(tmp_path))
    (part,) = expand(place)
    assert Path(part).read_text() == ("new" if step == "after-replace" else "old")
    sweep(place)
    assert sorted(everything(Location(str(tmp_path)))) == ["out", "part-0.csv"]


def test_a_living_writer_is_not_swept(tmp_path):
    place = Location(str(tmp_path / "out"), str(tmp_path), "lake", "out")
    process = start(tmp_path, "alive")
    try:
        sweep(place)
        assert [name for name in names(tmp_path) if name.startswith(".odibi-")]
    finally:
        process.kill()
        process.communicate()
    cleaned: list[str] = []
    sweep(place, cleaned.append)
    assert len(cleaned) == 1
    assert names(tmp_path) == []


def test_staging_cleans_after_itself_and_tells_of_failure(at):
    failed: list[str] = []
    with staging(at("t"), failed.append) as stage:
        Path(stage.path, "x").touch()
    assert failed == []
    with pytest.raises(ValueError, match="no"), staging(at("t"), failed.append) as stage:
        raise ValueError("no")
    assert failed == [stage.txn]
    assert [name for name in everything(at("")) if ".odibi" in name] == []


def test_litter_of_another_target_stays(tmp_path):
    start(tmp_path, "writing").communicate()
    sweep(Location(str(tmp_path / "other"), str(tmp_path), "lake", "other"))
    assert len(names(tmp_path)) == 1
    sweep(Location(str(tmp_path / "out"), str(tmp_path), "lake", "out"))
    assert names(tmp_path) == []


def test_old_litter_behind_a_url_is_swept_by_age():
    place = Location("memory://litter/t", "memory://litter", "lake", "t")
    files = files_for(place)
    young, old = new_txn(), f"{int(time.time()) - 90_000:x}-0"
    for txn in (young, old):
        with files.open_write(f"memory://litter/.odibi-{txn}/target") as file:
            file.write(b"t")
    cleaned: list[str] = []
    sweep(place, cleaned.append)
    assert cleaned == [old]
    assert [entry.name for entry in files.entries("memory://litter")] == [f".odibi-{young}"]
    assert age_of("no-txn") == 0


def test_many_writers_at_once(tmp_path):
    place = Location(str(tmp_path / "a.csv"), str(tmp_path), "lake", "a.csv")
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            for _ in range(10):
                write(place, str(number) * 1000)
        except (OSError, ValueError) as error:  # a thread's error is told in the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    text = Path(place.uri).read_text()
    assert text == text[0] * 1000
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use can not be renamed there")
def test_folders_that_several_writers_replace_at_once(tmp_path):
    location = Location(str(tmp_path / "t"), root=str(tmp_path))
    errors = []

    def work(name):
        try:
            for _ in range(60):
                with staged(location, folder=True) as path:
                    Path(path).mkdir(exist_ok=True)
                    Path(path, name).write_text(name)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    assert len(list((tmp_path / "t").iterdir())) == 1


@pytest.mark.parametrize("folder", [False, True])
def test_of_writers_who_all_start_from_the_same_one_is_first_and_the_others_are_told(tmp_path, folder):
    """What the first one wrote is never lost, not even while another looks at it."""
    location = Location(str(tmp_path / "t"), str(tmp_path), "lake", "t")
    start = threading.Barrier(6)
    done, errors = [], []

    def work(name, read):
        try:
            with staged(location, folder=folder, expected=lambda path: names_at(path) == read) as path:
                file = Path(path, "a") if folder else Path(path)
                file.write_text(name)
                start.wait()
        except DataError as error:
            errors.append(error)
        else:
            done.append(name)

    def names_at(path):
        path = Path(path, "a") if folder else Path(path)
        return path.read_text() if path.exists() else ""

    for _ in range(30):
        read = names_at(location.uri)
        threads = [threading.Thread(target=work, args=(f"{name}{len(done)}", read)) for name in "abcdef"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert names_at(location.uri) == done[-1]
    assert len(done) == 30
    assert all("lake:t was changed by another writer meanwhile" in str(error) for error in errors)
    assert names(tmp_path) == ["t"]


def test_a_writer_who_does_not_come_to_an_end_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "PUBLISH_SECONDS", 0.05)
    location = Location(str(tmp_path / "t"), str(tmp_path), "lake", "t")
    with stages.alone(location), pytest.raises(DataError, match=r"lake:t is being written by another process"):
        write(location, "x")
    write(location, "y")
    assert content(location) == "y"
    assert names(tmp_path) == ["t"]


def test_a_file_system_without_locks_is_told_at_once(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    location = Location(str(tmp_path / "t"), str(tmp_path), "lake", "t")
    with monkeypatch.context() as patched:
        patched.setattr(lock, "_take", refuse)
        with pytest.raises(AccessError, match=r"lake:t: the file system has no locks.*Operation not supported"):
            write(location, "x")
    assert names(tmp_path) == []


def test_what_was_replaced_does_not_come_back(tmp_path, monkeypatch):
    """Not even where the next writer moves the new one aside while the first is not yet at his end."""
    location = Location(str(tmp_path / "t"), str(tmp_path), "lake", "t")
    write(location, "old", folder=True)
    with monkeypatch.context() as patched:
        patched.setattr(stages, "_sync_folder", lambda path: Path(location.uri).rename(tmp_path / "aside"))
        write(location, "new", folder=True)
    assert names(tmp_path) == ["aside"]


def test_what_a_dead_writer_moved_aside_does_not_take_the_place_of_a_living_one(tmp_path, monkeypatch):
    location = Location(str(tmp_path / "t"), str(tmp_path), "lake", "t")
    write(location, "old", folder=True)
    start(tmp_path, "after-rename", "t").communicate()
    assert not Path(location.uri).exists()
    with stages.alone(location), monkeypatch.context() as patched:
        patched.setattr(stages, "PUBLISH_SECONDS", 0.05)
        with pytest.raises(DataError, match="lake:t is being written by another process"):
            sweep(location)
        assert not Path(location.uri).exists()
    sweep(location)
    assert names(tmp_path) == ["t"]


def test_files_of_a_dead_writer_are_not_looked_for_below_a_file(tmp_path):
    location = Location(str(tmp_path / "t"), str(tmp_path), "lake", "t")
    with staging(location) as stage:
        Path(stage.path, stages.ADDED).write_text('["part-0.csv"]')
        write(location, "a file now")
    assert content(location) == "a file now"


def test_a_reader_waits_for_a_folder_that_is_just_exchanged(tmp_path):
    location = Location(str(tmp_path / "t"), str(tmp_path), "lake", "t")
    write(location, "x", folder=True)

    def exchange():
        with stages.alone(location):
            aside = Path(location.uri).rename(tmp_path / "aside")
            moved.set()
            time.sleep(0.1)
            aside.rename(location.uri)

    moved = threading.Event()
    writer = threading.Thread(target=exchange)
    writer.start()
    moved.wait()
    assert len(expand(location)) == 1
    writer.join()


def test_files_are_added_to_the_folder_that_they_were_made_for(tmp_path):
    """Others may have added theirs; who has replaced it may have made something else of it."""
    location = Location(str(tmp_path / "t"), str(tmp_path), "lake", "t")
    write(location, "old", folder=True)
    seen = unchanged(location)

    def add(meanwhile):
        with added(location, seen.and_more) as path:
            Path(path, "a.csv").write_text("x")
            meanwhile()

    add(lambda: add(lambda: None))
    assert len(names(tmp_path / "t")) == 3
    with pytest.raises(stages.ChangedMeanwhile, match=r"lake:t was changed by another writer meanwhile"):
        add(lambda: write(location, "new", folder=True))
    assert len(names(tmp_path / "t")) == 1
    with pytest.raises(stages.ChangedMeanwhile):
        add(lambda: write(location, "a file now"))
    assert names(tmp_path) == ["t"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_what_a_link_leads_to_is_as_it_was(tmp_path):
    location = Location(str(tmp_path / "t"), str(tmp_path), "lake", "t")
    write(Location(str(tmp_path / "real"), str(tmp_path), "lake", "real"), "old", folder=True)
    Path(location.uri).symlink_to("real")
    write(location, "new", folder=True, expected=unchanged(location))
    assert (tmp_path / "t" / "part-0.csv").read_text() == "new"
    assert (tmp_path / "real" / "part-0.csv").read_text() == "old"


def test_files_are_added_to_a_folder_on_another_disk(tmp_path, monkeypatch):
    rename = os.rename

    def elsewhere(old, new):
        if os.path.dirname(new) == location.uri and os.path.dirname(old) != location.uri:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(old, new)

    location = Location(str(tmp_path / "t"), str(tmp_path), "lake", "t")
    write(location, "old", folder=True)
    monkeypatch.setattr(stages.os, "rename", elsewhere)
    with added(location) as path:
        Path(path, "a.csv").write_text("x")
    (new,) = [name for name in names(tmp_path / "t") if name.startswith("a-")]
    assert (tmp_path / "t" / new).read_text() == "x"
    assert len(names(tmp_path / "t")) == 2


def test_what_comes_while_a_folder_is_made_anew_is_not_lost(tmp_path):
    location = Location(str(tmp_path / "t"), str(tmp_path), "lake", "t")
    write(location, "old", folder=True)
    with pytest.raises(DataError, match=r"holds other files \(notes\.txt"):  # noqa: SIM117 - who raises is the inner
        with staged(location, folder=True, suffixes=(".csv",)):
            (tmp_path / "t" / "notes.txt").write_text("mine")
    assert (tmp_path / "t" / "part-0.csv").read_text() == "old"
    assert (tmp_path / "t" / "notes.txt").read_text() == "mine"


def test_a_file_that_goes_while_it_is_looked_at_is_a_change(tmp_path, monkeypatch):
    location = Location(str(tmp_path / "t"), str(tmp_path), "lake", "t")
    (tmp_path / "t").mkdir()
    for name in ("a.csv", "b.csv"):
        (tmp_path / "t" / name).write_text("x")
    same = unchanged(location)
    assert same(location.uri)
    walk = LocalFiles.walk

    def meanwhile(self, folder):
        found = list(walk(self, folder))
        (tmp_path / "t" / "b.csv").unlink(missing_ok=True)
        return iter(found)

    monkeypatch.setattr(LocalFiles, "walk", meanwhile)
    assert not same(location.uri)
