"""Stores of update packages: folder, main database, fsspec, S3 (a server of moto) and GridFS (mongomock's database)."""

from __future__ import annotations

import hashlib
import io
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import sql
from servers import TestServer

from tenantplan.errors import NotFound, SettingsError, TenantplanError
from tenantplan.stores import Store, Stored, measure, open_store, upload
from tenantplan.stores import mongodb as gridfs_store
from tenantplan.stores.folder import ABANDONED, FolderStore
from tenantplan.stores.large_objects import LargeObjectStore
from tenantplan.stores.store import CHUNK

pytestmark = pytest.mark.once

SRC = Path(__file__).parents[2] / "src"
KEY = "node-2.4.0-rc.1+build/9f86d081.zip"
SIZE = 2 * CHUNK + 12_345
TABLE = """
    CREATE SCHEMA tenantplan;
    CREATE TABLE tenantplan.stored_files (
        key text PRIMARY KEY,
        object oid NOT NULL,
        size bigint NOT NULL,
        sha256 text NOT NULL,
        stored_at timestamptz NOT NULL DEFAULT now()
    )
"""
Connection = psycopg.Connection[Any]
Connect = Callable[[], Connection]


@pytest.fixture(scope="module")
def connect(server: TestServer) -> Iterator[Connect]:
    """Sessions on a database with the table of stored files, as the role without superuser."""
    name = f"stores_{os.getpid()}"
    with server.connect() as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with server.connect(dbname=name) as connection:
            connection.execute(TABLE)
        yield lambda: server.connect(dbname=name)
    with server.superuser_connect() as superuser:  # who may end an autovacuum, too
        superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(params=["file", "main", "local", "memory", "s3", "mongodb"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each kind of store, empty."""
    found: Store = request.getfixturevalue(f"{request.param}_store")
    found.delete(KEY)
    return found


@pytest.fixture
def file_store(tmp_path: Path) -> Store:
    return open_store("file:deep/packages", tmp_path, _no_main)


@pytest.fixture
def main_store(connect: Connect) -> Store:
    store = open_store("main:", Path("/"), connect)
    store.delete(KEY)
    return store


@pytest.fixture
def local_store(tmp_path: Path) -> Store:
    return open_store(f"local://{tmp_path}/deep/packages", Path("/"), _no_main)


@pytest.fixture
def memory_store() -> Store:
    return open_store("memory://packages", Path("/"), _no_main)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server with the bucket `updates`; skipped without moto and s3fs."""
    server = pytest.importorskip("moto.server", reason="S3 needs moto[s3], flask, flask-cors").ThreadedMotoServer(
        port=0
    )
    pytest.importorskip("s3fs", reason="S3 needs s3fs")
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        _aws(environment, f"http://{host}:{port}")
        boto3 = pytest.importorskip("boto3")
        client = boto3.client("s3")
        client.create_bucket(Bucket="updates")
        client.close()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_store(s3: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    _aws(monkeypatch, s3)
    return open_store("s3://updates/some/prefix", Path("/"), _no_main)


@pytest.fixture
def mongodb_store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """The adapter over mongomock: its chunks and files are in memory, the GridFS code is pymongo's own."""
    mongomock = pytest.importorskip("mongomock", reason="GridFS needs mongomock")
    pytest.importorskip("pymongo", reason="GridFS needs pymongo")
    # What pymongo's GridFSBucket asks for, and mongomock does not have.
    client = type("Client", (mongomock.MongoClient,), {"options": SimpleNamespace(timeout=None)})
    pytest.importorskip("mongomock.gridfs").enable_gridfs_integration()
    monkeypatch.setattr("gridfs.synchronous.grid_file._UPLOAD_BUFFER_SIZE", CHUNK)  # chunks arrive before the close
    kept = pytest.importorskip("mongomock.store").ServerStore()
    monkeypatch.setattr("pymongo.MongoClient", lambda url, **options: client(url, _store=kept))
    return open_store("mongodb://anna:geheim@localhost/updates", Path("/"), _no_main)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return a_package(tmp_path / "package.zip")


def a_package(path: Path, seed: int = 1, size: int = SIZE) -> Path:
    path.write_bytes(random.Random(seed).randbytes(size))
    return path


class FailingPath(type(Path())):  # type: ignore[misc]
    """A file that cannot be read to its end, such as one on a share that goes away."""

    def open(self, *_: Any, **__: Any) -> Any:
        class Failing(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                data = super().read(size)
                if not data:
                    raise OSError(5, "Input/output error")
                return data

        return Failing(b"x" * SIZE)


# What every store does


def test_what_is_stored_is_read_back_and_deleted(store: Store, package: Path) -> None:
    expected = measure(package)
    assert expected == Stored(SIZE, hashlib.sha256(package.read_bytes()).hexdigest())
    assert store.size(KEY) is None
    store.put(KEY, package)
    assert store.size(KEY) == SIZE
    assert b"".join(store.read(KEY)) == package.read_bytes()
    assert max(map(len, store.read(KEY))) <= CHUNK
    store.put("another/one.zip", package)
    store.delete(KEY)
    store.delete(KEY)
    assert store.size(KEY) is None and store.size("another/one.zip") == SIZE
    with pytest.raises(NotFound, match=r"there is no node-2\.4\.0"):
        list(store.read(KEY))


def test_a_file_is_replaced_as_a_whole(store: Store, package: Path, tmp_path: Path) -> None:
    store.put(KEY, package)
    store.put(KEY, a_package(tmp_path / "shorter", 2, 1000))
    assert measure(store.read(KEY)) == measure(tmp_path / "shorter")
    assert store.size(KEY) == 1000


def test_an_empty_file_is_a_file(store: Store, tmp_path: Path) -> None:
    store.put(KEY, a_package(tmp_path / "empty", size=0))
    assert store.size(KEY) == 0 and list(store.read(KEY)) == []


# s3fs reads the file itself: test_s3_upload_that_breaks_off_leaves_nothing.
@pytest.mark.parametrize("store", ["file", "main", "local", "memory", "mongodb"], indirect=True)
def test_a_source_that_breaks_off_leaves_nothing(store: Store, tmp_path: Path) -> None:
    source = FailingPath(a_package(tmp_path / "failing.zip"))
    with pytest.raises(TenantplanError, match="Input/output error") as caught:
        store.put(KEY, source)
    assert caught.value.where == str(source) and caught.value.hint
    assert store.size(KEY) is None
    with pytest.raises(NotFound):
        list(store.read(KEY))
    store.put(KEY, tmp_path / "failing.zip")
    assert measure(store.read(KEY)) == measure(tmp_path / "failing.zip")


def test_a_source_that_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(TenantplanError, match="package file cannot be read") as caught:
        store.put(KEY, tmp_path / "gone.zip")
    assert caught.value.where == str(tmp_path / "gone.zip")
    assert store.size(KEY) is None


def test_keys_never_lead_out(store: Store, package: Path) -> None:
    hostile = [
        "",
        "/",
        "..",
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "a/",
        ".hidden",
        "a/.part",
        "~/x",
        "a\\..\\b",
        "a\0b",
    ]
    for key in (*hostile, "a\n", "*", "a?versionId=1", "a#b", "é", "a" * 201, "a/" * 300 + "a", "x::y"):
        for act in (store.size, store.delete, lambda key: store.put(key, package), lambda key: list(store.read(key))):
            with pytest.raises(TenantplanError, match="cannot be the key"):
                act(key)


def test_an_upload_that_is_there_is_not_sent_again(store: Store, package: Path, tmp_path: Path) -> None:
    expected = measure(package)
    upload(store, KEY, package, expected)
    assert measure(store.read(KEY)) == expected
    package.unlink()
    upload(store, KEY, package, expected)
    store.put(KEY, a_package(tmp_path / "spoilt", 2))  # of the same size
    upload(store, KEY, a_package(package), expected)
    assert measure(store.read(KEY)) == expected


def test_an_upload_of_a_file_that_has_changed_is_refused(store: Store, package: Path) -> None:
    expected = measure(package)
    a_package(package, 2)
    with pytest.raises(TenantplanError, match="not the one that was expected") as caught:
        upload(store, KEY, package, expected)
    assert caught.value.where == str(package) and "plan again" in caught.value.hint
    assert store.size(KEY) is None


def test_bytes_that_the_store_changes_are_found(file_store: Store, package: Path) -> None:
    assert isinstance(file_store, FolderStore)

    class Spoiling(FolderStore):
        def put(self, key: str, source: Path) -> None:
            super().put(key, source)
            spoil(self.folder / key)

    spoiling = Spoiling("file:packages", file_store.folder)
    with pytest.raises(TenantplanError, match=r"was not stored as it was sent.*deleted again") as caught:
        upload(spoiling, KEY, package, measure(package))
    assert caught.value.where == "file:packages" and caught.value.hint
    assert spoiling.size(KEY) is None


def spoil(path: Path) -> None:
    """Changes one byte."""
    with path.open("r+b") as file:
        file.seek(CHUNK)
        file.write(b"\0\0\0\0")


# A folder


def test_a_symbolic_link_out_of_the_folder_is_refused(file_store: Store, package: Path, tmp_path: Path) -> None:
    assert isinstance(file_store, FolderStore)
    file_store.folder.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (file_store.folder / "node").symlink_to(tmp_path / "outside")
    with pytest.raises(TenantplanError, match="leads out of the folder"):
        file_store.put("node/x.zip", package)
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("scheme", ["file", "local"])
def test_a_full_disk_leaves_nothing(scheme: str, package: Path, tmp_path: Path) -> None:
    full = open_store(f"{scheme}://{tmp_path}/packages", Path("/"), _no_main)
    with a_limit(CHUNK), pytest.raises(TenantplanError, match=r"cannot be stored: File too large") as caught:
        full.put(KEY, package)
    assert caught.value.where == f"{scheme}://{tmp_path}/packages" and "space" in caught.value.hint
    assert [path for path in (tmp_path / "packages").rglob("*") if path.is_file()] == []


@contextmanager
def a_limit(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_folder_that_cannot_be_made_is_named(package: Path) -> None:
    place = f"file://{package}/packages"
    with pytest.raises(TenantplanError, match="cannot be stored: Not a directory") as caught:
        open_store(place, Path("/"), _no_main).put(KEY, package)
    assert caught.value.where == place and "folder exists" in caught.value.hint


# The main database


def objects(connect: Connect) -> int:
    with connect() as connection:
        row = connection.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone()
    assert row
    return int(row[0])


def test_the_main_database_keeps_no_object_without_a_row(main_store: Store, connect: Connect, tmp_path: Path) -> None:
    before = objects(connect)
    package = a_package(tmp_path / "package.zip")
    for _ in range(2):
        main_store.put(KEY, package)
        assert objects(connect) == before + 1
    with connect() as connection:
        row = connection.execute("SELECT size, sha256 FROM tenantplan.stored_files WHERE key = %s", [KEY]).fetchone()
    assert row == (SIZE, measure(package).sha256)
    with pytest.raises(TenantplanError):
        main_store.put(KEY, FailingPath(package))
    assert measure(main_store.read(KEY)) == measure(package)
    main_store.delete(KEY)
    assert objects(connect) == before


def test_an_object_that_was_unlinked_by_hand_is_stored_again(
    main_store: Store, connect: Connect, package: Path
) -> None:
    main_store.put(KEY, package)
    with connect() as connection:
        connection.execute("SELECT lo_unlink(object) FROM tenantplan.stored_files WHERE key = %s", [KEY])
    with pytest.raises(TenantplanError, match=r"cannot be read: large object .* does not exist") as caught:
        list(main_store.read(KEY))
    assert "gone" in caught.value.hint
    upload(main_store, KEY, package, measure(package))
    assert measure(main_store.read(KEY)) == measure(package)
    main_store.delete(KEY)


def test_each_store_says_what_it_calls_the_file_itself(store: Store, package: Path, connect: Connect) -> None:
    store.put(KEY, package)
    name = store.file_id(KEY)
    if store.url == "main:":
        with connect() as connection:
            row = connection.execute("SELECT object FROM tenantplan.stored_files WHERE key = %s", [KEY]).fetchone()
        assert row is not None
        assert name == str(row[0])
    elif store.url.startswith("mongodb"):
        assert name == hashlib.sha256(KEY.encode()).hexdigest()[:24]
    else:
        assert name is None
    store.delete(KEY)


def test_two_at_once_leave_one(main_store: Store, connect: Connect, package: Path) -> None:
    before, failures = objects(connect), []

    def put() -> None:
        try:
            main_store.put(KEY, package)
        except TenantplanError as error:
            failures.append(error)

    with connect() as other, other.transaction():
        other.execute("INSERT INTO tenantplan.stored_files VALUES (%s, 1, 1, '')", [KEY])
        thread = threading.Thread(target=put)
        thread.start()
        wait_until(lambda: waiting(connect))
    thread.join()
    assert "at the same time" in failures[0].hint
    assert objects(connect) == before
    main_store.delete(KEY)


def waiting(connect: Connect) -> bool:
    with connect() as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
        ).fetchone()
    return bool(row and row[0])


def test_a_connection_that_is_lost_halfway_leaves_nothing(connect: Connect, tmp_path: Path) -> None:
    with connect() as doomed:
        store = LargeObjectStore(lambda: doomed)

        class Cutting(FailingPath):
            def open(self, *_: Any, **__: Any) -> Any:
                class Source(io.BytesIO):
                    def read(self, size: int | None = -1) -> bytes:
                        if self.tell() == CHUNK:
                            with connect() as other:
                                other.execute("SELECT pg_terminate_backend(%s, 5000)", [doomed.info.backend_pid])
                        return super().read(size)

                return Source(b"x" * SIZE)

        before = objects(connect)
        with pytest.raises(TenantplanError, match=f"{KEY[:10]}.* cannot be stored: ") as caught:
            store.put(KEY, Cutting(tmp_path))
        assert caught.value.where == "main:" and "server runs" in caught.value.hint
    assert objects(connect) == before


def test_a_main_database_without_the_table_says_what_to_do(server: TestServer, package: Path) -> None:
    store = open_store("main:", Path("/"), server.connect)
    with pytest.raises(TenantplanError, match="does not exist") as caught:
        store.put(KEY, package)
    assert "apply the migrations" in caught.value.hint


# A process that is killed


STORING = """
import sys
from pathlib import Path
import psycopg
from tenantplan.stores import open_store
url, root, main, key, source = sys.argv[1:]
open_store(url, Path(root), lambda: psycopg.connect(main, autocommit=True)).put(key, Path(source))
"""


@pytest.mark.parametrize("scheme", ["file", "local", "main"])
def test_a_process_killed_halfway_leaves_nothing_visible(
    scheme: str, server: TestServer, connect: Connect, package: Path, tmp_path: Path
) -> None:
    url = {"file": "file:packages", "local": f"local://{tmp_path}/packages", "main": "main:"}[scheme]
    store = open_store(url, tmp_path, connect)
    with connect() as connection:
        database = connection.info.dbname
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    before = objects(connect)
    command = [sys.executable, "-c", STORING, url, str(tmp_path), server.url(dbname=database), KEY, str(pipe)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(SRC)})
    with open(opened_pipe(pipe), "wb") as source:
        source.write(package.read_bytes())  # returns when all but the pipe's 64 KB are taken
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert store.size(KEY) is None
    wait_until(lambda: objects(connect) == before)
    upload(store, KEY, package, measure(package))
    assert measure(store.read(KEY)) == measure(package)
    store.delete(KEY)


def opened_pipe(pipe: Path) -> int:
    """The writing end of a named pipe, once somebody reads it."""
    handles: list[int] = []

    def reader() -> bool:
        with suppress(OSError):  # ENXIO: nobody yet
            handles.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(handles)

    wait_until(reader)
    os.set_blocking(handles[0], True)
    return handles[0]


def test_what_a_killed_process_left_is_removed_after_a_day(package: Path, tmp_path: Path) -> None:
    store = open_store("file:packages", tmp_path, _no_main)
    store.put(KEY, package)
    folder = (tmp_path / "packages" / KEY).parent
    name = Path(KEY).name
    old, young, others = folder / f".{name}.1.part", folder / f".{name}.2.part", folder / ".other.zip.3.part"
    for path in (old, young, others):
        path.write_bytes(b"half")
    for path in (old, others):
        os.utime(path, (time.time() - ABANDONED - 60,) * 2)
    store.put(KEY, package)
    assert sorted(folder.iterdir()) == sorted([young, others, folder / name])


def wait_until(true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# S3


def _aws(environment: pytest.MonkeyPatch, endpoint: str) -> None:
    environment.setenv("AWS_ENDPOINT_URL", endpoint)
    environment.setenv("AWS_ACCESS_KEY_ID", "test")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
    environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
    environment.setenv("AWS_CONFIG_FILE", os.devnull)
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    environment.setenv("AWS_MAX_ATTEMPTS", "1")
    if "s3fs" in sys.modules:
        sys.modules["s3fs"].S3FileSystem.clear_instance_cache()  # they keep the credentials they were made with


def test_s3_upload_in_parts(s3_store: Store, tmp_path: Path) -> None:
    package = a_package(tmp_path / "large.zip", size=101 * CHUNK)
    upload(s3_store, KEY, package, measure(package))
    assert s3_store.size(KEY) == 101 * CHUNK
    s3_store.delete(KEY)


def test_s3_upload_that_breaks_off_leaves_nothing(
    s3_store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    s3fs = pytest.importorskip("s3fs")
    package = a_package(tmp_path / "large.zip", size=101 * CHUNK)
    call = s3fs.S3FileSystem._call_s3
    calls: list[str] = []

    async def failing(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        calls.append(method)
        if method == "upload_part" and kwargs["PartNumber"] == 2:
            raise OSError(5, "connection reset")
        return await call(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", failing)
    with pytest.raises(TenantplanError, match="cannot be stored: connection reset"):
        s3_store.put(KEY, package)
    assert "upload_part" in calls and "complete_multipart_upload" not in calls
    assert "abort_multipart_upload" in calls
    assert s3_store.size(KEY) is None


def test_s3_listing_that_another_process_outdates(s3: str, s3_store: Store, package: Path) -> None:
    boto3, s3fs = pytest.importorskip("boto3"), pytest.importorskip("s3fs")
    s3_store.put(KEY, package)
    s3fs.S3FileSystem().ls(
        f"updates/some/prefix/{Path(KEY).parent}"
    )  # the instance that the store has, with its listings
    client = boto3.client("s3")
    client.delete_object(Bucket="updates", Key=f"some/prefix/{KEY}")
    client.close()
    assert s3_store.size(KEY) is None


def test_s3_bucket_is_never_made(s3: str, monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    _aws(monkeypatch, s3)
    store = open_store("s3://nobodys/x", Path("/"), _no_main)
    assert store.size(KEY) is None
    for _ in range(2):
        with pytest.raises(TenantplanError, match="bucket does not exist") as caught:
            store.put(KEY, package)
    assert caught.value.where == "s3://nobodys/x" and "not created for you" in caught.value.hint


def test_s3_without_credentials_or_server(s3: str, monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    _aws(monkeypatch, s3)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(TenantplanError, match="credentials") as caught:
        open_store("s3://updates", Path("/"), _no_main).put(KEY, package)
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint
    _aws(monkeypatch, f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(TenantplanError, match="connect") as caught:
        open_store("s3://updates", Path("/"), _no_main).put(KEY, package)
    assert "server runs" in caught.value.hint


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# GridFS


def documents(store: Store) -> SimpleNamespace:
    """What is in the bucket's two collections."""
    import pymongo

    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient("mongodb://localhost/updates")
    with client:
        database = client.get_default_database()
        files = list(database["update_packages.files"].find())
        return SimpleNamespace(files=files, chunks=database["update_packages.chunks"].count_documents({}))


def test_gridfs_shows_a_file_when_it_is_complete(mongodb_store: Store, package: Path) -> None:
    assert mongodb_store.url == "mongodb://anna:***@localhost/updates" and "geheim" not in repr(mongodb_store)
    seen = []

    class Watched(FailingPath):
        def open(self, *_: Any, **__: Any) -> Any:
            class Source(io.BytesIO):
                def read(self, size: int | None = -1) -> bytes:
                    seen.append(documents(mongodb_store))
                    return super().read(size)

            return Source(package.read_bytes())

    mongodb_store.delete(KEY)
    before = documents(mongodb_store)
    mongodb_store.put(KEY, Watched(package))
    assert all(len(moment.files) == len(before.files) for moment in seen)
    assert seen[-1].chunks > before.chunks
    assert [file["filename"] for file in documents(mongodb_store).files if file["filename"] == KEY] == [KEY]
    mongodb_store.delete(KEY)
    with pytest.raises(TenantplanError):
        mongodb_store.put(KEY, FailingPath(package))
    assert documents(mongodb_store).chunks == before.chunks


def test_gridfs_chunks_of_a_killed_upload_are_replaced(
    mongodb_store: Store, monkeypatch: pytest.MonkeyPatch, package: Path
) -> None:
    mongodb_store.delete(KEY)
    before = documents(mongodb_store)
    with monkeypatch.context() as killed:
        killed.setattr("gridfs.GridIn.abort", lambda upload: None)
        with pytest.raises(TenantplanError):
            mongodb_store.put(KEY, FailingPath(package))
    assert documents(mongodb_store).chunks > before.chunks
    mongodb_store.put(KEY, package)
    assert measure(mongodb_store.read(KEY)) == measure(package)
    mongodb_store.delete(KEY)
    assert documents(mongodb_store) == before


def test_gridfs_server_that_is_away(monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    pytest.importorskip("pymongo", reason="GridFS needs pymongo")
    monkeypatch.setattr(gridfs_store, "PATIENCE", 100)
    store = open_store(f"mongodb://anna:geheim@127.0.0.1:{closed_port()}/updates", Path("/"), _no_main)
    for act in (lambda: store.put(KEY, package), lambda: list(store.read(KEY)), lambda: store.size(KEY)):
        with pytest.raises(TenantplanError, match="refused") as caught:
            act()
        assert "geheim" not in str(caught.value) and caught.value.where.startswith("mongodb://anna:***@127.0.0.1")
        assert "server runs" in caught.value.hint


# What has to be installed


@pytest.mark.parametrize(
    ("url", "module"),
    [("gs://bucket", "gcsfs"), ("sftp://u:geheim@host/x", "paramiko"), ("mongodb://u:geheim@h/d", "pymongo")],
)
def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, url: str, module: str) -> None:
    for loaded in [name for name in sys.modules if name.partition(".")[0] == module or name.endswith(".sftp")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=f"needs {module}, which is not installed") as caught:
        open_store(url, Path("/"), _no_main)
    assert caught.value.hint == f"install it beside tenantplan: pip install {module}" and "geheim" not in str(
        caught.value
    )


def _no_main() -> Connection:
    raise AssertionError("this store has nothing to do with the main database")
