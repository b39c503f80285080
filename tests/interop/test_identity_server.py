"""A real identity server (Sydent): people have accounts there, publish their addresses by way of Belfry, and invite by address."""
import pytest

from support.client import path_of, unique
from support.server import FederatedServer, wait_until
from support.sydent import Sydent


@pytest.fixture(scope="module")
def sydent(authority, box):
    server = Sydent(authority, box)
    try:
        yield server.start()
    finally:
        server.destroy()


@pytest.fixture(scope="module")
def school(authority, sydent):
    server = FederatedServer(authority, settings={"identity_server": sydent.url}).start()
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def partner(authority, sydent):
    """Another server, which trusts the same identity server."""
    server = FederatedServer(authority, settings={"identity_server": sydent.url}).start()
    yield server
    server.destroy()


@pytest.fixture
def ann(school):
    return school.user(unique("ann"))


@pytest.fixture
def ben(school):
    return school.user(unique("ben"))


def new_address():
    return unique("person") + "@post.example"


def invite(account, room_id, address, **more):
    return account.user.post(path_of("rooms", room_id, "invite"), {**account.asks(), "medium": "email", "address": address, **more})


def promises(user, room_id):
    return [event for (kind, _), event in user.state(room_id).items() if kind == "m.room.third_party_invite"]


def memberships(user, room_id):
    return {key: event["content"]["membership"] for (kind, key), event in user.state(room_id).items() if kind == "m.room.member"}


# -- accounts and addresses

def test_account__openid_token_of_belfry__is_the_users(sydent, ann):
    assert sydent.account(ann).ask("GET", "/account").ok()["user_id"] == ann.user_id


def test_bind__address_that_was_proved__found_by_others(sydent, ann, ben):
    address, account, other = new_address(), sydent.account(ann), sydent.account(ben)
    assert other.look_up(address) is None
    account.bind(address).ok()
    assert other.look_up(address) == ann.user_id
    assert other.look_up(address, algorithm="none") == ann.user_id


def test_unbind__signed_by_belfry__it_fetches_the_key_and_fails_by_itself(sydent, ann):
    """Sydent 2.6.1 puts bytes into the object whose signature it checks, so that each server's unbind ends with 500; that a proper
    one succeeds is shown with a stand-in (tests/http/test_email.py)."""
    address, account = new_address(), sydent.account(ann)
    account.bind(address).ok()
    reply = ann.post("/account/3pid/unbind", {"medium": "email", "address": address}).ok()
    assert reply["id_server_unbind_result"] == "no-support"
    assert "verifying sig from key" in sydent.log(), "it has the key that Belfry signed with"
    assert account.look_up(address) == ann.user_id


def test_bind__old_endpoint__the_same(sydent, ann):
    address, account = new_address(), sydent.account(ann)
    ann.post("/account/3pid", {"three_pid_creds": {**account.asks(), **account.prove(address)}}).ok()
    assert account.look_up(address) == ann.user_id


def test_bind__not_proved__its_refusal_comes_through(sydent, ann):
    account, secret = sydent.account(ann), unique("secret")
    sid = account.ask("POST", "/validate/email/requestToken",
                      {"client_secret": secret, "email": new_address(), "send_attempt": 1}).ok()["sid"]
    ann.post("/account/3pid/bind", {**account.asks(), "sid": sid, "client_secret": secret}).expect(400, "M_SESSION_NOT_VALIDATED")
    ann.post("/account/3pid/bind", {**account.asks(), "sid": sid, "client_secret": "other"}).expect(404, "M_NO_VALID_SESSION")


def test_bind__no_invites_wait__belfry_takes_the_news(sydent, ann):
    sydent.account(ann).bind(new_address()).ok()
    wait_until(lambda: "Successfully notified on bind for " + ann.user_id in sydent.log(), 20, "what Sydent tells Belfry")


def test_bind__token_that_it_does_not_know__no_end_of_the_session_here(sydent, ann):
    account = sydent.account(ann)
    body = {**account.asks(), **account.prove(new_address()), "id_access_token": "unknown"}
    ann.post("/account/3pid/bind", body).expect(403, "M_UNAUTHORIZED")


# -- invites by address

