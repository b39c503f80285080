"""belfry serve: options, one server a folder, accounts it runs under, what it refuses, speed of starting."""
import contextlib
import glob
import http.client
import os
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import time

import psycopg2
import pytest

from support import accounts, ed25519
from support.client import Client, seconds
from support.database import Cluster
from support.processes import once_within
from support.server import Server, binary, free_port, new_folder, wait_until

pytestmark = pytest.mark.one_process("how one process starts and ends")


def ended(server, limit=30):
    """Exit status of a server that must not come up."""
    server.launch()
    return server.process.wait(seconds(limit))


def test_serve__fresh_folder__ready_and_right_server_name(make_server):
    server = make_server(server_name="school.example").start()
    user = accounts.register(server.url, "ann")
    assert user.user_id == "@ann:school.example"
    keys = server.anonymous().get("/_matrix/key/v2/server", token=False).ok()
    assert keys["server_name"] == "school.example"


def test_serve__fresh_folder_with_cached_template__ready_within_a_second(make_server):
    make_server().start().terminate()
    times = []
    for _ in range(3):
        server = make_server()
        start = time.monotonic()
        server.start()
        times.append(time.monotonic() - start)
        server.destroy()
    assert min(times) < seconds(15), times  # measured on a quiet machine: docs/performance.md


def test_serve__existing_folder__ready_soon(make_server):
    server = make_server().start()

    def again():
        server.terminate()
        start = time.monotonic()
        server.start()
        return time.monotonic() - start
    once_within(0.8, again)


def test_serve__another_has_all_leases__consumers_have_their_rows(make_server):
    """A name that is new begins where the stream was when the first process started with it, whoever runs it first."""
    with Cluster() as cluster:
        server = make_server(settings={"database.url": cluster.url}).start()
        server.terminate()
        names = cluster.sql("SELECT name FROM consumers ORDER BY name")
        assert "outbox" in names and "pushers" in names
        with contextlib.closing(psycopg2.connect(cluster.url)) as other:
            other.autocommit = True
            other.cursor().execute("SELECT pg_advisory_lock(hashtextextended('consumer ' || name, 0)) FROM consumers")
            cluster.sql("DELETE FROM consumers")
            server.start()
            assert cluster.sql("SELECT name FROM consumers ORDER BY name") == names
        server.terminate()


def test_serve__at_rest__only_what_was_asked_for_is_loaded(make_server):
    """Those of search, school calendars, feeds, previews and encrypting bots, and what these stand on."""
    late = re.compile(r"/lib(?:icu\w+|stemmer|xml2|olm)\.so")
    server = make_server().start()

    def loaded():
        with open("/proc/%d/maps" % server.process.pid, encoding="utf-8") as file:
            return sorted(set(late.findall(file.read())))

    assert loaded() == []
    ann = accounts.register(server.url, "ann")
    room = ann.create_room()
    ann.send(room, "\uff28\uff25\uff2c\uff2c\uff2f")  # full width: only normalization tells that it is "hello"
    wait_until(lambda: "/libicuuc.so" in loaded(), 30, "the message being made searchable")
    assert not {"/libxml2.so", "/libolm.so"} & set(loaded())


@pytest.mark.parametrize("name", ["libicuuc", "libicui18n", "libstemmer", "libxml2", "libolm"])
def test_serve__library_of_later_missing__said_at_the_start(make_server, tmp_path, name):
    with open(binary(), "rb") as file:
        soname = re.search(rb"%s\.so\.\w+" % name.encode(), file.read()).group().decode()
    (tmp_path / soname).write_bytes(b"no library")
    server = make_server()
    server.environment["LD_LIBRARY_PATH"] = str(tmp_path)
    assert ended(server) == 1
    assert "library.missing name=%s" % soname in server.log()
    assert "A library is missing" in server.log()


def test_serve__same_folder_twice__second_refused_first_lives(make_server):
    first = make_server().start()
    second = Server(folder=first.root)
    second.log_path = os.path.join(first.root, "second.log")
    try:
        assert ended(second) != 0
        assert first.data in second.log()
        assert first.process.poll() is None and first.answers()
        accounts.register(first.url)
    finally:
        if second.process.poll() is None:
            second.process.kill()


