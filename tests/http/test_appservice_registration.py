"""Application services: registering them, by command and by folder.  Spec: application-service API, "Registration"."""
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.client import Client, seconds, unique
from support.server import wait_until


def name(prefix):
    return unique(prefix).replace("-", "_")


@pytest.fixture
def quiet(make_appservice):
    """Makes services to which nothing is sent, with namespaces of their own."""
    def make(label="svc", **more):
        return make_appservice(label, listens=False, **more)
    return make


def add(server, service, *options):
    return server.run("appservice", "add", service.write(server.root), *options)


def refused(server, service, *words):
    done = add(server, service)
    assert done.returncode == 1, done.stdout
    for word in words:
        assert word in done.stderr, done.stderr


def until_unknown(service, server):
    wait_until(lambda: service.client(server).get("/account/whoami").status == 401, what="the service is forgotten")


# -- by command

def test_add__while_the_server_runs__known_without_a_restart_and_its_sender_there(bridged, quiet):
    service = quiet()
    service.client(bridged).get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")
    done = add(bridged, service)
    assert done.returncode == 0 and service.id in done.stdout and service.user_id(bridged) in done.stdout
    service.wait_known(bridged)
    assert service.client(bridged).create_room()


def test_add__again__says_that_nothing_changed(bridged, quiet):
    service = quiet()
    assert "Added" in add(bridged, service).stdout
    assert "Nothing has changed" in add(bridged, service).stdout


def test_add__same_id_with_other_content__only_with_replace(bridged, quiet):
    service = quiet(users=["@_old_%s.*" % name("x")])
    service.register(bridged)
    old_token, service.as_token = service.as_token, unique("as-token")
    refused(bridged, service, "'%s' is registered already" % service.id, "--replace")
    assert "Replaced" in add(bridged, service, "--replace").stdout
    service.wait_known(bridged)
    Client(bridged.url, old_token).get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")


def test_add__namespace_made_smaller__users_outside_it_are_lost(bridged, quiet):
    stem = name("_small")
    service = quiet(users=["@%s.*" % stem]).register(bridged)
    ghost = service.ghost(bridged, stem + "_x")
    service.namespaces["users"] = []
    assert add(bridged, service, "--replace").returncode == 0
    wait_until(lambda: ghost.get("/account/whoami").status == 403, what="the user is lost")


def test_remove__registered__its_token_ends_and_its_users_stay(bridged, quiet):
    service = quiet(users=["@_gone_.*"]).register(bridged)
    ghost = service.ghost(bridged, name("_gone_"))
    assert bridged.run("appservice", "remove", service.id).returncode == 0
    until_unknown(service, bridged)
    ghost.get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")
    watcher = accounts.register(bridged.url)
    watcher.get("/profile/" + ghost.user_id).ok()
    assert "no application service" in bridged.run("appservice", "remove", service.id).stderr
    service.register(bridged)  # its sender is there already, and nobody else's
    ghost.get("/account/whoami").ok()


def test_remove__while_a_sync_of_its_user_waits__401(bridged, quiet):
    service = quiet(users=["@_waits_.*"]).register(bridged)
    ghost, person = service.ghost(bridged, name("_waits_")), accounts.register(bridged.url)
    room = person.create_room(preset="public_chat")
    ghost.join(room).ok()
    since = ghost.sync().since
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ghost.get, "/sync", {"since": since, "timeout": 20000})
        assert bridged.run("appservice", "remove", service.id).returncode == 0
        until_unknown(service, bridged)
        person.send(room, "wake up")
        waiting.result(seconds(30)).expect(401, "M_UNKNOWN_TOKEN")


def test_list__services__with_address_sender_and_namespaces(bridged, quiet):
    service = quiet(users=["@_list_.*"], rooms=[("!list", False)]).register(bridged)
    text = bridged.run("appservice", "list").stdout
    assert service.id in text and service.user_id(bridged) in text
    assert "@_list_.*  (exclusive)" in text and "!list\n" in text
    assert service.as_token not in text and service.hs_token not in text


@pytest.mark.parametrize("arguments", [[], ["add"], ["add", "a", "b"], ["list", "x"], ["remove"], ["ping"], ["paint"]])
def test_command__wrong_words__usage(bridged, arguments):
    assert bridged.run("appservice", *arguments).returncode == 2