def test_invite__address_that_somebody_has__they_are_invited(sydent, ann, ben):
    address, room_id = new_address(), ann.create_room()
    sydent.account(ben).bind(address).ok()
    invite(sydent.account(ann), room_id, address.replace("person", "Person"), reason="as you wished").ok()
    member = ann.state(room_id)[("m.room.member", ben.user_id)]["content"]
    assert (member["membership"], member["reason"]) == ("invite", "as you wished")
    assert promises(ann, room_id) == []
    ben.join(room_id).ok()


def test_invite__nobodys_address__mail_and_promise_then_invited_when_bound(sydent, ann, ben):
    address, room_id = new_address(), ann.create_room(name="Choir 合唱團")
    ann.put(path_of("profile", ann.user_id, "displayname"), {"displayname": "Ann"}).ok()
    invite(sydent.account(ann), room_id, address).ok()
    mail = sydent.mailbox.wait(address)
    assert "Ann" in mail.subject and "Choir 合唱團" in mail.text
    promise, = promises(ann, room_id)
    assert promise["state_key"] in mail.text and address not in str(promise)
    assert promise["content"]["display_name"].endswith("...@pos...")
    assert len(promise["content"]["public_keys"]) == 2 and promise["content"]["public_key"]
    watch = ben.watch()
    sydent.account(ben).bind(address).ok()
    watch.until(lambda sync: sync.invited(room_id))
    member = ann.state(room_id)[("m.room.member", ben.user_id)]["content"]
    assert member["third_party_invite"]["signed"]["token"] == promise["state_key"]
    ben.join(room_id).ok()
    assert memberships(ann, room_id)[ben.user_id] == "join"


@pytest.mark.parametrize("inviter, invited", [("school", "partner"), ("partner", "school")])
def test_invite__bound_by_somebody_of_another_server__exchanged_and_joined(request, sydent, inviter, invited):
    host, guest = (request.getfixturevalue(name).user() for name in (inviter, invited))
    address, room_id = new_address(), host.create_room()
    invite(sydent.account(host), room_id, address).ok()
    watch = guest.watch()
    sydent.account(guest).bind(address).ok()
    watch.until(lambda sync: sync.invited(room_id))
    guest.join(room_id).ok()
    wait_until(lambda: memberships(host, room_id).get(guest.user_id) == "join", 20, "the join")


def test_create_room__invites_by_address__both_kinds(sydent, ann, ben):
    known, unknown = new_address(), new_address()
    sydent.account(ben).bind(known).ok()
    account = sydent.account(ann)
    room_id = ann.create_room(is_direct=True, invite_3pid=[
        {**account.asks(), "medium": "email", "address": address} for address in (known, unknown)])
    member = ann.state(room_id)[("m.room.member", ben.user_id)]["content"]
    assert (member["membership"], member["is_direct"]) == ("invite", True)
    assert [event["state_key"] in sydent.mailbox.wait(unknown).text for event in promises(ann, room_id)] == [True]


def test_invite__no_power_or_no_member__no_mail(sydent, ann, ben):
    address, room_id, account = new_address(), ann.create_room(preset="public_chat"), sydent.account(ben)
    invite(account, room_id, address).expect(403, "M_FORBIDDEN")
    ben.join(room_id).ok()
    levels = ann.get_state(room_id, "m.room.power_levels").ok().json
    ann.set_state(room_id, "m.room.power_levels", {**levels, "invite": 50})
    invite(account, room_id, address).expect(403, "M_FORBIDDEN")
    ann.set_state(room_id, "m.room.power_levels", {**levels, "invite": 0})
    invite(account, room_id, address).ok()
    assert len(promises(ann, room_id)) == len(sydent.mailbox.to(address)) == 1


def test_invite__what_it_refuses__said_and_nothing_in_the_room(sydent, ann):
    room_id, account = ann.create_room(), sydent.account(ann)
    invite(account, room_id, new_address(), medium="msisdn").expect(400, "M_UNRECOGNIZED")
    invite(account, room_id, new_address(), id_access_token="unknown").expect(403, "M_UNAUTHORIZED")
    invite(account, room_id, new_address(), id_server="elsewhere.example").expect(400, "M_SERVER_NOT_TRUSTED")
    assert promises(ann, room_id) == []
