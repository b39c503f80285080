"""What the server says about itself: versions, discovery, capabilities, CORS, unknown paths, its keys."""
import time

import pytest

from support import accounts, ed25519, schema

TRANSPORTS = "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports"
FILLED = {
    "roomId": "!room:hs1", "roomIdOrAlias": "!room:hs1", "eventId": "$event", "userId": "@user:hs1",
    "eventType": "m.room.message", "stateKey": "", "txnId": "t1", "type": "m.test", "tag": "u.x",
    "filterId": "0", "deviceId": "DEV", "keyName": "displayname", "roomAlias": "#alias:hs1",
    "receiptType": "m.read",
}

# The endpoints of this server's first part: each must know OPTIONS and answer 405 to a foreign method.
OURS = {
    "getVersions", "getCapabilities", "getLoginFlows", "login", "logout", "logout_all", "refresh", "register",
    "checkUsernameAvailability", "registrationTokenValidity", "getTokenOwner", "changePassword",
    "deactivateAccount", "getDevices", "getDevice", "updateDevice", "deleteDevice", "deleteDevices",
    "getUserProfile", "getProfileField", "setProfileField", "deleteProfileField", "setAccountData",
    "getAccountData", "setAccountDataPerRoom", "getAccountDataPerRoom", "getRoomTags", "setRoomTag",
    "deleteRoomTag", "defineFilter", "getFilter", "createRoom", "setRoomAlias", "getRoomIdByAlias",
    "deleteRoomAlias", "getLocalAliases", "joinRoom", "joinRoomById", "inviteUser", "leaveRoom", "forgetRoom",
    "kick", "ban", "unban", "sendMessage", "setRoomStateWithKey", "getRoomState", "getRoomStateWithKey",
    "redactEvent", "getRoomEvents", "getEventContext", "getOneRoomEvent", "getMembersByRoom",
    "getAdminLockUser", "setAdminLockUser", "getAdminSuspendUser", "setAdminSuspendUser", "getWhoIs",
    "getWellknownSupport", "getTurnServer", "requestOpenIdToken", "generateLoginToken",
    "getJoinedMembersByRoom", "getJoinedRooms", "setTyping", "postReceipt", "setReadMarker", "sync",
}


def our_operations():
    rows = []
    for op in schema.operations():
        if op["id"] in OURS:
            path = op["path"]
            for name, value in FILLED.items():
                path = path.replace("{%s}" % name, value.replace("#", "%23"))
            rows.append(pytest.param(op["method"], path, id=op["id"]))
    return sorted(rows, key=lambda row: row.id)


def test_operations__named_here__are_in_the_specification():
    assert OURS <= {op["id"] for op in schema.operations()}


def test_home_page__opened_in_a_browser__says_what_this_is(make_server):
    server = make_server(server_name="school.example", settings={"public_base_url": "https://matrix.school.example"})
    reply = server.start().anonymous().http.raw("GET", "/")
    assert reply.status == 200 and reply.headers["content-type"] == "text/html; charset=utf-8"
    page = reply.raw.decode()
    for text in ("Matrix 聊天伺服器", "Matrix homeserver", "school.example", "https://matrix.school.example"):
        assert text in page, page
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "script-src" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff" and "<script" not in page
    server.anonymous().post("/_matrix", token=False).expect(404, "M_UNRECOGNIZED")


def test_home_page__no_public_address__the_page_itself_is_named_and_not_the_servers_name(make_server):
    page = make_server(server_name="school.example").start().anonymous().http.raw("GET", "/").raw.decode()
    assert "本頁在瀏覽器網址列的網址" in page and "of this page" in page
    assert page.count("school.example") == 1, "a client that was given it would ask another address"


def test_home_page__own_pages_are_on__leads_to_them_and_to_help(make_server):
    server = make_server(settings={"public_base_url": "https://matrix.school.example", "registration.mode": "open",
                                   "support.page": "https://school.example/help",
                                   "support.contacts": "m.role.security @police:hs1, m.role.admin @it:hs1 it@school.example"})
    page = server.start().anonymous().http.raw("GET", "/").raw.decode()
    for link in ("/_matrix/client/belfry/account", "/_matrix/client/belfry/oauth/signup?next=%2F_matrix%2Fclient%2Fbelfry%2Faccount",
                 "mailto:it@school.example", "https://school.example/help"):
        assert 'href="%s"' % link in page, link
    assert "@it:hs1" in page and "@police" not in page


