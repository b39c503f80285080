"""Knocking and leaving across servers, both ways.
Spec: server-server API, "Knocking upon a room", "Leaving Rooms (Rejecting Invites)"."""
import pytest

from support.client import path_of
from support.federated_people import alice, zoe  # noqa: F401
from support.handshake import Guest, asked, countersign, membership
from support.remote_room import Pdu, RemoteRoom
from support.server import wait_until
from test_fed_invite import Invite

KNOCKABLE = ["7", "8", "9", "10", "11", "12"]


def knock(user, room, *via, **body):
    return user.post(path_of("knock", room.room_id), body, query=[("via", name) for name in via])


# -- we knock

@pytest.mark.parametrize("version", KNOCKABLE)
def test_knock__room_of_another_server__in_sync_with_its_state(federated, remote, alice, version):
    room = RemoteRoom(remote, version, join_rule="knock").serve()
    watch = alice.watch()
    assert knock(alice, room, remote.name, reason="please").ok()["room_id"] == room.room_id
    answer, _ = watch.until(lambda sync: sync.knocked(room.room_id))
    stripped = answer.stripped(room.room_id)
    assert stripped[("m.room.join_rules", "")]["content"]["join_rule"] == "knock"
    assert stripped[("m.room.member", alice.user_id)]["content"]["membership"] == "knock"
    assert ("m.room.create", "") in stripped
    send, = asked(remote, "send_knock")
    name = alice.user_id[1:].partition(":")[0]
    assert send.json["content"] == {"membership": "knock", "reason": "please", "displayname": name}
    assert Pdu(room.version, send.json).event_id == send.path.rpartition("/")[2]


def test_knock__unsigned_and_foreign_state__left_out(federated, remote, alice):
    room = RemoteRoom(remote, "12", join_rule="knock", more_state=[("m.room.name", "", {"name": "Right"})]).serve()
    other = RemoteRoom(remote, "12", more_state=[("m.room.topic", "", {"topic": "of another room"})])
    forged = {**room.state[("m.room.name", "")].json, "content": {"name": "Wrong"}, "signatures": {}}
    remote.on("PUT", r".*/send_knock/.*", lambda ask: (200, {"knock_room_state": [
        forged, other.state[("m.room.topic", "")].json, room.state[("m.room.create", "")].json, 7]}))
    knock(alice, room, remote.name).ok()
    stripped = alice.sync().stripped(room.room_id)
    assert set(stripped) == {("m.room.create", ""), ("m.room.member", alice.user_id)}


@pytest.mark.parametrize("status, errcode", [(403, "M_FORBIDDEN"), (404, "M_NOT_FOUND"),
                                             (400, "M_INCOMPATIBLE_ROOM_VERSION")])
def test_knock__refused__client_gets_the_errcode(federated, remote, alice, status, errcode):
    room = RemoteRoom(remote, join_rule="knock").serve()
    remote.on("GET", r".*/make_knock/.*", lambda ask: (status, {"errcode": errcode, "error": "no", "room_version": "x"}))
    knock(alice, room, remote.name).expect(status, errcode)
    assert not alice.sync().knocked(room.room_id)


def test_sec_5_21__knock_template_of_a_join__never_signed(federated, remote, alice):
    room = RemoteRoom(remote, join_rule="knock").serve()

    def template(ask):
        user = ask.path.rpartition("/")[2]
        return 200, {"room_version": "11", "event": room.draft("m.room.member", {"membership": "join"}, user, user)}
    remote.on("GET", r".*/make_knock/.*", template)
    knock(alice, room, remote.name).expect(502)
    assert not asked(remote, "send_knock") and not asked(remote, "send_join")


def test_knock__accepted__invited_and_joined(federated, remote, alice):
    room = RemoteRoom(remote, join_rule="knock").serve()
    knock(alice, room, remote.name).ok()
    watch = alice.watch()
    event = Invite(remote, federated, alice.user_id, room=room).put().ok()["event"]
    room.add(event)
    watch.until(lambda sync: sync.invited(room.room_id))
    alice.join(room.room_id).ok()
    assert membership(alice, room.room_id, alice.user_id) == "join"


