"""Networks behind bridges: their protocols, and who and what is found there.
Spec: application-service API, "Third-party networks"; client-server API, "Third-party networks"."""
import urllib.parse

import pytest

from support import accounts
from support.appservice import AppService
from support.client import Http, of_whole_index, unique
from support.server import Server

APP = "/_matrix/app/v1/thirdparty"
OLD = "/_matrix/app/unstable/thirdparty"


@pytest.fixture(scope="module")
def server():
    server = Server().start()
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def alice(server):
    return accounts.register(Http(server.url))


@pytest.fixture
def bridge(server):
    """Makes bridges of the test's own."""
    made = []

    def make(*protocols):
        service = AppService("net", users=["@_%s_.*" % unique("n")], protocols=list(protocols)).register(server)
        made.append(service)
        return service
    yield make
    for service in made:
        server.run("appservice", "remove", service.id)
        service.stop()


def described(*networks, **more):
    return {"user_fields": ["network", "nick"], "location_fields": ["network", "channel"], "icon": "mxc://x.example/icon",
            "field_types": {name: {"regexp": ".+", "placeholder": name} for name in ("network", "nick", "channel")},
            "instances": [{"network_id": network, "desc": network.title(), "fields": {"network": network}}
                          for network in networks], **more}


def tells(service, protocol, answer, status=200):
    service.on("GET", "%s/protocol/%s" % (APP, protocol), lambda ask: (status, answer))


def test_protocols__of_two_bridges__instances_of_both_with_their_ids(server, alice, bridge):
    irc, only = unique("irc"), unique("xmpp")
    first, second = bridge(irc), bridge(irc, only)
    tells(first, irc, described("libera", extra="kept"))
    tells(second, irc, described("oftc"))
    tells(second, only, described())
    every = alice.get("/thirdparty/protocols").ok().json
    assert {irc, only} <= set(every)
    assert every[only]["instances"] == []
    instances = {one["network_id"]: one for one in every[irc]["instances"]}
    assert set(instances) == {"libera", "oftc"}
    assert instances["libera"]["instance_id"] == first.id + "|libera"
    assert instances["oftc"]["instance_id"] == second.id + "|oftc"
    assert alice.get("/thirdparty/protocol/" + irc).ok().json == every[irc]
    ask = first.wait_for(lambda ask: ask.path == "%s/protocol/%s" % (APP, irc))
    assert ask.headers["authorization"] == "Bearer " + first.hs_token


@pytest.mark.one_process("each process remembers by itself what a service has answered")
def test_protocol__asked_again__from_memory(alice, bridge):
    name = unique("p")
    service = bridge(name)
    tells(service, name, described("net"))
    for _ in range(3):
        alice.get("/thirdparty/protocol/" + name).ok()
    assert len([ask for ask in service.asks if ask.path.endswith("/protocol/" + name)]) == 1


@pytest.mark.parametrize("answer", [
    [], {}, b"no json", described("x", icon=None), described("x", user_fields="nick"), described("x", instances=[{"desc": "no id"}]),
    described("x", field_types={"network": {"regexp": 1}}), described("x", padding="x" * 70000),
], ids=["array", "empty", "no_json", "icon", "fields", "instance", "types", "large"])
def test_protocol__nonsense__left_out(alice, bridge, answer):
    name = unique("p")
    tells(bridge(name), name, answer)
    alice.get("/thirdparty/protocol/" + name).expect(404, "M_NOT_FOUND")
    assert name not in alice.get("/thirdparty/protocols").ok().json


def test_protocol__one_bridge_fails__the_other_is_told(alice, bridge):
    name = unique("p")
    first, second, third = bridge(name), bridge(name), bridge(name)
    tells(first, name, {}, 500)
    first.on("GET", OLD, lambda ask: (500, {}))
    second.stop()
    tells(third, name, described("net"))
    told = alice.get("/thirdparty/protocol/" + name).ok().json
    assert [one["network_id"] for one in told["instances"]] == ["net"]


def test_protocol__of_nobody__404(alice, bridge):
    service = bridge(unique("p"))
    alice.get("/thirdparty/protocol/" + unique("q")).expect(404, "M_NOT_FOUND")
    assert not service.asks


def test_protocol__older_service__asked_at_the_older_path(alice, bridge):
    name = unique("p")
    service = bridge(name)
    service.on("GET", "/", lambda ask: (404, {"errcode": "M_UNRECOGNIZED"}))
    service.on("GET", "%s/protocol/%s" % (OLD, name), lambda ask: (200, described("old")))
    assert alice.get("/thirdparty/protocol/" + name).ok()["instances"][0]["network_id"] == "old"