def test_serve__address_in_use__refused_with_its_name(make_server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        server = make_server(settings={"listen.client": address})
        assert ended(server) != 0
        assert address in server.log()
    assert not os.path.exists(os.path.join(server.data, "postgres", "postmaster.pid"))


def test_serve__several_servers_at_once__apart(make_server):
    servers = [make_server(server_name="hs%d" % number).start() for number in range(3)]
    for server in servers:
        accounts.register(server.url, "same")
        assert server.anonymous().get("/_matrix/key/v2/server", token=False).ok()["server_name"] == server.server_name


@pytest.mark.parametrize("settings, words", [
    ({"no.such.key": "1"}, "no.such.key"), ({"rate_limits.enabled": "perhaps"}, "rate_limits.enabled"),
    ({"listen.client": "nonsense"}, "listen.client"), ({"registration.mode": "sometimes"}, "registration.mode"),
    ({"server_name": "not a name"}, "server_name"), ({"rooms.default_version": "99"}, "rooms.default_version"),
], ids=str)
def test_serve__bad_setting__refused_and_named(make_server, settings, words):
    server = make_server(settings=settings)
    assert ended(server) != 0
    assert words in server.log()
    assert not os.path.exists(os.path.join(server.data, "postgres", "postmaster.pid"))


def test_serve__no_server_name__refused_or_default(make_server):
    server = make_server(settings={"server_name": None})
    server.launch()
    wait_until(lambda: server.process.poll() is not None or server.answers(), 30, "an end or a start")
    if server.process.poll() is not None:
        assert "server_name" in server.log()


def test_serve__server_name_changed_on_existing_folder__refused(make_server):
    """User ids and events carry the name: another one on the same data would break them all."""
    server = make_server(server_name="first.example").start()
    accounts.register(server.url)
    server.terminate()
    server.settings["server_name"] = "second.example"
    assert ended(server) != 0
    assert "first.example" in server.log() or "second.example" in server.log()
    server.settings["server_name"] = "first.example"
    server.start()


def test_serve__harness_line__works_as_written(make_server):
    """The line of the first issue, word for word, with a listener for federation."""
    root = new_folder()
    key, certificate, extra = (os.path.join(root, name) for name in ("tls.key", "tls.pem", "appservices"))
    os.mkdir(extra)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "30", "-keyout", key, "-out", certificate, "-subj", "/CN=hs1",
                    "-addext", "subjectAltName=IP:127.0.1.1,DNS:hs1"], check=True, capture_output=True)
    for path in (key, certificate):
        os.chmod(path, 0o644)
    port, tls_port = free_port(), free_port()
    server = make_server(folder=root, defaults=False, settings={
        "server_name": "hs1", "listen.client": "127.0.1.1:%d" % port, "listen.federation": "127.0.1.1:%d" % tls_port,
        "tls.certificate": certificate, "tls.key": key, "federation.ca_file": certificate,
        "registration.mode": "open", "registration.shared_secret": "SECRET-of-the-line", "rate_limits.enabled": "false",
        "appservices.folder": extra, "rooms.default_version": "11", "network.allow_addresses": "127.0.0.0/8"})
    server.url = "http://127.0.1.1:%d" % port
    server.start()
    user = accounts.register(server.url, "ann")
    assert user.user_id == "@ann:hs1"
    assert user.get_state(user.create_room(), "m.room.create").ok()["room_version"] == "11"
    accounts.register_by_secret(server.url, "SECRET-of-the-line", "boss", admin=True)
    context = ssl.create_default_context(cafile=certificate)
    connection = http.client.HTTPSConnection("127.0.1.1", tls_port, context=context, timeout=seconds(10))
    for path in ("/_matrix/client/versions", "/_matrix/key/v2/server"):
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200
        response.read()
    assert "SECRET-of-the-line" not in server.log()


def test_serve__first_start__administrators_password_printed_once(make_server):
    """Without a shared secret the first start makes an administrator, whose password it prints once."""
    server = make_server(settings={"registration.shared_secret": None}).start()
    server.terminate()
    first = server.log()
    server.start()
    words = {word.strip(".,:;'\"") for line in first.splitlines() if "password" in line.lower() for word in line.split()}
    working = [word for word in words if len(word) >= 8 and any(server.anonymous().post("/login", {
        "type": "m.login.password", "identifier": {"type": "m.id.user", "user": name}, "password": word},
        token=False).status == 200 for name in ("admin", "administrator"))]
    server.terminate()
    assert len(working) == 1, first
    assert first.count(working[0]) == 1 and working[0] not in server.log()[len(first):]


