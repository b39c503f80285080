"""The command line: users, registration tokens, configuration check, help."""
import os
import re
import shutil
import subprocess

import pytest

from support import accounts
from support.client import Client, seconds
from support.server import binary, new_folder, wait_until

SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def belfry(*arguments, **more):
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=seconds(60), check=False, **more)


def login(server, name, password):
    return server.anonymous().post("/login", {
        "type": "m.login.password", "identifier": {"type": "m.id.user", "user": name}, "password": password}, token=False)


@pytest.fixture(scope="module")
def running():
    from support.server import Server
    server = Server().start()
    yield server
    server.destroy()


def run(server, *arguments, input=None):
    """A command on the server's folder that must succeed."""
    done = server.run(*arguments, input=input)
    assert done.returncode == 0, "%s: %s%s" % (" ".join(arguments), done.stdout, done.stderr)
    return done.stdout


# running, make_server: both start processes of their own
pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")


def test_user_add__with_password__can_log_in(running):
    run(running, "user", "add", "clara", "--password-stdin", input="clara words\n")
    assert login(running, "clara", "clara words").ok()["user_id"] == "@clara:hs1"


def test_user_add__without_password__prints_one_that_works(running):
    printed = run(running, "user", "add", "dora")
    assert any(login(running, "dora", word).status == 200 for word in printed.split())


def test_user_add__admin__is_admin(running):
    run(running, "user", "add", "chief", "--admin", "--password-stdin", input="chief words\n")
    line = next(line for line in run(running, "user", "list").splitlines() if "chief" in line)
    assert "admin" in line.lower()


def test_user_add__taken_or_invalid__refused(running):
    run(running, "user", "add", "taken", "--password-stdin", input="xx words\n")
    for name in ("taken", "not valid", "Käse", ""):
        done = running.run("user", "add", name, "--password-stdin", input="xx words\n")
        assert done.returncode != 0 and done.stderr, name


def test_user_add__display_name__others_see_it(running):
    run(running, "user", "add", "s1130201", "--name", "王小明", "--password-stdin", input="xx words\n")
    run(running, "user", "add", "s1130202", "--password-stdin", input="xx words\n")
    seen = accounts.register(running.url)
    for name, shown in (("s1130201", "王小明"), ("s1130202", "s1130202")):
        assert seen.get("/profile/@%s:hs1" % name).ok()["displayname"] == shown


def test_user_add__display_name_that_cannot_be__refused_and_no_account(running):
    for name in ("x" * 257, "\udcff"):
        done = running.run("user", "add", "unnamed", "--name", name, "--password-stdin", input="xx words\n")
        assert done.returncode == 1 and "display name" in done.stderr
    assert "@unnamed:" not in run(running, "user", "list")


def test_user_list__after_add__listed(running):
    run(running, "user", "add", "listed", "--password-stdin", input="xx words\n")
    assert "@listed:hs1" in run(running, "user", "list")


def test_user_password__changed__old_refused_sessions_end(running):
    run(running, "user", "add", "erna", "--password-stdin", input="old words\n")
    session = Client(running.url, login(running, "erna", "old words").ok()["access_token"])
    run(running, "user", "password", "erna", "--password-stdin", input="new words\n")
    login(running, "erna", "old words").expect(403)
    login(running, "erna", "new words").ok()
    wait_until(lambda: session.get("/account/whoami").errcode == "M_UNKNOWN_TOKEN", 60, "end of the session", 0.1)


def test_user_lock_and_suspend__done_and_lifted__shown_and_felt(running):
    user = accounts.register(running.url)
    run(running, "user", "suspend", user.user_id)
    wait_until(lambda: user.post("/createRoom").errcode == "M_USER_SUSPENDED", what="the suspension")
    assert "suspended" in next(row for row in run(running, "user", "list").splitlines() if user.user_id in row)
    run(running, "user", "lock", user.user_id)
    wait_until(lambda: user.get("/account/whoami").errcode == "M_USER_LOCKED", what="the lock")
    run(running, "user", "unlock", user.user_id)
    run(running, "user", "unsuspend", user.user_id)
    wait_until(lambda: user.post("/createRoom").status == 200, what="the end of both")


def test_user_deactivate__done__no_login_and_sessions_end(running):
    run(running, "user", "add", "fritz", "--password-stdin", input="xx words\n")
    session = Client(running.url, login(running, "fritz", "xx words").ok()["access_token"])
    run(running, "user", "deactivate", "fritz")
    login(running, "fritz", "xx words").expect(403)
    wait_until(lambda: session.get("/account/whoami").errcode == "M_UNKNOWN_TOKEN", 60, "end of the session", 0.1)


def test_user_admin__granted_and_taken__shown(running):
    run(running, "user", "add", "gina", "--password-stdin", input="xx words\n")

    def is_admin():
        line = next(line for line in run(running, "user", "list").splitlines() if "@gina:" in line)
        return "admin" in line.lower()
    assert not is_admin()
    run(running, "user", "admin", "gina", "on")
    assert is_admin()
    run(running, "user", "admin", "gina", "off")
    assert not is_admin()