def test_knock__invited_before_it_is_answered__invited(federated, remote, alice):
    """The invite names the knock, so it came later, whichever is told first."""
    room = RemoteRoom(remote, join_rule="knock").serve()

    def take(ask):
        room.add(ask.json)
        room.add(Invite(remote, federated, alice.user_id, room=room).put().ok()["event"])
        return 200, {"knock_room_state": []}
    remote.on("PUT", r".*/send_knock/.*", take)
    knock(alice, room, remote.name).ok()
    answer = alice.sync()
    assert answer.invited(room.room_id) and not answer.knocked(room.room_id)


def test_knock__taken_back__the_other_server_hears_of_it(federated, remote, alice):
    room = RemoteRoom(remote, join_rule="knock").serve()
    knock(alice, room, remote.name).ok()
    watch = alice.watch()
    alice.leave(room.room_id).ok()
    send, = asked(remote, "send_leave")
    assert send.json["content"]["membership"] == "leave"
    assert send.json["sender"] == send.json["state_key"] == alice.user_id
    watch.until(lambda sync: sync.left(room.room_id))


def test_knock__turned_away__gone_from_sync(federated, remote, alice):
    room = RemoteRoom(remote, join_rule="knock").serve()
    knock(alice, room, remote.name).ok()
    watch = alice.watch()
    remote.transaction(federated, [room.send("m.room.member", {"membership": "leave"}, alice.user_id)]).ok()
    watch.until(lambda sync: sync.left(room.room_id))


@pytest.mark.parametrize("is_known", [False, True], ids=["unknown room", "known room"])
def test_knock__turned_away_before_it_is_answered__gone_from_sync(federated, remote, alice, is_known):
    """What is told of a room that is being knocked at waits until the knock is here."""
    room, told = RemoteRoom(remote, join_rule="knock").serve(), []
    if is_known:
        room.add(Invite(remote, federated, federated.user().user_id, room=room).put().ok()["event"])

    def take(ask):
        room.add(ask.json)
        told.append(remote.transaction(federated, [room.send("m.room.member", {"membership": "leave"}, alice.user_id)]))
        return 200, {"knock_room_state": [room.state[("m.room.create", "")].json]}
    remote.on("PUT", r".*/send_knock/.*", take)
    watch = alice.watch()
    knock(alice, room, remote.name).ok()
    assert list(told[0].ok()["pdus"].values()) == [{}]
    watch.until(lambda sync: sync.left(room.room_id))
    assert not alice.sync().knocked(room.room_id)


def test_knock__refused__nothing_is_told_of_the_room_any_more(federated, remote, alice):
    room = RemoteRoom(remote, join_rule="knock").serve()
    remote.on("PUT", r".*/send_knock/.*", lambda ask: (403, {"errcode": "M_FORBIDDEN", "error": "no"}))
    knock(alice, room, remote.name).expect(403)
    # Another process may hear of the end a moment later.
    wait_until(lambda: remote.transaction(federated, [room.message("psst")]).ok()["pdus"] == {}, what="the room to be unknown")


# -- others end an invite

def test_invite__taken_back_by_another_than_who_invited__stays(federated, remote, alice):
    """Nothing is known of who has the power in a room in which nobody of here is."""
    bob = federated.user()
    invite = Invite(remote, federated, alice.user_id)
    room, other = invite.room, "@other:" + remote.name
    room.add(invite.put().ok()["event"])
    room.add(Invite(remote, federated, bob.user_id, room=room).put().ok()["event"])
    by_other = room.sign(room.draft("m.room.member", {"membership": "leave"}, alice.user_id, sender=other))
    remote.transaction(federated, [by_other]).ok()
    watch = bob.watch()  # events of a room are worked off in order
    remote.transaction(federated, [room.send("m.room.member", {"membership": "leave"}, bob.user_id)]).ok()
    watch.until(lambda sync: sync.left(room.room_id))
    assert alice.sync().invited(room.room_id)
    watch = alice.watch()
    banned = room.sign(room.draft("m.room.member", {"membership": "ban"}, alice.user_id, sender=other))
    remote.transaction(federated, [banned]).ok()
    watch.until(lambda sync: sync.left(room.room_id))