def test_serve__name_with_capitals__advised_against_while_it_can_be_changed(make_server):
    server = make_server(server_name="Hs.example").start()
    assert accounts.register(server.url).user_id.endswith(":Hs.example")
    assert server.log().count("serve.capital_name server_name=Hs.example") == 1
    assert server.terminate() == 0
    server.start()
    assert server.log().count("serve.capital_name") == 1


def test_serve__first_start_in_a_folder_with_a_name_of_several_words__command_for_more_accounts_works_as_printed(make_server):
    server = make_server(settings={"registration.shared_secret": None})
    server.data = os.path.join(server.root, "學校 Lin's data")
    server.binary = os.path.join(server.root, "Lin's programs", "belfry")
    os.mkdir(os.path.dirname(server.binary))
    os.symlink(binary(), server.binary)
    server.start()
    line = wait_until(lambda: re.search(r"^ +(\S.* user add NAME .*)$", server.log(), re.M), 30, "the box")[1]
    done = subprocess.run(["sh", "-c", line.replace("NAME", "lin") + " --generate"], capture_output=True, text=True, timeout=seconds(60), check=False)
    assert done.returncode == 0 and "@lin:" in done.stdout, done.stderr


def test_serve__keys__valid_signature(make_server):
    server = make_server(server_name="keys.example").start()
    keys = server.anonymous().get("/_matrix/key/v2/server", token=False).ok().json
    for key_id, entry in keys["verify_keys"].items():
        assert ed25519.verify_json(keys, "keys.example", key_id, entry["key"])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_serve__started_as_root__database_runs_as_another_account(make_server):
    server = make_server().start()
    for pid in server.database_pids():
        assert os.stat("/proc/%d" % pid).st_uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another")
def test_serve__started_as_ordinary_user__works(make_server):
    account = pwd.getpwnam("nobody")
    root = new_folder()
    program = os.path.join(root, "belfry")
    shutil.copy(binary(), program)
    os.chmod(program, 0o755)
    os.chown(root, account.pw_uid, account.pw_gid)
    server = make_server(folder=root)
    command = server.command()
    command[0] = program
    with open(server.log_path, "wb") as log:
        server.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=root, user=account.pw_uid,
            group=account.pw_gid, extra_groups=[], start_new_session=True,
            env={"PATH": os.environ["PATH"], "HOME": root})
    server.wait_ready()
    accounts.register(server.url)
    assert os.stat("/proc/%d" % server.database_pid()).st_uid == account.pw_uid
    assert server.terminate() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another")
def test_root__in_the_folder_of_another__becomes_that_one_and_leaves_nothing_of_its_own(make_server):
    """As a new signing key, which the server could not read."""
    account = pwd.getpwnam("nobody")
    server = make_server()
    os.makedirs(server.data, exist_ok=True)
    for folder in (server.root, server.data):
        os.chown(folder, account.pw_uid, account.pw_gid)
    server.start()
    with open("/proc/%d/status" % server.process.pid, encoding="utf-8") as file:
        assert {"Uid:\t" + "\t".join(4 * [str(account.pw_uid)]), "Gid:\t" + "\t".join(4 * [str(account.pw_gid)])} <= set(file.read().splitlines())
    assert "serve.account account=nobody was=root" in server.log()
    assert server.run("user", "add", "lin", "--generate").returncode == 0
    server.terminate()
    for command in (["key", "rotate"], ["user", "add", "chen", "--generate"], ["restored"], ["migrate"]):
        done = server.run(*command)
        assert done.returncode == 0, done.stderr
    everything = [os.path.join(folder, name) for folder, _, names in os.walk(server.data) for name in [".", *names]]
    assert [path for path in everything if os.lstat(path).st_uid != account.pw_uid] == []
    server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another")
def test_root__started_the_server_in_the_folder_of_another__goes_on_as_root(make_server):
    """Its keys are root's: who becomes the other could not read them."""
    server = make_server().start()
    server.terminate()
    account = pwd.getpwnam("nobody")
    os.chown(server.data, account.pw_uid, account.pw_gid)
    assert server.run("user", "add", "lin", "--generate").returncode == 0
    server.start()


