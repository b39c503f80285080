"""Profiles, and how they reach the member events of rooms."""
import pytest

from support.client import path_of, unique


def profile(user, *rest):
    return path_of("profile", user.user_id, *rest)


def test_profile__fresh_user__exists(alice, nobody):
    reply = nobody.get(profile(alice), token=False)
    reply.expect((200, 401, 403))
    alice.get(profile(alice)).ok()


def test_displayname__set__readable_by_others(alice, bob):
    assert alice.put(profile(alice, "displayname"), {"displayname": "Alice 🙂"}).ok().json == {}
    assert bob.get(profile(alice, "displayname")).ok().json == {"displayname": "Alice 🙂"}
    assert bob.get(profile(alice)).ok()["displayname"] == "Alice 🙂"


def test_avatar_url__set__readable_by_others(alice, bob):
    alice.put(profile(alice, "avatar_url"), {"avatar_url": "mxc://hs1/abc"}).ok()
    assert bob.get(profile(alice, "avatar_url")).ok().json == {"avatar_url": "mxc://hs1/abc"}
    assert bob.get(profile(alice)).ok()["avatar_url"] == "mxc://hs1/abc"


def test_avatar_url__another_kind_of_uri__kept(alice, room):
    """The specification recommends mxc:// and does not say that others are refused."""
    alice.put(profile(alice, "avatar_url"), {"avatar_url": "https://example.org/a.png"}).ok()
    member = alice.get_state(room, "m.room.member", alice.user_id).ok()
    assert member["avatar_url"] == "https://example.org/a.png"


def test_profile__unset_avatar__404_or_empty(alice):
    reply = alice.get(profile(alice, "avatar_url"))
    assert reply.status == 404 and reply.errcode == "M_NOT_FOUND" or reply.json in ({}, {"avatar_url": ""})


@pytest.mark.peer("400 with M_FORBIDDEN instead of 403, profile.yaml")
def test_profile__of_another_user__403(alice, bob):
    alice.put(profile(bob, "displayname"), {"displayname": "stolen"}).expect(403, "M_FORBIDDEN")
    alice.put(profile(bob, "avatar_url"), {"avatar_url": "mxc://hs1/x"}).expect(403, "M_FORBIDDEN")
    assert bob.get(profile(bob)).ok().get("displayname") != "stolen"


def test_profile__without_token__401(nobody, alice):
    nobody.put(profile(alice, "displayname"), {"displayname": "x"}, token=False).expect(401, "M_MISSING_TOKEN")


@pytest.mark.peer("M_UNKNOWN instead of M_NOT_FOUND")
def test_profile__unknown_user__404(hs, alice):
    ghost = "@%s:%s" % (unique("ghost"), hs.server_name)
    alice.get(path_of("profile", ghost)).expect(404, "M_NOT_FOUND")
    alice.get(path_of("profile", ghost, "displayname")).expect(404, "M_NOT_FOUND")


@pytest.mark.peer("kept unless the account is erased")
def test_profile__deactivated_user__404(hs, alice):
    gone = hs.user()
    gone.put(profile(gone, "displayname"), {"displayname": "Gone"}).ok()
    gone.uia("POST", "/account/deactivate").ok()
    alice.get(profile(gone)).expect(404, "M_NOT_FOUND")
    alice.get(profile(gone, "displayname")).expect(404, "M_NOT_FOUND")


def test_profile__not_a_user_id__4xx(alice):
    for text in ("nonsense", "@", "@:", "#a:hs1", "@a"):
        reply = alice.get(path_of("profile", text))
        assert reply.status in (400, 403, 404), reply


@pytest.mark.parametrize("body", [{}, {"displayname": 5}, {"displayname": ["x"]}, {"avatar_url": "mxc://a/b"}], ids=str)
def test_displayname__malformed__400(alice, body):
    alice.put(profile(alice, "displayname"), body).expect(400, ("M_MISSING_PARAM", "M_BAD_JSON", "M_INVALID_PARAM"))


def test_displayname__new_account__the_local_part(hs, alice):
    """Not in the specification; people would rather see a name, and Complement expects one."""
    name = alice.user_id[1:].partition(":")[0]
    assert alice.get(profile(alice, "displayname")).ok().json == {"displayname": name}
    room = alice.create_room()
    assert alice.get("/rooms/%s/joined_members" % room).ok()["joined"][alice.user_id]["display_name"] == name


