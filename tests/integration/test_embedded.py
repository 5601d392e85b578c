"""The embedded server, as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tenantplan.errors import SettingsError
from tenantplan.postgres import embedded
from tenantplan.postgres.account import Account, let_run

pytestmark = pytest.mark.once

NOBODY = Account(65534, 65534)
ROOT = os.geteuid() == 0

# Loads all it needs before it becomes an ordinary user, for whom this Python may be out of reach.
_ENSURE = """
import fcntl, hashlib, json, os, pathlib, shutil, subprocess, sys, tempfile
from tenantplan.errors import SettingsError
from tenantplan.postgres import embedded
embedded.binary("postgres")
if len(sys.argv) > 2:
    os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))
try:
    print(json.dumps(embedded.ensure(pathlib.Path(sys.argv[1]))))
except SettingsError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="session", autouse=True)
def _the_wheel(pg_version: int) -> None:
    if pg_version != embedded.MAJOR:
        pytest.skip(f"the embedded server is PostgreSQL {embedded.MAJOR}: it is tested in that run")
    try:
        embedded.binary("postgres")
    except SettingsError as reason:
        pytest.skip(reason.message)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that others can pass through, unlike pytest's."""
    made = Path(tempfile.mkdtemp(prefix="tp-emb-"))
    made.chmod(0o755)
    yield made
    for file in made.rglob("postmaster.pid"):
        embedded.stop(file.parent)
    shutil.rmtree(made)