@pytest.mark.parametrize("password", ["seven77", "一二三四五六七", ""])
def test_user_password_too_short__refused_like_in_a_client(running, password):
    """password.min_length counts characters, and for the command line too."""
    done = running.run("user", "add", "weak", "--password-stdin", input=password + "\n")
    assert done.returncode != 0 and "password" in done.stderr.lower(), done
    run(running, "user", "add", "strong" + str(len(password.encode())), "--password-stdin", input="eight888\n")
    done = running.run("user", "password", "strong" + str(len(password.encode())), "--password-stdin", input=password + "\n")
    assert done.returncode != 0 and "password" in done.stderr.lower(), done
    assert "weak" not in run(running, "user", "list").splitlines()


def test_user_password_made_up__as_long_as_the_policy_wants(make_server):
    server = make_server(settings={"password.min_length": "30"}).start()
    done = server.run("user", "add", "long", "--generate", settings={"server_name": server.server_name,
                                                                     "password.min_length": "30"})
    assert done.returncode == 0, done
    password = done.stdout.split("once:")[1].strip()
    assert len(password) >= 30


@pytest.mark.parametrize("command", [("password", "ghost", "--password-stdin"), ("deactivate", "ghost"), ("admin", "ghost", "on")])
def test_user__unknown__refused(running, command):
    done = running.run("user", *command, input="xx words\n")
    assert done.returncode != 0 and "ghost" in done.stderr


def test_user_commands__server_stopped__work_on_the_folder_too(make_server):
    server = make_server().start()
    server.terminate()
    run(server, "user", "add", "offline", "--password-stdin", input="xx words\n")
    assert "@offline:hs1" in run(server, "user", "list")
    server.start()
    login(server, "offline", "xx words").ok()


def test_token__created_listed_revoked(running):
    token = run(running, "token", "create", "--uses", "2").split()[-1]
    assert token in run(running, "token", "list")

    def valid():
        return running.anonymous().get("/_matrix/client/v1/register/m.login.registration_token/validity",
                                       {"token": token}, token=False).ok()["valid"]
    assert valid()
    run(running, "token", "revoke", token)
    assert not valid()


@pytest.mark.parametrize("settings, said", [
    (("registration.mode=closed",), "set registration.mode to token"),
    (("registration.mode=token",), None),
    (("registration.mode=token", "public_base_url=https://matrix.school.example/"),
     "https://matrix.school.example/_matrix/client/belfry/oauth/signup"),
    (("registration.mode=token", "public_base_url=https://matrix.school.example", "oauth.enabled=false"), None)])
def test_token_create__beside_the_token__says_where_it_is_of_use(running, settings, said):
    done = running.run("token", "create", *[word for one in settings for word in ("--set", one)])
    assert done.returncode == 0 and re.fullmatch(r"\S{16}\n", done.stdout), "scripts read it"
    assert said in done.stderr if said else done.stderr == ""


def test_token_revoke__unknown__refused(running):
    assert running.run("token", "revoke", "no-such-token").returncode != 0


# -- configuration