def test_invite__end_of_a_ban_comes_after_it__still_invited(federated, remote, alice):
    """The invite is asked for at once, events before it come by transaction, whenever."""
    bob = federated.user()
    room = RemoteRoom(remote, "11", join_rule="invite")
    room.send("m.room.member", {"membership": "ban"}, alice.user_id)
    unban = room.send("m.room.member", {"membership": "leave"}, alice.user_id)
    for user in (alice, bob):
        room.add(Invite(remote, federated, user.user_id, room=room).put().ok()["event"])
    watch = bob.watch()
    taken_back = room.send("m.room.member", {"membership": "leave"}, bob.user_id)
    remote.transaction(federated, [unban, taken_back]).ok()
    watch.until(lambda sync: sync.left(room.room_id))
    assert alice.sync().invited(room.room_id)


# -- we leave

def invited(remote, federated, alice):
    invite = Invite(remote, federated, alice.user_id)
    invite.room.add(invite.put().ok()["event"])
    invite.room.serve()
    return invite.room


def test_reject__the_inviters_server_hears_of_it(federated, remote, alice):
    room = invited(remote, federated, alice)
    watch = alice.watch()
    alice.leave(room.room_id, reason="no time").ok()
    send, = asked(remote, "send_leave")
    assert send.json["content"] == {"membership": "leave", "reason": "no time"}
    assert Pdu(room.version, send.json).event_id == send.path.rpartition("/")[2]
    _, own = watch.until(lambda sync: sync.left(room.room_id))
    assert [(e["type"], e["content"]["membership"]) for e in own.timeline] == [("m.room.member", "leave")]
    assert not alice.sync().invited(room.room_id)
    alice.leave(room.room_id).ok()
    alice.forget(room.room_id).ok()


def test_reject__invite_comes_again__still_out(federated, remote, alice):
    """An answer to an invite may be lost; who asks again does not invite anew."""
    invite = Invite(remote, federated, alice.user_id)
    invite.room.add(invite.put().ok()["event"])
    invite.room.serve()
    alice.leave(invite.room.room_id).ok()
    invite.put().ok()
    assert not alice.sync().invited(invite.room.room_id)
    invite.room.add(Invite(remote, federated, alice.user_id, room=invite.room).put().ok()["event"])
    assert alice.sync().invited(invite.room.room_id)


@pytest.mark.parametrize("version", ["1", "11"])
def test_reject__nobody_takes_it_and_the_invite_comes_again__still_out(federated, remote, alice, version):
    invite = Invite(remote, federated, alice.user_id, version)
    invite.room.add(invite.put().ok()["event"])
    alice.leave(invite.room.room_id).ok()
    invite.put().ok()
    assert not alice.sync().invited(invite.room.room_id)
    invite.room.add(Invite(remote, federated, alice.user_id, version, room=invite.room).put().ok()["event"])
    assert alice.sync().invited(invite.room.room_id)


def test_reject__old_server__asked_by_v1(federated, remote, alice):
    room = invited(remote, federated, alice)
    remote.on("PUT", r"/_matrix/federation/v2/send_leave/.*",
              lambda ask: (404, {"errcode": "M_UNRECOGNIZED", "error": "old"}))
    alice.leave(room.room_id).ok()
    assert [ask.path.split("/")[3] for ask in asked(remote, "send_leave")] == ["v2", "v1"]


@pytest.mark.parametrize("answer", [(403, {"errcode": "M_FORBIDDEN", "error": "no"}), (404, {}), (500, {}), (200, {}),
                                    (200, {"room_version": "x", "event": {}}), (200, b"junk")])
def test_reject__the_other_server_does_not_play_along__out_all_the_same(federated, remote, alice, answer):
    room = invited(remote, federated, alice)
    remote.on("GET", r".*/make_leave/.*", lambda ask: answer)
    watch = alice.watch()
    alice.leave(room.room_id).ok()
    watch.until(lambda sync: sync.left(room.room_id))
    assert not alice.sync().invited(room.room_id)


@pytest.mark.parametrize("version", ["1", "11", "12"])
def test_reject__the_other_server_is_gone__out_all_the_same(federated, make_remote, alice, version):
    gone = make_remote()
    invite = Invite(gone, federated, alice.user_id, version)
    invite.put().ok()
    gone.stop()
    watch = alice.watch()
    alice.leave(invite.room.room_id).ok()
    watch.until(lambda sync: sync.left(invite.room.room_id))
    assert not alice.sync().invited(invite.room.room_id)
    alice.forget(invite.room.room_id).ok()