def test_home_page__own_pages_are_off__leads_nowhere(make_server):
    page = make_server(settings={"public_base_url": "https://matrix.school.example", "oauth.enabled": "false", "registration.mode": "open"})
    assert "<a " not in page.start().anonymous().http.raw("GET", "/").raw.decode()


def test_versions__asked_without_token__lists_spec_versions(nobody):
    versions = nobody.get("/_matrix/client/versions", token=False).ok()["versions"]
    assert versions and all(isinstance(item, str) for item in versions)
    assert {"r0.6.1"} | {"v1.%d" % minor for minor in range(1, 20)} <= set(versions)


def test_versions__asked_with_unknown_token__still_answers_or_401(nobody):
    nobody.get("/_matrix/client/versions", token="no-such-token").expect((200, 401))


def test_well_known_client__meetings__where_they_are_held(make_server):
    url = "https://rtc.school.example"
    server = make_server(settings={"public_base_url": "https://matrix.school.example", "rtc.livekit_url": url}).start()
    wanted = [{"type": "livekit", "livekit_service_url": url}]
    assert server.anonymous().get("/.well-known/matrix/client", token=False).ok()["org.matrix.msc4143.rtc_foci"] == wanted
    server.anonymous().get(TRANSPORTS, token=False).expect(401, "M_MISSING_TOKEN")
    assert accounts.register(server.url).get(TRANSPORTS).ok().json == {"rtc_transports": wanted}


def test_rtc_transports__none_configured__empty(alice):
    assert alice.get(TRANSPORTS).ok().json == {"rtc_transports": []}


def test_well_known_client__asked__gives_base_url_or_404(nobody):
    reply = nobody.get("/.well-known/matrix/client", token=False).expect((200, 404))
    if reply.status == 200:
        assert reply["m.homeserver"]["base_url"].startswith("http")
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["content-type"].startswith("application/json")


def test_capabilities__with_token__names_password_and_room_versions(alice):
    capabilities = alice.get("/capabilities").ok()["capabilities"]
    assert capabilities["m.change_password"]["enabled"] is True
    versions = capabilities["m.room_versions"]
    assert versions["default"] in versions["available"]
    assert set(versions["available"]) >= {str(number) for number in range(1, 13)}
    assert set(versions["available"].values()) <= {"stable", "unstable"}
    for number in range(6, 13):
        assert versions["available"][str(number)] == "stable"


def test_capabilities__default_room_version__is_the_one_createroom_uses(alice):
    default = alice.get("/capabilities").ok()["capabilities"]["m.room_versions"]["default"]
    room = alice.create_room()
    assert alice.get_state(room, "m.room.create").ok()["room_version"] == default


def test_capabilities__without_token__401(nobody):
    nobody.get("/capabilities", token=False).expect(401, "M_MISSING_TOKEN")


@pytest.mark.parametrize("method, path", our_operations())
def test_options__on_every_endpoint__cors_headers_and_no_logic(nobody, method, path):
    reply = nobody.request("OPTIONS", path, token=False, headers={
        "Origin": "https://client.example", "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type"})
    reply.expect((200, 204))
    assert reply.headers["access-control-allow-origin"] == "*"
    methods = {item.strip() for item in reply.headers["access-control-allow-methods"].split(",")}
    assert {"GET", "POST", "PUT", "DELETE", "OPTIONS"} <= methods
    allowed = {item.strip().lower() for item in reply.headers["access-control-allow-headers"].split(",")}
    assert {"x-requested-with", "content-type", "authorization"} <= allowed


@pytest.mark.parametrize("method, path", our_operations())
def test_endpoint__wrong_method__405_unrecognized(hs, nobody, method, path):
    known = {op["method"] for op in schema.operations()
             if schema._api.find(op["method"], path.replace("%23", "#")) is op}
    foreign = next(item for item in ("PATCH", "DELETE", "PUT", "POST", "GET") if item not in known)
    if foreign == "PATCH" and hs.is_synapse:
        foreign = next(item for item in ("DELETE", "PUT", "POST") if item not in known)
    reply = nobody.request(foreign, path, token=False)
    reply.expect(405, "M_UNRECOGNIZED")


