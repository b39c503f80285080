"""With which servers a school's server federates, changed while it runs; and who may change it."""
import pytest

from support import accounts
from support.client import quote
from support.handshake import Guest
from support.inbox import Inbox
from support.server import wait_until

ADMIN = "/_belfry/admin/v1/federation"


def asks(server, remote):
    """The remote asks something that is signed: the reply."""
    return remote.send(server, "GET", "/query/profile?user_id=" + quote("@nobody:" + server.server_name))


def is_in(server, remote):
    return asks(server, remote).expect((404, 403)).status == 404


def asked(server, user, remote):
    """Our server asks the remote for a profile: what its user gets."""
    return user.get("/_matrix/client/v3/profile/" + quote("@x%d:%s" % (len(remote.asked), remote.name)))


def command(server, *words):
    done = server.run("federation", *words, settings={})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def server(make_federated):
    return make_federated().start()


def test_policy__changed_by_command__follows_without_a_restart(server, make_remote):
    partner, other = make_remote(), make_remote()
    user = server.user()
    assert is_in(server, partner) and is_in(server, other)
    assert "Policy: open" in command(server, "status")
    command(server, "policy", "partners")
    wait_until(lambda: not is_in(server, partner), 20, "the server follows")
    assert asks(server, other).expect(403, "M_FORBIDDEN")["error"] == "This server does not federate with " + other.name
    command(server, "allow", partner.name)
    wait_until(lambda: is_in(server, partner), 20, "the partner is let in")
    assert not is_in(server, other)
    said = [server.run("federation", "check", remote.name, settings={}).stdout.splitlines()[0] for remote in (partner, other)]
    assert "allowed" in said[0] and "refused" in said[1]
    partner.on("GET", "/_matrix/federation/v1/query/profile", lambda ask: (200, {"displayname": "P"}))
    other.on("GET", "/_matrix/federation/v1/query/profile", lambda ask: (200, {"displayname": "O"}))
    before = len(other.asked)
    assert asked(server, user, partner).ok()["displayname"] == "P"
    asked(server, user, other).expect((403, 404))
    assert len(other.asked) == before, "who is no partner is not asked either"
    command(server, "remove", partner.name)
    wait_until(lambda: not is_in(server, partner), 20, "no partner any more")
    command(server, "policy", "configured")
    wait_until(lambda: is_in(server, other), 20, "open again")


def test_status__policy_of_the_options__says_which_the_command_can_see(make_federated):
    server = make_federated(settings={"federation.policy": "closed"}).start()
    beside = server.data + "/belfry.yaml"
    said = command(server, "status")
    assert "Policy: open" in said and beside in said, "its --set is seen by nobody else"
    with open(beside, "w", encoding="utf-8") as file:
        file.write("federation:\n  policy: closed\n")
    said = command(server, "status")
    assert "Policy: closed" in said and beside not in said
    assert beside not in command(server, "policy", "partners"), "what is set in the database holds for all"


def test_policy__denied_server__refused_though_open(server, make_remote):
    good, bad = make_remote(), make_remote()
    command(server, "deny", bad.name)
    wait_until(lambda: not is_in(server, bad), 20, "the server follows")
    assert is_in(server, good)
    assert "deny   " + bad.name in command(server, "list")


def test_policy__closed__nobody_and_no_keys_asked(server, remote):
    command(server, "policy", "closed")
    wait_until(lambda: server.log().count("policy=closed"), 20, "the server follows")
    asks(server, remote).expect(403, "M_FORBIDDEN")
    reply = server.anonymous().request("GET", "/_matrix/key/v2/query/" + remote.name, token=False).ok()
    assert reply["server_keys"] == [] and remote.asked == []


def test_policy__survives_a_start_and_wins_over_the_configuration(server, remote):
    command(server, "policy", "closed")
    server.terminate()
    server.start()
    asks(server, remote).expect(403, "M_FORBIDDEN")


def test_policy__configured__partners_by_pattern(make_federated, make_remote):
    partner, other = make_remote(), make_remote()
    server = make_federated(settings={"federation.policy": "partners",
                                      "federation.partners": "127.0.0.1:%s*,*.school.example" % partner.name[10:]}).start()
    assert is_in(server, partner) and not is_in(server, other)


