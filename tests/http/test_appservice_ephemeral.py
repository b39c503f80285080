"""What is no event in transactions to application services: receipts, typing, presence, messages to devices, changes of keys.
Spec: application-service API, "Pushing ephemeral data"; MSC4203, MSC3202."""
import pytest

from support import accounts
from support.appservice import AppService
from support.client import Http, unique
from support.keys import Device
from support.server import Server, wait_until

FAST = {"appservices.retry_first": "20ms", "appservices.retry_longest": "50ms"}


@pytest.fixture(scope="module")
def server():
    server = Server(settings=FAST).start()
    yield server
    server.destroy()


class Scene:
    """A service with a member in a room of alice, and one beside it that wants nothing of the moment."""

    def __init__(self, server, **more):
        name = unique("_e").replace("-", "_")
        rule = ("@%s.*" % name, False)
        self.service = AppService(users=[rule], **more).register(server)
        self.plain = AppService(users=[rule]).register(server)
        self.alice = accounts.register(Http(server.url))
        self.member = accounts.register(Http(server.url), name)
        self.room_id = self.alice.create_room(preset="public_chat")
        self.member.join(self.room_id).ok()

    def stop(self):
        self.service.stop()
        self.plain.stop()


@pytest.fixture(scope="module")
def scene(server):
    scene = Scene(server, receive_ephemeral=True, **{"org.matrix.msc3202": True})
    yield scene
    scene.stop()


def told(scene, condition):
    return scene.service.until_told(condition, part="ephemeral")


def is_receipt(kind, user, event_id):
    return lambda item: item["type"] == "m.receipt" and user.user_id in item["content"].get(event_id, {}).get(kind, {})


def nothing_told_to_plain(scene):
    scene.plain.until_event(scene.alice.send(scene.room_id, "sentinel"))
    for part in ("ephemeral", "de.sorunome.msc2409.to_device", "org.matrix.msc3202.device_lists"):
        assert scene.plain.told(part) == []


def test_receipt__public_and_private__private_only_of_own_users(scene):
    event_id = scene.alice.send(scene.room_id, "read me")
    scene.alice.receipt(scene.room_id, event_id, "m.read.private").ok()
    scene.member.receipt(scene.room_id, event_id, "m.read.private").ok()
    later = scene.alice.send(scene.room_id, "me too")
    scene.alice.receipt(scene.room_id, later).ok()
    item = told(scene, is_receipt("m.read", scene.alice, later))
    assert item["room_id"] == scene.room_id
    assert isinstance(item["content"][later]["m.read"][scene.alice.user_id]["ts"], int)
    told(scene, is_receipt("m.read.private", scene.member, event_id))
    private = is_receipt("m.read.private", scene.alice, event_id)
    assert not any(private(item) for item in scene.service.told("ephemeral"))
    nothing_told_to_plain(scene)


def test_receipt__in_a_thread__with_its_thread(scene):
    root = scene.alice.send(scene.room_id, "root")
    answer = scene.member.send(scene.room_id, {"msgtype": "m.text", "body": "x", "m.relates_to": {
        "rel_type": "m.thread", "event_id": root}})
    scene.alice.receipt(scene.room_id, answer, thread_id=root).ok()
    item = told(scene, is_receipt("m.read", scene.alice, answer))
    assert item["content"][answer]["m.read"][scene.alice.user_id]["thread_id"] == root


def test_receipt__in_a_room_of_others__not_told(scene):
    other = scene.alice.create_room()
    event_id = scene.alice.send(other, "elsewhere")
    scene.alice.receipt(other, event_id).ok()
    here = scene.alice.send(scene.room_id, "here")
    scene.alice.receipt(scene.room_id, here).ok()
    told(scene, is_receipt("m.read", scene.alice, here))
    assert all(item.get("room_id") != other for item in scene.service.told("ephemeral"))


def test_typing__begins_and_ends__the_whole_list_each_time(scene):
    def types(users):
        return lambda item: item["type"] == "m.typing" and item["room_id"] == scene.room_id and \
            item["content"] == {"user_ids": users}
    scene.alice.typing(scene.room_id).ok()
    told(scene, types([scene.alice.user_id]))
    scene.member.typing(scene.room_id).ok()
    told(scene, types([scene.alice.user_id, scene.member.user_id]))
    scene.alice.typing(scene.room_id, False).ok()
    told(scene, types([scene.member.user_id]))
    scene.member.typing(scene.room_id, False).ok()
    told(scene, types([]))
    nothing_told_to_plain(scene)


def test_presence__of_who_shares_a_room__told(scene):
    stranger = accounts.register(scene.alice.http)
    for user in (stranger, scene.alice):
        user.put("/presence/%s/status" % user.user_id, {"presence": "online", "status_msg": "at my desk"}).ok()
    item = told(scene, lambda item: item["type"] == "m.presence" and item["sender"] == scene.alice.user_id)
    assert item["content"]["presence"] == "online" and item["content"]["status_msg"] == "at my desk"
    assert all(item.get("sender") != stranger.user_id for item in scene.service.told("ephemeral"))