def _start_in_a_process(data: Path, account: Account | None = None) -> subprocess.Popen[str]:
    arguments = [str(account.uid), str(account.gid)] if account else []
    return subprocess.Popen(
        [sys.executable, "-c", _ENSURE, str(data), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_starts_on_demand_as_a_role_without_superuser(folder: Path) -> None:
    data = folder / ".tenantplan" / "postgres"
    assert not embedded.running(data)
    params = embedded.ensure(data)
    assert embedded.running(data)
    with psycopg.connect(make_conninfo(**params)) as connection:
        role = connection.execute(
            "SELECT rolname, rolcanlogin, rolcreatedb, rolcreaterole, rolsuper, rolbypassrls, rolreplication"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert role == ("tenantplan", True, True, True, False, False, False)
        assert connection.info.server_version // 10000 == 18
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SHOW max_connections").fetchone() == ("200",)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_data_outlive_a_stop(folder: Path) -> None:
    data = folder / "postgres"
    with psycopg.connect(make_conninfo(**embedded.ensure(data)), autocommit=True) as connection:
        connection.execute("CREATE DATABASE kept")
    assert embedded.stop(data)
    assert not embedded.running(data)
    assert not embedded.stop(data)
    with psycopg.connect(make_conninfo(**embedded.ensure(data) | {"dbname": "kept"})) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("kept",)


def test_the_server_outlives_the_process_that_started_it(folder: Path) -> None:
    code, out, err = _ended(_start_in_a_process(folder / "postgres"))
    assert code == 0, err
    with psycopg.connect(make_conninfo(**json.loads(out))) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_running_server_is_found_within_5_ms(folder: Path) -> None:
    embedded.ensure(folder / "postgres")
    times = []
    for _ in range(20):
        before = time.perf_counter()
        embedded.ensure(folder / "postgres")
        times.append(time.perf_counter() - before)
    assert sorted(times)[len(times) // 2] < 0.005


def test_processes_that_start_it_at_once_all_get_it(folder: Path) -> None:
    results = [_ended(process) for process in [_start_in_a_process(folder / "postgres") for _ in range(3)]]
    assert [code for code, _, _ in results] == [0, 0, 0], results
    assert len({out for _, out, _ in results}) == 1


def test_after_a_crash_it_starts_again(folder: Path) -> None:
    data = folder / "postgres"
    embedded.ensure(data)
    pid = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text():
        time.sleep(0.01)
    assert not embedded.running(data)
    with psycopg.connect(make_conninfo(**embedded.ensure(data))) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_process_id_that_is_somebody_elses_by_now_is_no_server(folder: Path) -> None:
    """A container that restarts gives the dead server's process id to another process."""
    data = folder / "postgres"
    embedded.ensure(data)
    lines = (data / "postmaster.pid").read_text().splitlines()
    embedded.stop(data)
    (data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    if ROOT:
        os.chown(data / "postmaster.pid", data.stat().st_uid, data.stat().st_gid)
    assert not embedded.running(data)
    embedded.ensure(data)
    assert embedded.running(data)


def test_a_half_made_cluster_is_made_anew(folder: Path) -> None:
    (folder / "postgres.new" / "base").mkdir(parents=True)
    embedded.ensure(folder / "postgres")
    assert not (folder / "postgres.new").exists()


@pytest.mark.parametrize("name", ["x" * 120, "a,b", 'qu"ote', "sp ace", "naïve", "a$(false)`b'c"])
def test_a_path_that_no_socket_can_have_gets_a_private_folder(folder: Path, name: str) -> None:
    data = folder / name / "postgres"
    data.parent.mkdir()
    params = embedded.ensure(data)
    place = Path(params["host"])
    try:
        assert not place.is_relative_to(folder)
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert embedded.ensure(data) == params  # the fast way finds it too
        with psycopg.connect(make_conninfo(**params)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("tenantplan",)
    finally:
        embedded.stop(data)
    assert not place.exists()


def test_a_socket_folder_made_by_somebody_else_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = folder / ("x" * 120) / "postgres"
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    params = embedded.ensure(data)
    embedded.stop(data)
    planted = Path(params["host"])
    planted.mkdir()
    planted.chmod(0o777)
    with pytest.raises(SettingsError, match="belongs to another user"):
        embedded.ensure(data)


def test_a_copy_of_the_folder_is_not_taken_for_the_server(folder: Path) -> None:
    embedded.ensure(folder / "postgres")
    subprocess.run(["cp", "-a", folder / "postgres", folder / "copy"], check=True, stderr=subprocess.DEVNULL)
    assert not embedded.running(folder / "copy")
    with pytest.raises(SettingsError, match="moved or copied"):
        embedded.ensure(folder / "copy")
    (folder / "copy" / "postmaster.pid").unlink()


def test_variables_of_postgres_do_not_steer_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    assert embedded.ensure(folder / "postgres")["port"] == "5432"


def test_data_of_another_version_are_refused(folder: Path) -> None:
    data = folder / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("16\n")
    with pytest.raises(SettingsError, match="PostgreSQL 16's"):
        embedded.ensure(data)


def test_a_folder_that_is_no_cluster_is_left_alone(folder: Path) -> None:
    data = folder / "postgres"
    data.mkdir()
    (data / "mine.txt").write_text("mine")
    with pytest.raises(SettingsError, match="cannot use this folder"):
        embedded.ensure(data)
    assert (data / "mine.txt").read_text() == "mine"


def test_a_failed_start_shows_the_servers_last_words(folder: Path) -> None:
    data = folder / "postgres"
    embedded.ensure(data)
    embedded.stop(data)
    with open(data / "postgresql.conf", "a") as conf:
        conf.write("no_such_setting = 1\n")
    with pytest.raises(SettingsError, match="no_such_setting") as caught:
        embedded.ensure(data)
    assert "TENANTPLAN_MAIN_URL" in caught.value.hint


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError) as caught:
        embedded.binary("psql")
    assert "pip install 'tenantplan[embedded]'" in caught.value.hint


def test_psql_of_the_wheel_reaches_it(folder: Path) -> None:
    params = embedded.ensure(folder / "postgres")
    place = [f"--{name}={params[key]}" for name, key in (("host", "host"), ("port", "port"), ("username", "user"))]
    said = subprocess.run(
        [embedded.binary("psql"), *place, "-Atc", "SELECT 42", "postgres"], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "42"


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
def test_as_an_ordinary_user(folder: Path) -> None:
    let_run(embedded.binary("postgres"), NOBODY)
    os.chown(folder, NOBODY.uid, NOBODY.gid)
    code, out, err = _ended(_start_in_a_process(folder / "home" / "postgres", NOBODY))
    assert code == 0, err
    assert (folder / "home" / "postgres").stat().st_uid == NOBODY.uid
    with psycopg.connect(make_conninfo(**json.loads(out))) as connection:  # root reaches it as well
        assert connection.execute("SELECT current_user").fetchone() == ("tenantplan",)
    assert embedded.stop(folder / "home" / "postgres")
    embedded.ensure(folder / "home" / "postgres")  # started by root, it still runs as the owner of the data
    assert (folder / "home" / "postgres" / "postmaster.pid").stat().st_uid == NOBODY.uid


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
def test_another_users_server_is_refused_clearly(folder: Path) -> None:
    let_run(embedded.binary("postgres"), NOBODY)
    embedded.ensure(folder / "postgres")
    code, _, err = _ended(_start_in_a_process(folder / "postgres", NOBODY))
    assert code == 1
    assert "belongs to another system user" in err
    assert "Traceback" not in err


@pytest.mark.skipif(not ROOT, reason="only root runs postgres as another user")
def test_root_in_a_private_folder_lets_the_server_pass_and_no_more(folder: Path) -> None:
    private = folder / "home"
    private.mkdir(mode=0o700)
    embedded.ensure(private / "fleet" / "postgres")
    assert stat.S_IMODE(private.stat().st_mode) == 0o701


def test_a_stale_socket_is_no_server(folder: Path) -> None:
    data = folder / "postgres"
    params = embedded.ensure(data)
    lines = (data / "postmaster.pid").read_text()
    embedded.stop(data)
    (data / "postmaster.pid").write_text(lines)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(f"{params['host']}/.s.PGSQL.5432")
    assert not embedded.running(data)
    if ROOT:
        os.chown(data / ".s.PGSQL.5432", data.stat().st_uid, data.stat().st_gid)
    embedded.ensure(data)
    assert embedded.running(data)
