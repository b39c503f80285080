"""A copy made by packaging/backup/belfry-backup while the server runs, put back by belfry-restore: everything is there, and goes on."""
import hashlib
import os
import re
import shutil
import subprocess

import pytest

from support import accounts
from support.client import Client, seconds, unique
from support.database import ROOT, Cluster
from support.keys import Device
from support.server import binary

FILE = b"a timetable"


def run(name, *arguments, cwd=None, path=None, program=None):
    """`path`: a folder whose programs come before others; `program`: in place of Belfry."""
    search = os.environ["PATH"] if path is None else "%s:%s" % (path, os.environ["PATH"])
    return subprocess.run([os.path.join(ROOT, "packaging", "backup", name), *arguments], capture_output=True, text=True, cwd=cwd,
                          env={**os.environ, "BELFRY": program or binary(), "PATH": search}, timeout=seconds(60), check=False)


def tool(name, *arguments, cwd=None):
    done = run(name, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_line_for_cron__is_found_by_its_path():
    """cron looks into /usr/bin and /bin only, and says to nobody that it found nothing."""
    with open(os.path.join(ROOT, "docs", "backup.md"), encoding="utf-8") as file:
        said = file.read()
    with open(os.path.join(ROOT, "packaging", "backup", "belfry-backup"), encoding="utf-8") as file:
        said += file.read()
    folder = re.search(r"install -m 0755 packaging/backup/belfry-\* (\S+)/\n", said).group(1)
    programs = re.findall(r"15 2 \* \* \* +belfry +(\S+)", said)
    assert programs == [folder + "/belfry-backup"] * 2


@pytest.fixture
def database(request):
    """Of its own; None: the private one in the data folder."""
    if request.param == "private":
        yield None
        return
    with Cluster() as cluster:
        yield cluster.url


def emptied(url):
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", url, "-c", "SET client_min_messages = error",
                    "-c", "DROP SCHEMA public CASCADE", "-c", "CREATE SCHEMA public"], timeout=seconds(30), check=True)


@pytest.mark.parametrize("database", ["private", "own"], indirect=True)
def test_copy_put_back__on_another_machine__history_files_keys_and_sessions_are_there(make_server, database):
    name = unique("hs")
    settings = {"database.url": database} if database else {}
    lost = make_server(server_name=name, settings=settings).start()
    user, other = accounts.register(lost.url), accounts.register(lost.url)
    room = user.create_room(invite=[other.user_id])
    other.join(room).ok()
    kept = user.send(room, "kept")
    file = user.request("POST", "/_matrix/media/v3/upload", raw=FILE, headers={"Content-Type": "text/plain"}).ok()["content_uri"]
    keys = Device(other)
    identity = keys.identity()
    other.post("/keys/upload", {"device_keys": identity, "one_time_keys": keys.one_time(5)}).ok()
    copies = os.path.join(lost.root, "copies")
    copy = tool("belfry-backup", lost.data, copies, *([database] if database else []))
    user.send(room, "after the copy")
    since = other.sync().since
    lost.terminate()
    safe = os.path.join(os.path.dirname(lost.root), os.path.basename(lost.root) + "-copies")
    shutil.move(copies, safe)
    lost.destroy()
    if database:
        emptied(database)

    server = make_server(server_name=name, settings=settings)
    said = tool("belfry-restore", os.path.basename(copy), os.path.relpath(server.data, safe), *([database] if database else []), cwd=safe)
    assert said == "The server can be started."
    shutil.rmtree(safe)
    server.start()
    user, other = (Client(server.url, one.token, one.user_id, one.device_id) for one in (user, other))
    assert [event["event_id"] for event in user.history(room) if event["type"] == "m.room.message"] == [kept]
    assert user.get("/_matrix/client/v1/media/download/" + file[len("mxc://"):]).ok().raw == FILE
    queried = user.post("/keys/query", {"device_keys": {other.user_id: []}}).ok()
    assert queried["device_keys"][other.user_id][other.device_id]["keys"] == identity["keys"]
    fresh = user.send(room, "and on it goes")
    live = other.sync(since)
    assert live.joined(room).ids() == [fresh], "whoever saw what is lost gets what is new"
    assert live["device_one_time_keys_count"].get("signed_curve25519", 0) == 0, "one may be used up that the copy still has"


def test_copy_put_back__below_a_folder_that_the_database_may_not_enter_and_with_a_long_name__is_there(make_server, tmp_path):
    """As in /root, where who starts a server as root unpacks it. PostgreSQL then listens where its path alone leads nobody."""
    inside = tmp_path / ("long-" + 100 * "x")
    (inside / "lost").mkdir(mode=0o700, parents=True)
    (inside / "server").mkdir()
    name = unique("hs")
    lost = make_server(folder=str(inside / "lost"), server_name=name, processes=1).start()
    user = accounts.register(lost.url)
    room = user.create_room()
    kept = user.send(room, "kept")
    copy = tool("belfry-backup", "lost/data", str(inside / "copies"), cwd=inside)
    lost.terminate()
    server = make_server(folder=str(inside / "server"), server_name=name, processes=1)
    assert tool("belfry-restore", copy, "server/data", cwd=inside) == "The server can be started."
    server.start()
    assert kept in [event["event_id"] for event in Client(server.url, user.token, user.user_id, user.device_id).history(room)]