def test_command__odd_words__says_what_is_wrong(server):
    for words in (("policy", "half"), ("allow", "a b"), ("remove", "nobody.example"), ("check", "a b"), ("allow",), ("x",), ()):
        done = server.run("federation", *words, settings={})
        assert done.returncode in (1, 2) and done.stderr, words
    assert "examples:" in server.run("federation", "--help", settings={}).stdout


def test_administrator__changes_it__at_once(server, remote):
    admin = accounts.register_by_secret(server.url, server.secret, admin=True)
    assert admin.get(ADMIN).ok().json == {"policy": "open", "is_configured": True, "servers": []}
    admin.put(ADMIN, {"policy": "partners"}).ok()
    assert not is_in(server, remote)
    admin.put(ADMIN + "/servers/" + quote(remote.name), {"rule": "allow"}).ok()
    assert is_in(server, remote)
    admin.put(ADMIN + "/servers/" + quote("*"), {"rule": "deny"}).ok()
    assert not is_in(server, remote)
    assert admin.get(ADMIN).ok().json == {"policy": "partners", "is_configured": False, "servers": [
        {"pattern": "*", "rule": "deny", "is_configured": False},
        {"pattern": remote.name, "rule": "allow", "is_configured": False}]}
    admin.delete(ADMIN + "/servers/" + quote("*")).ok()
    assert is_in(server, remote)
    admin.delete(ADMIN + "/servers/" + quote("*")).expect(404, "M_NOT_FOUND")
    admin.put(ADMIN + "/servers/" + quote("a b"), {"rule": "allow"}).expect(400, "M_INVALID_PARAM")
    admin.put(ADMIN + "/servers/x", {"rule": "perhaps"}).expect(400, "M_INVALID_PARAM")
    admin.put(ADMIN, {"policy": "half"}).expect(400, "M_INVALID_PARAM")
    admin.put(ADMIN, {}).ok()
    assert admin.get(ADMIN).ok()["is_configured"] is True
    server.user().put(ADMIN, {"policy": "closed"}).expect(403, "M_FORBIDDEN")


# -- what waits for who is let in

@pytest.fixture
def waiting(make_federated, remote):
    """A room with a user of the remote, which is no partner any more when something is said: (server, alice, room, inbox)."""
    server = make_federated(settings={"federation.retry_longest": "4h"}).start()
    inbox = Inbox(remote)
    alice = server.user()
    room = alice.create_room(preset="public_chat")
    Guest(remote, server, room).join("@zoe:" + remote.name)
    alice.send(room, "before")
    inbox.until(lambda i: "before" in i.bodies())
    command(server, "policy", "partners")
    wait_until(lambda: not is_in(server, remote), 20, "the server follows")
    alice.send(room, "while refused")
    wait_until(lambda: " failing " in server.run("destinations", "list", settings={}).stdout, 20, "it is refused")
    return server, alice, room, inbox


def test_policy__allowed_by_command__what_waits_goes_out_at_once(waiting, remote):
    server, alice, room, inbox = waiting
    command(server, "allow", remote.name)
    inbox.until(lambda i: "while refused" in i.bodies())
    alice.send(room, "after")
    inbox.until(lambda i: "after" in i.bodies())


def test_policy__allowed_by_an_administrator__what_waits_goes_out_at_once(waiting, remote):
    server, _, _, inbox = waiting
    admin = accounts.register_by_secret(server.url, server.secret, admin=True)
    admin.put(ADMIN + "/servers/" + quote("127.0.0.1*"), {"rule": "allow"}).ok()
    inbox.until(lambda i: "while refused" in i.bodies())


def test_policy__allowed_by_the_configuration__goes_out_after_the_start(waiting, remote):
    server, _, _, inbox = waiting
    server.terminate()
    server.settings["federation.partners"] = remote.name
    server.start()
    inbox.until(lambda i: "while refused" in i.bodies())


def test_policy__another_server_allowed__who_is_refused_still_waits(waiting, remote, make_remote):
    server, alice, room, inbox = waiting
    other = make_remote()
    command(server, "allow", other.name)
    wait_until(lambda: is_in(server, other), 20, "the server follows")
    assert not is_in(server, remote)
    assert "while refused" not in inbox.bodies()
    command(server, "allow", remote.name)
    inbox.until(lambda i: "while refused" in i.bodies())