def test_add__no_such_file_or_not_yaml__says_so(bridged, quiet):
    assert "no such file" in bridged.run("appservice", "add", bridged.root + "/nowhere.yaml").stderr
    path = os.path.join(bridged.root, "bad.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("id: x\nurl: null\nsender_localpart: [1]\n")
    assert "%s:3: sender_localpart must be a text" % path in bridged.run("appservice", "add", path).stderr


def test_tokens__not_in_the_log_and_only_ours_in_the_database(bridged, quiet):
    service = quiet().register(bridged)
    rows = bridged.sql("select * from appservices")
    assert service.as_token not in rows and service.as_token not in bridged.log()
    assert service.hs_token in rows and service.hs_token not in bridged.log()


# -- what does not go together

def test_conflict__same_token__refused(bridged, quiet):
    one, two = quiet().register(bridged), quiet()
    two.as_token = one.as_token
    refused(bridged, two, "its as_token is that of '%s' already" % one.id)


def test_conflict__same_exclusive_namespace__refused(bridged, quiet):
    users, aliases = "@%s.*" % name("_u"), "#%s.*" % name("_a")
    one = quiet(users=[users], aliases=[aliases]).register(bridged)
    refused(bridged, quiet(users=[users]), "exclusive namespace of users", users, one.id)
    refused(bridged, quiet(aliases=[aliases]), "exclusive namespace of aliases", aliases, one.id)
    quiet(users=[(users, False)], aliases=[(aliases, False)]).register(bridged)


def test_conflict__same_sender__refused(bridged, quiet):
    one = quiet().register(bridged)
    refused(bridged, quiet(sender_localpart=one.sender_localpart), "sender", one.id)


def test_conflict__sender_in_the_others_exclusive_namespace__refused(bridged, quiet):
    stem = name("_own")
    quiet(users=["@%s.*" % stem]).register(bridged)
    refused(bridged, quiet(sender_localpart=stem + "_bot"), "exclusive namespace")
    sender = name("_late")
    quiet(sender_localpart=sender).register(bridged)
    refused(bridged, quiet(users=["@%s.*" % sender]), "exclusive namespace")


def test_conflict__sender_is_a_person__refused(bridged, quiet):
    person = accounts.register(bridged.url)
    localpart = person.user_id[1:].partition(":")[0]
    refused(bridged, quiet(sender_localpart=localpart), "there is a user %s already" % person.user_id)
    done = bridged.run("user", "deactivate", localpart)
    assert done.returncode == 0
    refused(bridged, quiet(sender_localpart=localpart), "who was deactivated")


def test_overlap__of_exclusive_namespaces__each_is_kept_from_the_other(bridged, quiet):
    stem = name("_both")
    one = quiet(users=["@%s.*" % stem]).register(bridged)
    two = quiet(users=["@%s_x.*" % stem]).register(bridged)
    body = {"type": "m.login.application_service", "username": stem + "_x1", "inhibit_login": True}
    one.client(bridged).post("/register", body).expect(400, "M_EXCLUSIVE")
    two.client(bridged).post("/register", body).expect(400, "M_EXCLUSIVE")
    one.ghost(bridged, stem + "_y")


# -- by folder, at the start

def folder_of(server):
    folder = os.path.join(server.root, "appservices")
    os.makedirs(folder, exist_ok=True)
    server.settings["appservices.folder"] = folder
    return folder


def test_folder__at_the_start__added_and_replaced(make_server, quiet):
    server = make_server()
    folder = folder_of(server)
    one, two = quiet("one"), quiet("two")
    one.write(folder)
    two.write(folder, "two.yml")
    with open(os.path.join(folder, "notes.txt"), "w", encoding="utf-8") as file:
        file.write("no registration")
    server.start()
    for service in (one, two):
        service.client(server).get("/account/whoami").ok()
    server.terminate()
    old_token, one.as_token = one.as_token, unique("as-token")
    one.write(folder)
    os.unlink(os.path.join(folder, "two.yml"))
    server.start()
    one.client(server).get("/account/whoami").ok()
    two.client(server).get("/account/whoami").ok()  # leaves by command only
    Client(server.url, old_token).get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")


def ends_with(server, *words):
    server.launch()
    assert server.process.wait(60) != 0
    for word in words:
        assert word in server.log(), server.log()


def test_folder__with_a_bad_file__stops_the_start_with_file_and_line(make_server, quiet):
    server = make_server()
    folder = folder_of(server)
    service = quiet()
    path = service.write(folder, "a.yaml")
    registration = {**service.registration, "namespaces": {"users": [{"regex": "(", "exclusive": True}]}}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(registration, file, indent=1)
    line = 1 + next(i for i, text in enumerate(open(path, encoding="utf-8")) if '"regex"' in text)
    ends_with(server, "%s:%d: '(' is no regular expression" % (path, line))
    service.write(folder, "a.yaml")
    service.as_token = unique("as-token")
    service.write(folder, "b.yaml")
    ends_with(server, "b.yaml: its id '%s' is that of" % service.id)
    server.settings["appservices.folder"] = folder + "/nowhere"
    ends_with(server, "appservices.folder: %s/nowhere is not there" % folder)


# -- rate limits

@pytest.mark.one_process("each process gives out its share of a limit, one request at the least")
def test_rate_limits__of_services__only_for_users_of_those_that_want_them(make_server, quiet):
    server = make_server(settings={"rate_limits.enabled": "true", "rate_limits.message.per_minute": "1",
                                   "rate_limits.message.burst": "1", "rate_limits.register.per_minute": "1",
                                   "rate_limits.register.burst": "1", "rate_limits.join.per_minute": "1000"}).start()
    limited = quiet(users=["@_limited_.*"]).register(server)
    free = quiet(users=["@_free_.*"], rate_limited=False).register(server)
    ghosts = [limited.ghost(server, "_limited_a"), free.ghost(server, "_free_a"), free.ghost(server, "_free_b")]
    spam = [[who.put_event(room, "m.room.message", {"msgtype": "m.text", "body": "x"}).status for _ in range(3)]
            for who, room in ((who, who.create_room()) for who in (*ghosts[:2], limited.client(server)))]
    assert spam == [[200, 429, 429], [200, 200, 200], [200, 200, 200]]