def test_copy_put_back__of_an_older_version__is_brought_up_to_date(make_server, tmp_path):
    """On a new machine the version is today's, and its tables rest on those of the copy."""
    folder, newest = os.path.join(ROOT, "migrations"), 70
    with Cluster() as cluster:
        cluster.sql("CREATE TABLE schema_migrations (number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
                    " applied_at timestamptz NOT NULL DEFAULT now())")
        for name in sorted(os.listdir(folder))[:newest]:
            with open(os.path.join(folder, name), "rb") as file:
                text = file.read()
            cluster.sql(text.decode())
            cluster.sql("INSERT INTO schema_migrations (number, name, sha256) VALUES (%d, '%s', '%s')" % (
                int(name[:4]), name.removesuffix(".sql"), hashlib.sha256(text).hexdigest()))
        subprocess.run(["pg_dump", "--format=custom", "--file=%s" % (tmp_path / "belfry.dump"), "--dbname=" + cluster.url],
                       timeout=seconds(60), check=True)
    (tmp_path / "server_name").write_text("hs1\n")
    server = make_server(server_name="hs1", processes=1)
    assert tool("belfry-restore", str(tmp_path), server.data) == "The server can be started."
    server.start()
    assert int(server.sql("SELECT max(number) FROM schema_migrations")) > newest
    accounts.register(server.url)


@pytest.mark.skipif(os.getuid() != 0, reason="who is not root cannot become another account")
def test_copy_put_back__by_root_where_another_made_it__is_there(make_server):
    """The keys keep their account, and the folder is root's: so nobody but root can be the server."""
    name = unique("hs")
    lost = make_server(server_name=name, processes=1).start()
    user = accounts.register(lost.url)
    room = user.create_room()
    copy = tool("belfry-backup", lost.data, os.path.join(lost.root, "copies"))
    lost.terminate()
    for file in os.listdir(copy):
        shutil.chown(os.path.join(copy, file), "nobody")
    server = make_server(server_name=name, processes=1)
    assert tool("belfry-restore", copy, server.data) == "The server can be started."
    server.start()
    assert Client(server.url, user.token, user.user_id, user.device_id).history(room)


@pytest.mark.skipif(os.getuid() != 0, reason="who is not root cannot become another account")
def test_copy__by_another_account__said_who_may(make_server):
    server = make_server().start()
    script = shutil.copy(os.path.join(ROOT, "packaging", "backup", "belfry-backup"), server.root)
    done = subprocess.run([script, server.data, "/nowhere"], capture_output=True, text=True, user="nobody", group="nogroup", extra_groups=[],
                          timeout=seconds(30), check=False)
    assert done.returncode == 1 and "that nobody may read" in done.stderr and "by the account that the server has" in done.stderr, done.stderr


def test_copy_put_back__privately_with_options_that_name_another_database__that_one_is_left_alone(make_server, tmp_path):
    """A trial, beside a school whose database lives: or after its death, when nobody answers there."""
    name = unique("hs")
    lost = make_server(server_name=name, processes=1).start()
    user = accounts.register(lost.url)
    copy = tool("belfry-backup", lost.data, os.path.join(lost.root, "copies"))
    with open(os.path.join(copy, "belfry.yaml"), "w", encoding="utf-8") as file:
        file.write("server_name: %s\ndatabase:\n  url: postgresql://belfry@127.0.0.1:1/none\n" % name)
    trial = tmp_path / "trial"
    done = run("belfry-restore", copy, str(trial))
    assert done.returncode == 0 and "take it out" in done.stderr, done.stderr
    listed = subprocess.run([binary(), "user", "list", "--data", str(trial), "--set", "database.url="], capture_output=True, text=True,
                            timeout=seconds(30), check=False)
    assert user.user_id in listed.stdout, listed.stderr


def test_copy_put_back__into_a_database_that_is_not_empty__refused_and_nothing_is_touched(tmp_path):
    data, copy = tmp_path / "data", tmp_path / "copy"
    copy.mkdir()
    with Cluster() as cluster:
        cluster.sql("CREATE EXTENSION pg_trgm; CREATE VIEW of_an_extension AS SELECT 1; DROP VIEW of_an_extension")
        cluster.sql("CREATE TABLE rooms (of_another text); INSERT INTO rooms VALUES ('program')")
        assert subprocess.run(["pg_dump", "--format=custom", "--file", str(copy / "belfry.dump"), "--dbname", cluster.url],
                              timeout=seconds(30), check=False).returncode == 0
        done = run("belfry-restore", str(copy), str(data), cluster.url)
        assert done.returncode == 1 and "not empty (1 in postgres" in done.stderr and "createdb -O belfry -E UTF8 --locale=C" in done.stderr, done.stderr
        assert not data.exists() and cluster.sql("SELECT of_another FROM rooms") == "program"
        done = run("belfry-restore", str(copy), str(data), cluster.url.replace("postgres?", "nowhere?"))
        assert done.returncode != 0 and '"nowhere" does not exist' in done.stderr and not data.exists(), done.stderr