@pytest.mark.parametrize("kind, key", [("location", "alias"), ("user", "userid")])
def test_matches__fields_go_to_the_bridges_of_the_protocol__found_ones_come_back(alice, bridge, kind, key):
    name = unique("p")
    first, second, other = bridge(name), bridge(name), bridge(unique("p"))
    good = [{key: "x%d" % i, "protocol": name, "fields": {"n": "v"}} for i in range(2)]
    first.on("GET", "%s/%s/%s" % (APP, kind, name), lambda ask: (200, [good[0], {key: 7}, "nonsense"]))
    second.on("GET", "%s/%s/%s" % (APP, kind, name), lambda ask: (200, [good[1]]))
    query = {"network": "a&b=c", "channel": "#\u6821\u5712"}
    found = alice.get("/thirdparty/%s/%s?%s" % (kind, name, urllib.parse.urlencode(query))).ok().json
    assert sorted(found, key=lambda one: one[key]) == good
    assert first.wait_for(lambda ask: "/%s/" % kind in ask.path).query == query
    assert not other.asks


def test_matches__access_token_in_the_query__not_passed_on(alice, bridge):
    name = unique("p")
    service = bridge(name)
    service.on("GET", APP, lambda ask: (200, []))
    for spelled in ("access_token", "access%5Ftoken"):
        alice.get("/thirdparty/user/%s?nick=x&%s=%s&network=y" % (name, spelled, alice.token), token=False)
    assert service.asks and all(ask.query == {"nick": "x", "network": "y"} for ask in service.asks)
    assert not any(alice.token in ask.target for ask in service.asks)


@pytest.mark.parametrize("kind, key", [("location", "alias"), ("user", "userid")])
def test_matches_of_an_id__every_bridge_is_asked(alice, bridge, kind, key):
    wanted = unique("#room") + ":x.example"
    first, second = bridge(unique("p")), bridge(unique("p"))
    answer = {key: wanted, "protocol": "p", "fields": {}}
    second.on("GET", "%s/%s" % (APP, kind), lambda ask: (200, [answer] if ask.query == {key: wanted} else []))
    assert alice.get("/thirdparty/%s?%s" % (kind, urllib.parse.urlencode({key: wanted}))).ok().json == [answer]
    assert first.asks
    alice.get("/thirdparty/%s?%s" % (kind, urllib.parse.urlencode({key: "#other:x"}))).expect(404, "M_NOT_FOUND")


# -- what a service lists

def listed(alice, **body):
    return {room["room_id"] for room in of_whole_index(lambda: alice.post("/publicRooms", {"limit": 500, **body})).ok()["chunk"]}


def list_room(server, service, network, room_id, visibility="public"):
    return service.client(server).put("/directory/list/appservice/%s/%s" % (network, urllib.parse.quote(room_id, safe="")),
                                      {"visibility": visibility})


def test_directory__room_of_a_network__in_its_list_and_in_that_of_all(server, alice, bridge):
    service, other = bridge("irc"), bridge("irc")
    room_id, own = alice.create_room(preset="public_chat"), alice.create_room(preset="public_chat", visibility="public")
    network = unique("net")
    list_room(server, service, network, room_id).ok()
    list_room(server, service, network, room_id).ok()
    assert listed(alice, third_party_instance_id="%s|%s" % (service.id, network)) == {room_id}
    query = urllib.parse.urlencode({"third_party_instance_id": "%s|%s" % (service.id, network)})
    reply = alice.get("/publicRooms?" + query).ok()
    assert [room["room_id"] for room in reply["chunk"]] == [room_id] and reply["total_room_count_estimate"] == 1
    for elsewhere in (service.id + "|x", "%s|%s" % (other.id, network), network, service.id, "|", ""):
        assert listed(alice, third_party_instance_id=elsewhere) == set()
    ours = listed(alice)
    assert own in ours and room_id not in ours
    assert {own, room_id} <= listed(alice, include_all_networks=True)
    list_room(server, service, network, room_id, "private").ok()
    assert listed(alice, third_party_instance_id="%s|%s" % (service.id, network)) == set()
    assert room_id not in listed(alice, include_all_networks=True)


def test_directory__service_removed__its_lists_are_gone(server, alice, bridge):
    service = bridge("irc")
    room_id = alice.create_room(preset="public_chat")
    list_room(server, service, "net", room_id).ok()
    server.run("appservice", "remove", service.id).check_returncode()
    assert listed(alice, third_party_instance_id=service.id + "|net") == set()


def test_directory__bad_request__refused(server, alice, bridge):
    service = bridge("irc")
    room_id = alice.create_room()
    list_room(server, service, "net", "!none:x.example").expect(404, "M_NOT_FOUND")
    list_room(server, service, "net", room_id, "visible").expect(400, "M_INVALID_PARAM")
    list_room(server, service, "n" * 300, room_id).expect(400, "M_INVALID_PARAM")
    service.client(server).put("/directory/list/appservice/net/" + urllib.parse.quote(room_id), {}).expect(400, "M_MISSING_PARAM")
    alice.put("/directory/list/appservice/net/" + urllib.parse.quote(room_id), {"visibility": "public"}).expect(403, "M_FORBIDDEN")