def test_displayname__removed__gone(alice):
    alice.put(profile(alice, "displayname"), {"displayname": "Temporary"}).ok()
    alice.delete(profile(alice, "displayname")).ok()
    reply = alice.get(profile(alice)).expect((200, 404))
    assert reply.get("displayname") in (None, "")


def test_displayname__too_long__refused(alice):
    alice.put(profile(alice, "displayname"), {"displayname": "x" * 70000}).expect((400, 413))


def test_custom_field__set_read_deleted(alice, bob):
    """profile.yaml, v1.16: custom fields."""
    key = "org.example.hobby"
    alice.put(profile(alice, key), {key: {"name": "chess", "years": 3}}).ok()
    assert bob.get(profile(alice, key)).ok().json == {key: {"name": "chess", "years": 3}}
    assert bob.get(profile(alice)).ok()[key] == {"name": "chess", "years": 3}
    alice.delete(profile(alice, key)).ok()
    bob.get(profile(alice, key)).expect(404, "M_NOT_FOUND")


def test_custom_field__time_zone__kept(alice):
    alice.put(profile(alice, "m.tz"), {"m.tz": "Europe/Berlin"}).ok()
    assert alice.get(profile(alice, "m.tz")).ok().json == {"m.tz": "Europe/Berlin"}


def test_custom_field__key_over_255_bytes__400_key_too_large(alice):
    key = "org.example." + "x" * 260
    alice.put(profile(alice, key), {key: "v"}).expect(400, "M_KEY_TOO_LARGE")


def test_custom_field__profile_over_64_kib__400_profile_too_large(alice):
    alice.put(profile(alice, "org.example.a"), {"org.example.a": "x" * 40000}).ok()
    alice.put(profile(alice, "org.example.b"), {"org.example.b": "x" * 40000}).expect(400, "M_PROFILE_TOO_LARGE")


def test_custom_field__key_missing_in_body__400(alice):
    alice.put(profile(alice, "org.example.k"), {"other": 1}).expect(400, ("M_MISSING_PARAM", "M_BAD_JSON"))


@pytest.mark.peer("400 with M_FORBIDDEN instead of 403, profile.yaml")
def test_custom_field__of_another_user__403(alice, bob):
    alice.put(profile(bob, "org.example.k"), {"org.example.k": "x"}).expect(403, "M_FORBIDDEN")
    alice.delete(profile(bob, "displayname")).expect(403, "M_FORBIDDEN")


def test_custom_field__unknown__404(alice):
    alice.get(profile(alice, "org.example.none")).expect(404, "M_NOT_FOUND")


def test_displayname__changed__member_events_follow(alice, bob, shared):
    watch = bob.watch()
    alice.put(profile(alice, "displayname"), {"displayname": "Renamed"}).ok()

    def renamed(answer):
        for event in answer.joined(shared).timeline:
            if event["type"] == "m.room.member" and event["state_key"] == alice.user_id:
                return event
        return None
    _, event = watch.until(renamed)
    assert event["content"]["membership"] == "join" and event["content"]["displayname"] == "Renamed"
    assert event["unsigned"]["prev_content"]["membership"] == "join"
    members = bob.get(bob.room(shared, "joined_members")).ok()["joined"]
    assert members[alice.user_id]["display_name"] == "Renamed"


def test_displayname__set_before_join__in_join_and_invite(hs, alice):
    bob = hs.user()
    bob.put(profile(bob, "displayname"), {"displayname": "Bobby"}).ok()
    bob.put(profile(bob, "avatar_url"), {"avatar_url": "mxc://hs1/bob"}).ok()
    room = alice.create_room(invite=[bob.user_id])
    invite = alice.get_state(room, "m.room.member", bob.user_id).ok()
    assert invite["displayname"] == "Bobby"
    bob.join(room).ok()
    join = alice.get_state(room, "m.room.member", bob.user_id).ok()
    assert join["displayname"] == "Bobby" and join["avatar_url"] == "mxc://hs1/bob"