def test_copy_put_back__breaks_off_in_a_database_of_its_own__that_is_empty_still(tmp_path):
    data, copy = tmp_path / "data", tmp_path / "copy"
    copy.mkdir()
    with Cluster() as cluster:
        cluster.sql("CREATE TABLE twice (n integer); INSERT INTO twice VALUES (1); CREATE TABLE words (w text); INSERT INTO words VALUES ('a')")
        cluster.sql("CREATE SCHEMA broken; CREATE FUNCTION broken.late() RETURNS integer LANGUAGE SQL AS 'SELECT n FROM public.twice'")
        dump = copy / "belfry.dump"
        assert subprocess.run(["pg_dump", "--format=custom", "--file", str(dump), "--dbname", cluster.url],
                              timeout=seconds(30), check=False).returncode == 0
        cluster.sql("DROP SCHEMA broken CASCADE; DROP TABLE twice, words")
        dump.write_bytes(dump.read_bytes()[:-40])
        done = run("belfry-restore", str(copy), str(data), cluster.url)
        assert done.returncode != 0 and "nothing was restored" in done.stderr, done.stderr
        assert cluster.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == "0"


def test_copy_put_back__by_a_program_that_is_not_there_or_fails__said_what_became_of_the_database(tmp_path):
    data, copy, program = tmp_path / "data", tmp_path / "copy", tmp_path / "belfry"
    copy.mkdir()
    with Cluster() as cluster:
        cluster.sql("CREATE TABLE words (w text)")
        assert subprocess.run(["pg_dump", "--format=custom", "--file", str(copy / "belfry.dump"), "--dbname", cluster.url],
                              timeout=seconds(30), check=False).returncode == 0
        cluster.sql("DROP TABLE words")
        done = run("belfry-restore", str(copy), str(data), cluster.url, program=str(program))
        assert done.returncode == 1 and "nothing was touched" in done.stderr and not data.exists(), done.stderr
        assert cluster.sql("SELECT to_regclass('words')") == ""
        program.write_text("#!/bin/sh\necho 'no memory' >&2\nexit 1\n")
        program.chmod(0o755)
        done = run("belfry-restore", str(copy), str(data), cluster.url, program=str(program))
        assert done.returncode == 1 and "no memory" in done.stderr and "the database holds the copy already" in done.stderr, done.stderr
        assert os.listdir(data) == [] and cluster.sql("SELECT to_regclass('words')") == "words"


def test_copy_put_back__that_is_none_or_broken__nothing_is_left_that_would_start_as_an_empty_server(tmp_path):
    data, broken = tmp_path / "data", tmp_path / "broken"
    done = run("belfry-restore", str(tmp_path / "missing"), str(data))
    assert done.returncode == 1 and "there is no belfry.dump in" in done.stderr and not data.exists()
    broken.mkdir()
    (broken / "belfry.dump").write_text("cut off")
    (broken / "server_name").write_text("hs1\n")
    (broken / "signing.key").write_text("ed25519 a_AAAA %s\n" % ("A" * 43))
    done = run("belfry-restore", str(broken), str(data))
    assert done.returncode != 0 and "nothing was restored" in done.stderr
    assert os.listdir(data) == []
    (data / "media").mkdir()
    (data / "media" / "kept").write_text("of a server whose other disk broke")
    done = run("belfry-restore", str(broken), str(data))
    assert done.returncode == 1 and "(media)" in done.stderr
    assert os.listdir(data) == ["media"] and os.listdir(data / "media") == ["kept"]


def test_copy_put_back__ended_in_the_middle__nothing_is_left_and_what_was_there_stays(tmp_path):
    data, copy, programs = tmp_path / "the data", tmp_path / "copies" / "of a night", tmp_path / "programs"
    for folder in (data, copy, programs, tmp_path / "copies" / "media"):
        folder.mkdir(parents=True)
    (data / "belfry.yaml").write_text("# this machine's\n")
    for name in ("belfry.dump", "signing.key", "belfry.yaml"):
        (copy / name).write_text("of the copy\n")
    (programs / "pg_restore").write_text("#!/bin/sh\nkill -TERM $PPID\nexit 0\n")
    (programs / "psql").write_text("#!/bin/sh\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    done = run("belfry-restore", str(copy), str(data), "postgresql:///nowhere", path=programs)
    assert done.returncode == 143 and "nothing was restored" in done.stderr
    assert os.listdir(data) == ["belfry.yaml"] and "this machine's" in (data / "belfry.yaml").read_text()