@pytest.mark.parametrize("method, path", our_operations())
def test_endpoint__known_path__is_not_unrecognized(nobody, method, path):
    """Every endpoint of the first part exists: without token it asks for one, or complains of the request."""
    reply = nobody.request(method, path, {} if method in ("PUT", "POST") else None, token=False)
    assert reply.errcode != "M_UNRECOGNIZED", reply


@pytest.mark.parametrize("path", [
    "/_matrix/client/v3/no/such/endpoint", "/_matrix/client/v99/sync", "/_matrix/nothing",
    "/_matrix/client/v3/rooms/!x:hs1/nothing", "/_matrix/client/v3/", "/_matrix/client",
])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_unknown_path__any_method__404_unrecognized(nobody, method, path):
    nobody.request(method, path, token=False).expect(404, "M_UNRECOGNIZED")


def test_cors__on_errors__header_is_there(nobody):
    for reply in (nobody.get("/sync", token=False), nobody.get("/_matrix/nope", token=False),
                  nobody.post("/login", {"type": "nope"}, token=False)):
        assert reply.status >= 400
        assert reply.headers["access-control-allow-origin"] == "*"


def test_head_or_trailing_slash__on_versions__is_answered(nobody):
    reply = nobody.request("HEAD", "/_matrix/client/versions", token=False)
    assert reply.status in (200, 405) and reply.raw == b""


def test_server_keys__fetched__signed_by_the_published_key(hs, nobody):
    keys = nobody.get("/_matrix/key/v2/server", token=False).ok().json
    assert keys["server_name"] == hs.server_name
    assert keys["valid_until_ts"] > time.time() * 1000
    assert keys["verify_keys"]
    assert isinstance(keys.get("old_verify_keys", {}), dict)
    for key_id, entry in keys["verify_keys"].items():
        assert key_id.startswith("ed25519:")
        assert len(ed25519.unpadded(entry["key"])) == 32
        assert "=" not in entry["key"]
        assert ed25519.verify_json(keys, hs.server_name, key_id, entry["key"])


def test_server_keys__body_changed__signature_fails(hs, nobody):
    keys = nobody.get("/_matrix/key/v2/server", token=False).ok().json
    key_id, entry = next(iter(keys["verify_keys"].items()))
    keys["valid_until_ts"] += 1
    assert not ed25519.verify_json(keys, hs.server_name, key_id, entry["key"])


def test_request__with_query_token__ignored_or_accepted_but_no_crash(alice):
    """Query-string tokens are gone after v1.19; older servers still take them."""
    reply = alice.get("/account/whoami", {"access_token": alice.token}, token=False)
    reply.expect((200, 401))


def test_response__to_any_request__is_json_utf8(alice, room):
    alice.send(room, "zürich ✓ 漢字 🙂")
    reply = alice.messages(room).ok()
    assert "zürich ✓ 漢字 🙂" in [event["content"].get("body") for event in reply["chunk"]]
    reply.raw.decode("utf-8")


def test_keepalive__many_requests_on_one_connection__all_answered(nobody):
    for _ in range(50):
        nobody.get("/_matrix/client/versions", token=False).ok()


def test_content_type__absent_or_other__json_is_still_read(alice, hs):
    for kind in ("text/plain", "application/json; charset=utf-8", "application/octet-stream"):
        alice.request("POST", "/createRoom", raw=b'{"name":"x"}', headers={"Content-Type": kind}).ok()


def test_well_known_support__configured__contacts_and_page(make_server):
    server = make_server(settings={
        "support.page": "https://school.example/help",
        "support.contacts": "m.role.admin @admin:school.example office@school.example,m.role.security sec@school.example"})
    reply = server.start().anonymous().get("/.well-known/matrix/support", token=False).ok()
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.json == {
        "contacts": [{"matrix_id": "@admin:school.example", "email_address": "office@school.example",
                      "role": "m.role.admin"},
                     {"email_address": "sec@school.example", "role": "m.role.security"}],
        "support_page": "https://school.example/help"}


def test_auth_metadata__no_oauth_here__404_unrecognized(nobody):
    nobody.get("/_matrix/client/v1/auth_metadata", token=False).expect(404, "M_UNRECOGNIZED")


def test_well_known_support__not_configured__404(nobody):
    nobody.get("/.well-known/matrix/support", token=False).expect(404, "M_NOT_FOUND")