def config(text):
    folder = new_folder()
    path = os.path.join(folder, "belfry.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def test_config_check__good__ok_and_says_what_is_open_to_whom():
    path = config("server_name: school.example\nregistration:\n  mode: closed\n")
    done = belfry("config", "check", path)
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1:8008, for clients and servers, plain HTTP, open to this machine alone." in done.stdout
    done = belfry("config", "check", path, "--set", "listen.federation=*:8448", "--set", "listen.metrics=10.0.0.7:9008")
    assert "*:8448, for clients and servers, plain HTTP, open to whoever reaches this machine, by any network." in done.stdout
    assert "10.0.0.7:9008, for metrics, plain HTTP, open to whoever reaches this address." in done.stdout


def test_config_check__name_with_capitals__allowed_and_advised_against():
    """As the specification has it (appendices, "Server Name"); Synapse takes such a name without a word."""
    for name, is_told in (("School.Example", True), ("school.example:8448", False), ("[2001:DB8::1]", True), ("", False)):
        done = belfry("config", "check", config('server_name: "%s"\n' % name))
        assert done.returncode == 0 and ("server_name %s has capital letters" % name in done.stdout) == is_told, done


@pytest.mark.parametrize("key", ["listen.client", "listen.federation", "listen.metrics"])
def test_config_check__port_alone__refused_for_it_does_not_say_to_whom(key):
    """`listen.client=8008` was open to all networks, which nobody who leaves the address away asks for."""
    done = belfry("config", "check", config("server_name: school.example\n"), "--set", key + "=8008")
    assert done.returncode != 0
    assert key in done.stderr and "127.0.0.1:8008 (this machine alone)" in done.stderr and "*:8008 (all networks" in done.stderr


@pytest.mark.parametrize("text, line, word", [
    ("server_name: a.example\nno_such: 1\n", 2, "no_such"),
    ("server_name: a.example\nregistration:\n  mode: open\n  colour: red\n", 4, "colour"),
    ("server_name: a.example\nrate_limits:\n  enabled: 7\n", 3, "enabled"),
    ("server_name: a.example\nregistration:\n  mode: sometimes\n", 3, "mode"),
    ("server_name: a.example\nlisten:\n  client: nowhere\n", 3, "client"),
    ("server_name: [1]\n", 1, "server_name"),
    ("server_name: a.example\nserver_name: b.example\n", 2, "server_name"),
    ("server_name: a.example\n\tx: 1\n", 2, "never by tabs"),
], ids=lambda value: str(value)[:30])
def test_config_check__fault__file_line_and_key_named(text, line, word):
    path = config(text)
    done = belfry("config", "check", path)
    assert done.returncode != 0
    said = done.stderr + done.stdout
    assert "%s:%d" % (path, line) in said and word in said, said


def test_config_check__missing_file__named():
    done = belfry("config", "check", "/no/such/belfry.yaml")
    assert done.returncode != 0 and "/no/such/belfry.yaml" in done.stderr + done.stdout


def test_serve__port_taken__says_so_and_what_to_do(running):
    done = belfry("serve", "--quiet", "--data", new_folder(), "--set", "listen.client=%s" % running.url[len("http://"):])
    assert done.returncode != 0
    assert "Address already in use" in done.stderr and "stop that one" in done.stderr and "listen.client" in done.stderr


def test_serve__data_folder_that_is_a_file__named():
    path = config("")
    done = belfry("serve", "--data", path)
    assert done.returncode != 0 and "cannot make the data folder %s" % path in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another")
def test_commands__by_another_account__said_which_file_and_what_to_do(running, tmp_path):
    folder = new_folder()
    program = shutil.copy(binary(), folder)
    options = os.path.join(folder, "belfry.yaml")
    with open(options, "w", encoding="utf-8") as file:
        file.write("server_name: hs1\n")
    os.chmod(options, 0o600)
    for arguments, named in ((["user", "list", "--data", running.data], running.data), (["serve", "--data", running.data], running.data),
                             (["config", "check", options], options), (["user", "list", "--data", str(tmp_path)], str(tmp_path))):
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=seconds(60), check=False,
                              user="nobody", group="nogroup", extra_groups=[])
        assert done.returncode == 1 and "this account may not use %s;" % named in done.stderr and "as root or as the account of the server" in done.stderr, done.stderr
    shutil.rmtree(folder)


def test_config_file__used_by_serve__set_wins(make_server):
    path = config("server_name: file.example\nregistration:\n  mode: closed\n")
    server = make_server(settings={"server_name": None, "registration.mode": "open"})
    original = server.command()
    server.command = lambda: original[:2] + ["--config", path] + original[2:]
    server.start()
    assert accounts.register(server.url, "ann").user_id == "@ann:file.example"


def test_config__default_of_local_workers__is_what_was_measured():
    """It decides how many writes share a commit: with 8 a message cost 1.6 times as much. Whoever changes it measures anew, and says so there."""
    with open(os.path.join(SOURCES, "docs", "measurements.md"), encoding="utf-8") as file:
        measured = re.search(r"with (\d+) \(`http\.local_workers`\)", file.read())[1]
    row = next(line for line in belfry("config", "reference").stdout.splitlines() if "`http.local_workers`" in line)
    assert row.split("|")[3].strip() == "`%s`" % measured


# -- help

@pytest.mark.parametrize("arguments", [("--help",), ("serve", "--help"), ("user", "--help"), ("token", "--help"),
                                       ("config", "--help")], ids=" ".join)
def test_help__asked__usage_on_stdout_and_status_0(arguments):
    done = belfry(*arguments)
    assert done.returncode == 0 and "usage" in done.stdout.lower(), done


def test_help__serve__names_the_keys_of_the_harness():
    text = belfry("serve", "--help").stdout
    for key in ("server_name", "listen.client", "listen.federation", "tls.certificate", "tls.key", "federation.ca_file",
                "registration.mode", "registration.shared_secret", "rate_limits.enabled", "appservices.folder",
                "rooms.default_version", "network.allow_addresses", "database.url"):
        assert key in text, key


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("user",), ("user", "nonsense"), ("serve", "--nonsense"),
                                       ("token", "nonsense")], ids=lambda value: " ".join(value) or "none")
def test_arguments__wrong__status_not_0_and_usage_on_stderr(arguments):
    done = belfry(*arguments)
    assert done.returncode != 0 and done.stderr


@pytest.mark.parametrize("word", ["version", "--version", "-V"])
def test_version__asked__printed(word):
    done = belfry(word)
    assert done.returncode == 0 and done.stdout.startswith("belfry ")
    for wrong in ("--frobnicate", "more"):
        done = belfry(word, wrong)
        assert done.returncode == 2 and wrong in done.stderr and not done.stdout