def give(path, account):
    """The file, or the folder and all below it."""
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            os.lchown(os.path.join(folder, name), account.pw_uid, account.pw_gid)
    os.lchown(path, account.pw_uid, account.pw_gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another")
@pytest.mark.parametrize("part, owner", [("signing.key", "root"), ("secrets.key", "root"), ("media/??/??/*", "root"), ("postgres", "postgres")])
def test_root__where_not_all_is_the_other_ones__goes_on_as_root(make_server, part, owner):
    """As where root served before, or put a copy back: the other could not use what is root's, or the database's."""
    server = make_server().start()
    user = accounts.register(server.url)
    file = user.request("POST", "/_matrix/media/v3/upload", raw=b"a timetable", headers={"Content-Type": "text/plain"}).ok()["content_uri"]
    server.terminate()
    give(server.data, pwd.getpwnam("nobody"))
    [path] = glob.glob(os.path.join(server.data, part))
    give(path, pwd.getpwnam(owner))
    server.start()
    assert os.stat("/proc/%d" % server.process.pid).st_uid == 0 and "serve.account" not in server.log()
    assert user.get("/_matrix/client/v1/media/download/" + file[len("mxc://"):]).ok().raw == b"a timetable"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another")
def test_root__in_a_folder_that_its_owner_may_not_enter__goes_on_as_root(make_server):
    """As below /root."""
    account = pwd.getpwnam("nobody")
    server = make_server()
    os.makedirs(server.data)
    os.chown(server.data, account.pw_uid, account.pw_gid)
    os.chmod(server.root, 0o700)
    server.start()
    assert os.stat("/proc/%d" % server.process.pid).st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another")
def test_root__that_became_another__looks_into_no_home_of_root(make_server):
    """libpq refuses a database behind TLS where it may not see whether there is a certificate of its own."""
    account = pwd.getpwnam("nobody")
    with socket.create_server(("127.0.0.1", 0)) as database:
        database.settimeout(seconds(30))
        server = make_server(processes=1, settings={
            "database.url": "postgresql://belfry@127.0.0.1:%d/belfry?sslmode=require&gssencmode=disable" % database.getsockname()[1]})
        os.makedirs(server.data)
        os.chown(server.data, account.pw_uid, account.pw_gid)
        server.environment["HOME"] = os.path.join(server.root, "home")
        os.mkdir(server.environment["HOME"], 0o700)
        server.launch()
        connection, _ = database.accept()
        with connection:
            connection.settimeout(seconds(30))
            connection.recv(8)
            connection.sendall(b"S")
            assert connection.recv(1) == b"\x16", "no handshake of TLS"
    server.terminate()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another")
def test_command_by_root__log_of_the_database_is_new__is_its_accounts(make_server):
    """It is moved away when it is large; what root made in its place kept the server from starting."""
    account = pwd.getpwnam("nobody")
    server = make_server()
    os.makedirs(server.data)
    os.chown(server.data, account.pw_uid, account.pw_gid)
    server.start()
    server.terminate()
    os.unlink(os.path.join(server.data, "postgres.log"))
    assert server.run("user", "add", "lin", "--generate").returncode == 0
    assert os.stat(os.path.join(server.data, "postgres.log")).st_uid == account.pw_uid
    server.start()


def test_serve__programs_of_the_database__started_by_their_paths(make_server):
    """By their names they find each other only where somebody has put links into the PATH."""
    server = make_server().start()
    with open("/proc/%d/cmdline" % server.database_pid(), "rb") as file:
        program = file.read().split(b"\0")[0]
    assert os.path.isabs(program) and os.path.basename(program) == b"postgres"


def test_serve__database__keeps_its_heap_between_statements(make_server):
    """What a sort of 100 KiB takes at the heap's end is not given back to the system and asked for again, page by page, each time."""
    server = make_server().start()
    stat = "SELECT pg_read_file('/proc/self/stat')"
    sort = "SELECT count(*) FROM (SELECT g FROM generate_series(1, 1500) g ORDER BY -g OFFSET 0) t"
    rounds = 100
    lines = server.sql("; ".join([sort] * rounds + [stat] + [sort] * rounds + [stat])).splitlines()
    faults = [int(line.rpartition(")")[2].split()[7]) for line in lines if "postgres" in line]
    assert len(faults) == 2 and faults[1] - faults[0] < 5 * rounds


def test_serve__database__no_tcp_listener(make_server):
    """A private cluster listens on a Unix socket only."""
    server = make_server().start()
    pids = set(server.database_pids())
    inodes = set()
    for pid in pids:
        folder = "/proc/%d/fd" % pid
        for name in os.listdir(folder):
            try:
                target = os.readlink(os.path.join(folder, name))
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    for table in ("tcp", "tcp6"):
        with open("/proc/net/" + table, encoding="ascii") as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                assert not (fields[3] == "0A" and fields[9] in inodes), "the database listens on TCP: " + line


def test_serve__data_folder__not_readable_by_others(make_server):
    server = make_server().start()
    assert os.stat(os.path.join(server.data, "postgres")).st_mode & 0o077 == 0


# -- migrations

def migration_table(server):
    found = server.sql("select table_name from information_schema.columns where column_name = 'applied_at'"
                       " and table_schema not in ('pg_catalog', 'information_schema')").split()
    assert len(found) == 1, found
    return found[0]


def columns(server, table):
    return server.sql("select column_name from information_schema.columns where table_name = '%s'"
                      " order by ordinal_position" % table).split()


def number_column(server, table):
    return next(name for name in columns(server, table) if name in ("number", "version", "id", "migration"))


def refused_then(server, change, undo, words):
    """Makes a change in the database while the server is down; the start is refused; undone, it works again."""
    server.sql(change)
    server.terminate()
    size = len(server.log())
    assert ended(server) != 0
    said = server.log()[size:]
    assert any(word in said.lower() for word in words), said
    with server.database_alone():
        server.sql(undo)
    server.start()


def test_serve__migration_edited__refused_before_anything_is_touched(make_server):
    server = make_server().start()
    table = migration_table(server)
    column = number_column(server, table)
    kind = server.sql("select data_type from information_schema.columns where table_name = '%s'"
                      " and column_name = 'sha256'" % table).strip()
    flip = {"bytea": "set_byte(sha256, 0, 255 - get_byte(sha256, 0))"}.get(
        kind, "reverse(sha256)")
    change = "update %s set sha256 = %s where %s = (select min(%s) from %s)" % (table, flip, column, column, table)
    refused_then(server, change, change, ("sha256", "edited", "changed", "differs"))


def test_serve__database_newer_than_the_program__refused(make_server):
    server = make_server().start()
    table = migration_table(server)
    column = number_column(server, table)
    names = columns(server, table)
    values = ", ".join("9999" if name == column else name for name in names)
    change = "insert into %s (%s) select %s from %s where %s = (select max(%s) from %s)" % (
        table, ", ".join(names), values, table, column, column, table)
    refused_then(server, change, "delete from %s where %s = 9999" % (table, column), ("newer", "9999", "unknown"))


def test_metrics__own_listener__prometheus_text_and_not_on_the_client_listener(make_server):
    port = free_port()
    server = make_server(settings={"listen.metrics": "127.0.0.1:%d" % port}).start()
    listens = "serve.listens on=\"127.0.0.1:%d, for metrics, plain HTTP, open to this machine alone\"" % port
    wait_until(lambda: listens in server.log(), what="the log, which says so once all listeners are open")
    user = accounts.register(server.url)
    user.send(user.create_room())
    reply = Client("http://127.0.0.1:%d" % port).http.raw("GET", "/metrics")
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/plain")
    text = reply.raw.decode()
    assert re.search(r"^belfry_\w+(\{[^}]*\})? [0-9.e+-]+$", text, re.MULTILINE)
    assert user.user_id not in text and "hs1" not in re.sub(r"server_name=\"[^\"]*\"", "", text)
    server.anonymous().get("/metrics", token=False, check=False).expect(404)


def test_http__idle_connections__do_not_keep_others_out(make_server):
    server = make_server().start()
    idle = []
    try:
        for _ in range(200):
            idle.append(socket.create_connection(("127.0.0.1", server.port), timeout=5))
        for connection in idle[:50]:
            connection.sendall(b"GET /_matrix/client/versions HTTP/1.1\r\nHost:")

        def ask():
            start = time.monotonic()
            server.anonymous().get("/_matrix/client/versions", token=False).ok()
            return time.monotonic() - start
        once_within(2, ask)
    finally:
        for connection in idle:
            connection.close()