def test_message_to_a_device__of_the_namespace__told_with_user_device_and_keys_left(scene):
    body = {"messages": {scene.member.user_id: {scene.member.device_id: {"secret": 1}},
                         scene.alice.user_id: {"*": {"secret": 2}}}}
    scene.alice.put("/sendToDevice/m.test/" + unique("t"), body).ok()
    name = "de.sorunome.msc2409.to_device"
    item = scene.service.until_told(lambda item: item["to_user_id"] == scene.member.user_id, part=name)
    assert item == {"type": "m.test", "sender": scene.alice.user_id, "content": {"secret": 1},
                    "to_user_id": scene.member.user_id, "to_device_id": scene.member.device_id}
    ask = scene.service.wait_for(lambda ask: name.encode() in ask.body)
    counts = ask.json["org.matrix.msc3202.device_one_time_keys_count"]
    assert scene.member.device_id in counts[scene.member.user_id]
    assert all(item["to_user_id"] != scene.alice.user_id for item in scene.service.told(name))
    # The namespace is not exclusive: whoever syncs with the device gets it as well.
    assert scene.member.sync()["to_device"]["events"][0]["content"] == {"secret": 1}
    nothing_told_to_plain(scene)


def test_keys__of_who_shares_a_room__change_told(scene):
    Device(scene.alice).upload()
    scene.service.wait_for(lambda ask: scene.alice.user_id in
                           (ask.json or {}).get("org.matrix.msc3202.device_lists", {}).get("changed", []))


def test_message__to_more_devices_than_a_round_takes__told_and_on(server, scene):
    """Put into the database, for to register 1,200 people takes a minute."""
    crowd = unique("crowd")
    for table, key, value in (("accounts", "user_id", ""), ("devices", "user_id,device_id", ",'D'")):
        columns = server.sql("select string_agg(column_name, ',') from information_schema.columns where table_name = '%s' "
                             "and column_name not in ('user_id', 'device_id')" % table).strip()
        server.sql("insert into %s (%s,%s) select '@%s'||i||':%s'%s,%s from %s, generate_series(1,1200) i where user_id = '%s'" % (
            table, key, columns, crowd, server.server_name, value, columns, table, scene.alice.user_id))
    messages = {"@%s%d:%s" % (crowd, number, server.server_name): {"D": {}} for number in range(1, 1201)}
    name = "de.sorunome.msc2409.to_device"
    for number in (1, 2):
        content = {crowd: number}
        messages[scene.member.user_id] = {scene.member.device_id: content}
        scene.alice.put("/sendToDevice/m.test/" + unique("t"), {"messages": messages}).ok()
        scene.service.until_told(lambda item, content=content: item["content"] == content, part=name)
        messages = {}


def counts_of(scene, device):
    """What transactions said of keys left, one after the other."""
    bodies = {ask.path: ask.json for ask in scene.service.transactions()}
    name = "org.matrix.msc3202.device_one_time_keys_count"
    return [body[name][device.user_id][device.device_id] for body in bodies.values()
            if device.device_id in body.get(name, {}).get(device.user_id, {})]


def test_keys_left__claimed_by_others__told_without_a_message_and_once(server, scene):
    puppet = scene.service.ghost(server, scene.member.user_id[1:].partition(":")[0] + "puppet")
    puppet.put("/devices/BRIDGE", {}).expect(201)
    puppet.device_id = "BRIDGE"
    device = Device(puppet)
    puppet.post("/keys/upload", {"device_keys": device.identity(), "one_time_keys": device.one_time(3),
                                 "fallback_keys": device.fallback()}).ok()
    claim = {"one_time_keys": {puppet.user_id: {"BRIDGE": "signed_curve25519"}}}
    for left in (2, 1):
        scene.alice.post("/keys/claim", claim).ok()
        scene.service.wait_for(lambda _, left=left: {"signed_curve25519": left} in counts_of(scene, device))
    scene.service.stop()
    for _ in range(2):  # the last one, and the fallback key
        scene.alice.post("/keys/claim", claim).ok()
    scene.service.listen()
    left = scene.service.wait_for(lambda ask: {} == (ask.json or {}).get(
        "org.matrix.msc3202.device_one_time_keys_count", {}).get(puppet.user_id, {}).get("BRIDGE"))
    assert left.json["org.matrix.msc3202.device_unused_fallback_key_types"][puppet.user_id]["BRIDGE"] in ([], ["signed_curve25519"])
    news = "SELECT count(*) FROM appservice_key_news WHERE device_id = 'BRIDGE'"
    wait_until(lambda: server.sql(news).strip() == "0", what="both claims were told")  # by one transaction or by two
    scene.service.until_event(scene.alice.send(scene.room_id, "sentinel"))
    said = counts_of(scene, device)
    assert [{"signed_curve25519": 2}, {"signed_curve25519": 1}] == said[:2] and said.count({"signed_curve25519": 2}) == 1


def test_presence__while_the_service_is_away__told_as_it_is_when_it_is_back(server, scene):
    """Who typed meanwhile is not: that was over long before."""
    ben = accounts.register(scene.alice.http)
    ben.join(scene.room_id).ok()
    scene.service.until_event(ben.send(scene.room_id, "here"))
    scene.service.stop()
    ben.send(scene.room_id, "nobody takes this now")
    failing = "SELECT failures FROM appservice_deliveries WHERE appservice_id = '%s'" % scene.service.id
    wait_until(lambda: int(server.sql(failing)) > 0, 20, "the service cannot be reached")
    for words in ("first", "second"):
        ben.put("/presence/%s/status" % ben.user_id, {"presence": "online", "status_msg": words}).ok()
    scene.service.listen()
    item = told(scene, lambda item: item["type"] == "m.presence" and item["sender"] == ben.user_id)
    assert item["content"]["status_msg"] == "second"