def test_sec_5_21__leave_template_of_a_ban__never_signed(federated, remote, alice):
    room = invited(remote, federated, alice)
    remote.on("GET", r".*/make_leave/.*", lambda ask: (200, {"room_version": "11", "event": room.draft(
        "m.room.member", {"membership": "ban"}, "@other:x", alice.user_id)}))
    alice.leave(room.room_id).ok()
    assert not asked(remote, "send_leave")


def test_leave__not_in_the_room__403(federated, alice):
    alice.leave("!nothing:elsewhere.example").expect(403, "M_FORBIDDEN")


# -- others knock

@pytest.mark.parametrize("version", KNOCKABLE)
def test_send_knock__every_version__state_as_pdus(federated, remote, alice, zoe, version):
    room = alice.create_room(room_version=version, name="Choir")
    alice.put_state(room, "m.room.join_rules", {"join_rule": "knock"}).ok()
    answer = Guest(remote, federated, room).enter("knock", zoe).ok()
    kinds = {event["type"]: event for event in answer["knock_room_state"]}
    assert {"m.room.create", "m.room.join_rules", "m.room.name"} <= set(kinds)
    assert all("signatures" in event and "auth_events" in event for event in kinds.values())
    assert membership(alice, room, zoe) == "knock"


def test_make_knock__room_that_takes_none__403(federated, remote, alice, zoe):
    guest = Guest(remote, federated, alice.create_room())
    guest.ask("knock", zoe).expect(403, "M_FORBIDDEN")
    guest.ask("knock", zoe, ["1"]).expect(400, "M_INCOMPATIBLE_ROOM_VERSION")


@pytest.mark.parametrize("change", [
    {"content": {"membership": "join"}}, {"content": {"membership": "invite"}}, {"state_key": "@other:x"},
    {"type": "m.room.name"}, {"room_id": "!x:y"}])
def test_send_knock__event_of_another_kind__400(federated, remote, alice, zoe, change):
    room = alice.create_room()
    alice.put_state(room, "m.room.join_rules", {"join_rule": "knock"}).ok()
    guest = Guest(remote, federated, room)
    guest.hand_in("knock", guest.sign(guest.make("knock", zoe), **change)).expect(400, "M_INVALID_PARAM")
    assert membership(alice, room, zoe) is None


# -- others leave

@pytest.mark.parametrize("api", ["v1", "v2"])
@pytest.mark.parametrize("version", ["1", "6", "12"])
def test_send_leave__member_of_another_server__gone(federated, remote, zoe, version, api):
    alice = federated.user()
    room = alice.create_room(room_version=version, preset="public_chat")
    guest = Guest(remote, federated, room)
    guest.join(zoe)
    answer = guest.enter("leave", zoe, api=api).ok().json
    assert answer == ([200, {}] if api == "v1" else {})
    assert membership(alice, room, zoe) == "leave"


def test_send_leave__invite_rejected(federated, remote, alice, zoe):
    room = alice.create_room()
    remote.on("PUT", r"/_matrix/federation/v2/invite/.*", lambda ask: countersign(remote, ask))
    alice.invite(room, zoe).ok()
    Guest(remote, federated, room).enter("leave", zoe).ok()
    assert membership(alice, room, zoe) == "leave"


def test_make_leave__never_there__403(federated, remote, alice, zoe):
    Guest(remote, federated, alice.create_room()).ask("leave", zoe).expect(403, "M_FORBIDDEN")


def test_sec_5_22__local_user_parted_by_another_server__refused(federated, remote, alice, zoe):
    room = alice.create_room(preset="public_chat")
    guest = Guest(remote, federated, room)
    guest.join(zoe)
    guest.ask("leave", alice.user_id).expect(403, "M_FORBIDDEN")
    event = guest.sign(guest.make("leave", zoe), state_key=alice.user_id)
    guest.hand_in("leave", event).expect(400, "M_INVALID_PARAM")
    assert membership(alice, room, alice.user_id) == "join"
