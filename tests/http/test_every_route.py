"""What holds for every route of the server, whoever adds it: tokens, guests, bodies, methods, ids, limits, CORS.

The routes are those of the program itself (`belfry routes --json`), so a new one is tested here the moment it
stands in a route table.  What its author has to add, and the failing test says so:

- a path parameter with a new name: a good value for it in `Setting.good`, and, if it names something that may
  be missing, a row in `UNKNOWN`;
- a body with required fields: its smallest good body in `BODIES`;
- a rule that the route departs from: a line in `EXCEPTIONS`, with the specification's reason.  A line that no
  longer departs from anything fails too.
"""
import ast
import json
import os
import re
import subprocess

import pytest

from support import accounts
from support.client import Client, path_of, quote, unique
from support.notices import Hook, Program
from support.server import Server, binary

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")


def read_routes():
    if not binary():
        return []
    done = subprocess.run([binary(), "routes", "--json"], capture_output=True, check=True)
    return json.loads(done.stdout)


def read_specification():
    """By operation id: "token" (yes, optional, no), "guest", "rate_limited", "body" ({field: type})."""
    path = os.path.join(os.path.dirname(os.path.abspath(accounts.__file__)), "client_endpoints.json")
    with open(path, encoding="utf-8") as file:
        return json.load(file)


ROUTES = read_routes()
SPECIFICATION = read_specification()
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
BODY_CEILING = 256 * 1024

WITH_TOKEN = ("user", "user or guest", "administrator", "application service")
"""Kinds of authentication for which an access token must be sent."""

WITH_OTHER_TOKEN = ("notice token",)
"""Those for which another kind of token stands in the same header."""

TOKEN_IN_PATH = {"notice hook": "hookToken"}
"""Those for which a token stands in the path, and its parameter."""


def named(route):
    return "%s-%s" % (route["method"], re.sub(r"^/_matrix/client/(\(r0\|v3\)/)?", "", route["path"]))


def routes(condition=lambda route: True):
    return pytest.mark.parametrize("route", [pytest.param(route, id=named(route)) for route in ROUTES
                                             if condition(route)])


def parameters(route):
    return re.findall(r"\{(\w+)\}", route["path"])


def alternatives(path):
    """"/(r0|v3)/x" stands for "/r0/x" and "/v3/x"."""
    found = re.search(r"\(([^)]*)\)", path)
    if found is None:
        return [path]
    return [item for choice in found.group(1).split("|")
            for item in alternatives(path[:found.start()] + choice + path[found.end():])]


# -- what a route needs to be asked sensibly

class Setting:
    """A user with a room, an event and a device: what path parameters can name."""

    def __init__(self, server):
        self.server = server
        self.user = accounts.register(server.url)
        self.room = self.user.create_room()
        self.event = self.user.send(self.room)
        self.alias = "#%s:%s" % (unique("a"), server.server_name)
        self.user.put(path_of("directory", "room", self.alias), {"room_id": self.room}).ok()
        self.delay = self.user.put(path_of("rooms", self.room, "send", "m.room.message", unique("t")), {},
                                   query={"org.matrix.msc4140.delay": "3600000"}, check=False).ok()["delay_id"]
        self._admin = self._program = None

    def asker(self, route):
        """Somebody who may ask."""
        if route["auth"] in ("notice token", "notice hook"):
            return self.program().client
        if route["auth"] != "administrator":
            return self.user
        if self._admin is None:
            self._admin = accounts.register_by_secret(self.server.url, self.server.secret, admin=True)
        return self._admin

    def program(self):
        """One that posts notices to the room; its first notice is due in a future that no test sees."""
        if self._program is None:
            self.server.run("notice", "sender", "office")
            self._program = Program(self.server, "office", self.room)
            self._program.hook = Hook(self.server, "office", self.room)
            self._program.notice = self._program.send("x", start="2099-01-01T00:00")
        return self._program

    def good(self):
        return {
            "roomId": self.room, "roomIdOrAlias": self.room, "eventId": self.event, "userId": self.user.user_id,
            "deviceId": self.user.device_id, "roomAlias": self.alias, "eventType": "m.room.topic", "stateKey": "key",
            "txnId": unique("t"), "type": "org.example.type", "tag": "u.tag", "filterId": "0",
            "keyName": "displayname", "kind": "override", "ruleId": ".m.rule.master", "receiptType": "m.read",
            "relType": "m.annotation", "scope": "global", "sessionId": "session", "version": "1",
            "serverName": self.server.server_name, "mediaId": "media", "fileName": "file", "protocol": "irc",
            "appserviceId": "bot", "idpId": "school", "networkId": "irc", "medium": "email", "loginType": "m.login.sso",
            "authType": "m.login.dummy", "policyId": "terms", "serverPattern": "*.example", "queryType": "profile", "language": "en", "link": "notice.code",
            "keyId": "ed25519:auto", "rendezvousId": "rendezvous", "delayId": self.delay,
        }

    def paths(self, route, **other):
        """The route's paths, with good values but for those given."""
        values = {**self.good(), **other}
        if "noticeId" in parameters(route) and "noticeId" not in values:
            values["noticeId"] = str(self.program().notice)
        if "hookToken" in parameters(route) and "hookToken" not in values:
            values["hookToken"] = self.program().hook.token
        for name in parameters(route):
            assert name in values, "give a good value for {%s} in Setting.good" % name
        return [re.sub(r"\{(\w+)\}", lambda match: quote(values[match.group(1)]), path)
                for path in alternatives(route["path"])]


BODIES = {
    "inviteUser": {"user_id": "@somebody:hs1"}, "kick": {"user_id": "@somebody:hs1"},
    "ban": {"user_id": "@somebody:hs1"}, "unban": {"user_id": "@somebody:hs1"},
    "setTyping": {"typing": False},
    "updateDelayedEvent": {"action": "restart"}, "delayEvent": {"delay_ms": 3600000, "content": {}},
    "sendMessage": {"msgtype": "m.text", "body": "x"},
    "setRoomStateWithKey": {"topic": "x"},
    "setProfileField": {"displayname": "x"},
    "upgradeRoom": {"new_version": "12"},
    "putRoomKeysByRoomId": {"sessions": {}},
    "putRoomKeyBySessionId": {"first_message_index": 0, "forwarded_count": 0, "is_verified": False, "session_data": {}},
    "reportRoom": {"reason": "x"}, "reportUser": {"reason": "x"},
    "setAdminSuspendUser": {"suspended": True}, "setAdminLockUser": {"locked": True},
}
"""Smallest good bodies of routes that have required fields and a path parameter of `UNKNOWN`."""

QUERIES = {
    "getRoomEvents": {"dir": "b"},
    "getEventByTimestamp": {"ts": "0", "dir": "f"},
    **{method + name: {"version": "1"} for name in ("RoomKeysByRoomId", "RoomKeyBySessionId")
       for method in ("get", "put", "delete")},
}
"""The same for the query."""

UNKNOWN = {
    "delayId": ("nothing", (404, "M_NOT_FOUND")),
    # somebody else's room is answered as one that is not there
    "roomId": ("!%s" % ("A" * 43), (403, "M_FORBIDDEN")),
    "eventId": ("$%s" % ("A" * 43), (404, "M_NOT_FOUND")),
    "deviceId": ("NOSUCHDEVICE", (404, "M_NOT_FOUND")),
    "filterId": ("999999", (404, "M_NOT_FOUND")),
    "roomAlias": ("#no-such-alias:hs1", (404, "M_NOT_FOUND")),
    # most often the path says whose thing it is: one's own
    "userId": ("@no-such-user:hs1", (403, "M_FORBIDDEN")),
    "noticeId": ("999999999", (404, "M_NOT_FOUND")),
}
"""Parameter: a value that names nothing, and the answer to it."""

NO_BODY = "_index.md, API Standards: takes an empty request body"
LOG_OUT = {
    "guests_as_specified": (None, "whoever came in may leave"),
    "malformed_body": ((200, None), NO_BODY),
    "body_no_object": ((200, None), NO_BODY),
    "locked": ((200, None), "_index.md, Account locking: stays open to locked accounts"),
}
A_PAGE = {
    "malformed_body": ((404, None), "a page for people: its form has no JSON"),
    "body_no_object": ((404, None), "a page for people: its form has no JSON"),
}
OAUTH = {rule: ((404, "M_UNRECOGNIZED"), "off without public_base_url; where it is on, it refuses in OAuth's form (test_oauth.py)")
         for rule in ("malformed_body", "body_no_object")}
RENDEZVOUS = {rule: ((404, "M_UNRECOGNIZED"), "off without public_base_url; where it is on, a body is any bytes (test_rendezvous.py)")
              for rule in ("malformed_body", "body_no_object")}
NO_SUCH_USER = {"unknown_id.userId": ((404, "M_NOT_FOUND"), "its YAML: 404 when there is no such user")}
NO_DATA = {"unknown_id.roomId": ((404, "M_NOT_FOUND"), "account_data.yaml and tags.yaml know no 403 for rooms")}

NO_JSON = "content-repo.yaml: bytes of any kind, with a limit of their own"
UPLOAD = {rule: ((200, None), NO_JSON) for rule in ("malformed_body", "body_no_object", "body_too_large")}
LATE_UPLOAD = {rule: ((404, "M_NOT_FOUND"), NO_JSON) for rule in UPLOAD}

NO_BACKUP = {"unknown_id.roomId": ((404, "M_NOT_FOUND"), "key_backup.yaml: 404 without a backup; rooms need not be known")}

NO_PARENT = {"unknown_id.roomId": ((404, "M_NOT_FOUND"), "relations.yaml: 404 also for an event that one may not see")}

NOT_LISTED = {
    "unknown_id.roomId": ((404, "M_NOT_FOUND"), "list_public_rooms.yaml: 404 when the room is not known")}

EXCEPTIONS = {
    "getRoomVisibilityOnDirectory": NOT_LISTED,
    "setRoomVisibilityOnDirectory": NOT_LISTED,
    "emailConfirm": A_PAGE,
    "noticeConfirm": A_PAGE,
    "pusherUnsubscribe": A_PAGE,
    "consentGive": {rule: ((403, None), "a page for people: its form has no JSON") for rule in A_PAGE},
    "authFallback": A_PAGE,
    "ssoConfirm": A_PAGE,
    **{name: OAUTH for name in ("oauthRegister", "oauthDevice", "oauthToken", "oauthRevoke")},
    **{name: A_PAGE for name in ("oauthAuthorize", "oauthLink", "webLogin", "webLogout", "webRegister", "webForgot", "webReset", "accountAct",
                                 "accountMail")},
    "createRendezvous": RENDEZVOUS,
    "updateRendezvous": RENDEZVOUS,
    "logout": LOG_OUT,
    "uploadContent": UPLOAD,
    "uploadNoticeMedia": UPLOAD,
    "uploadContentToMXC": LATE_UPLOAD,
    "logout_all": LOG_OUT,
    "getCapabilities": {"guests_as_specified": (None, "a guest's client cannot know what to offer without it")},
    "queryPublicRooms": {"guests_as_specified": (None, "the same list as GET /publicRooms, which is open to all")},
    "getLoginFlows": {"rate_limit_as_specified": (None, "constant, and answered from memory")},
    "deleteDevice": {
        "unknown_id.deviceId": ((401, None), "device_management.yaml: asks for authentication first")},
    "getUserProfile": NO_SUCH_USER,
    "getProfileField": NO_SUCH_USER,
    "getAdminSuspendUser": NO_SUCH_USER,
    "setAdminSuspendUser": NO_SUCH_USER,
    "getAdminLockUser": NO_SUCH_USER,
    "setAdminLockUser": NO_SUCH_USER,
    "synapseListUserMedia": NO_SUCH_USER,
    "synapseDeleteUserMedia": NO_SUCH_USER,
    "synapseQuarantineUserMedia": NO_SUCH_USER,
    "getAccountDataPerRoom": NO_DATA,
    "setAccountDataPerRoom": NO_DATA,
    "getRoomTags": NO_DATA,
    "setRoomTag": NO_DATA,
    "deleteRoomTag": NO_DATA,
    "setRoomAlias": {"unknown_id.roomAlias": ((400, "M_MISSING_PARAM"), "makes the alias; the body misses its room")},
    "joinRoomById": {
        "unknown_id.roomId": ((404, "M_NOT_FOUND"), "no member says that the room exists"),
        "foreign_room": (None, "joining.yaml: 403 when the room's rules do not let the user in")},
    "getOneRoomEvent": {
        "unknown_id.roomId": ((404, "M_NOT_FOUND"), "rooms.yaml: 404 also for an event that one may not see")},
    "getEventContext": {
        "unknown_id.roomId": ((404, "M_NOT_FOUND"), "as for the event itself")},
    **{method + name: NO_BACKUP for name in ("RoomKeysByRoomId", "RoomKeyBySessionId")
       for method in ("get", "put", "delete")},
    "getRelatingEvents": NO_PARENT,
    "getRelatingEventsWithRelType": NO_PARENT,
    "getRelatingEventsWithRelTypeAndEventType": NO_PARENT,
    "reportEvent": {"unknown_id.roomId": ((404, "M_NOT_FOUND"), "report_content.yaml: 404 when one is not joined")},
    **{name: {rule: ((403, "M_FORBIDDEN"), "a user's token is refused first") for rule in rules} for name, rules in (
        ("updateAppserviceRoomDirectoryVisibility", ("malformed_body", "body_no_object")),
        ("pingAppservice", ("malformed_body", "body_no_object", "too_often")))},
    "reportRoom": {
        "unknown_id.roomId": ((200, None), "report_content.yaml: 200 conceals whether the room exists")},
    "reportUser": {"unknown_id.userId": ((200, None), "report_content.yaml: 200 conceals whether the user exists")},
}
"""operation id: {rule: (answer, reason)}.  Rules are the words given to judge(); a rule about one path parameter is
"unknown_id.roomId".  The answer is what comes instead: (status, errcode); None: just not what the rule says."""


def departs(route, rule):
    return rule in EXCEPTIONS.get(route["id"], {})


def judge(route, rule, is_kept, what):
    """The rule holds, unless the route is excepted; and an exception is needed."""
    if not departs(route, rule):
        assert is_kept, "%s departs from the rule '%s': %r" % (route["id"], rule, what)
        return
    answer, reason = EXCEPTIONS[route["id"]][rule]
    assert not is_kept, "%s keeps the rule '%s': take its line out of EXCEPTIONS" % (route["id"], rule)
    assert answer is None or is_answer(what, *answer), "%s, although '%s': %r" % (route["id"], reason, what)


PAGES = {"noticeConfirmPage", "noticeConfirm", "emailConfirmPage", "emailConfirm", "pusherUnsubscribePage", "pusherUnsubscribe", "authFallbackPage",
         "authFallback", "loginPage", "termsPage", "consentPage", "consentGive", "redirectToSSO", "redirectToIdP", "ssoCallback", "ssoStage",
         "ssoConfirm", "oauthAuthorizePage", "oauthAuthorize", "oauthLinkPage",
         "oauthLink", "webRegisterPage", "webRegister", "webLoginPage", "webLogin", "webLogout", "webDone", "webForgotPage",
         "webForgot", "webResetPage", "webReset", "accountPage", "accountAct", "accountMail"}
"""Routes for people in a browser, whose answers are pages."""


def check_always(reply, route):
    """Every answer, good or bad: never a failure of ours, and readable by a browser's script."""
    assert reply.status < 500, reply
    assert reply.headers.get("access-control-allow-origin") == "*", reply
    if route["id"] in PAGES and reply.headers["content-type"].startswith("text/html"):
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"], reply
        return reply
    if reply.status >= 400:
        assert isinstance(reply.errcode, str) or "flows" in reply, reply
        assert isinstance(reply.get("error"), str) or "flows" in reply, reply
        assert reply.headers["content-type"].startswith("application/json"), reply
    return reply


def ask(client, route, path, body=None, **more):
    """One request as the route wants it; the schema of good answers is others' affair."""
    if body is None and more.get("raw") is None and route["method"] in ("POST", "PUT", "DELETE"):
        body = BODIES.get(route["id"], {})
    return check_always(client.request(route["method"], path, body, query=QUERIES.get(route["id"]), check=False, **more),
                        route)


def is_answer(reply, status, errcode):
    return reply.status == status and reply.errcode == errcode


@pytest.fixture(scope="module")
def server():
    started = Server(settings={"registration.guests": "true"}).start()
    yield started
    started.destroy()


@pytest.fixture(scope="module")
def setting(server):
    return Setting(server)


def setting_for(route, rule, setting):
    """An excepted request may do what it says, such as logging out: to a user of its own."""
    return Setting(setting.server) if departs(route, rule) else setting


# -- the table itself

def test_exceptions__name_routes_and_give_reasons():
    ids = {route["id"] for route in ROUTES}
    for name, rules in EXCEPTIONS.items():
        assert name in ids, "no route is called " + name
        assert all(len(reason) > 10 for _, reason in rules.values()), name
    assert set(BODIES) | set(QUERIES) <= ids


def test_exceptions__each_route_once():
    """Of two lines for a route the first would count for nothing."""
    with open(__file__, encoding="utf-8") as file:
        tables = [node for node in ast.walk(ast.parse(file.read())) if isinstance(node, ast.Dict)]
    for table in tables:
        keys = [key.value for key in table.keys if isinstance(key, ast.Constant)]
        assert len(keys) == len(set(keys)), sorted(key for key in keys if keys.count(key) > 1)


# -- as the specification has it

def is_of_servers(route):
    """The server-server API gives some of its operations the names that the client-server API has."""
    return route["path"].startswith("/_matrix/federation/")


def specified(condition=lambda row: True):
    return lambda route: (not is_of_servers(route) and route["id"] in SPECIFICATION and
                          condition(SPECIFICATION[route["id"]]))


@routes(specified())
def test_authentication__as_specified(route):
    """A route marked as open by mistake would pass all tests below."""
    wanted = {"yes": WITH_TOKEN, "no": ("none", "optional"), "optional": ("none", "optional", "user", "user or guest")}
    is_kept = route["auth"] in wanted[SPECIFICATION[route["id"]]["token"]]
    judge(route, "authentication_as_specified", is_kept, route["auth"])


@routes(is_of_servers)
def test_servers_routes__signed_but_for_those_that_the_specification_opens(route):
    """server-server-api.md: openid.yaml, version.yaml, third_party_invite.yaml (identity servers)."""
    opened = ("getVersion", "exchangeOpenIdToken", "onBindThirdPartyIdentifier",
              "onBindThirdPartyIdentifierByPost")
    assert (route["auth"] == "none") == (route["id"] in opened), route


@routes(specified(lambda row: row["token"] == "yes"))
def test_guests__as_specified(route):
    """guest_access.md, "Client behaviour"."""
    is_kept = SPECIFICATION[route["id"]]["guest"] == (route["auth"] == "user or guest")
    judge(route, "guests_as_specified", is_kept, route["auth"])


@routes(specified(lambda row: row["rate_limited"]))
def test_rate_limit__as_specified(route):
    judge(route, "rate_limit_as_specified", route["rate"] != "none", route["rate"])


# -- who asks

@routes(lambda route: route["auth"] in WITH_TOKEN + WITH_OTHER_TOKEN)
def test_no_token__401_missing_token(setting, route):
    for path in setting.paths(route):
        reply = ask(setting.asker(route), route, path, token=False)
        judge(route, "no_token", is_answer(reply, 401, "M_MISSING_TOKEN"), reply)


@routes(lambda route: route["auth"] in WITH_TOKEN + WITH_OTHER_TOKEN + ("optional",))
def test_unknown_token__401_unknown_token(setting, route):
    for path in setting.paths(route):
        reply = ask(setting.asker(route), route, path, token="no-such-token")
        judge(route, "unknown_token", is_answer(reply, 401, "M_UNKNOWN_TOKEN"), reply)
        assert reply.get("soft_logout") is not True


@routes(lambda route: route["auth"] in TOKEN_IN_PATH)
def test_unknown_token_in_the_path__401_unknown_token(setting, route):
    for wrong in ("no-such-token", setting.program().token, setting.user.token):
        for path in setting.paths(route, **{TOKEN_IN_PATH[route["auth"]]: wrong}):
            reply = ask(setting.user, route, path)
            judge(route, "unknown_token", is_answer(reply, 401, "M_UNKNOWN_TOKEN"), reply)


@routes(lambda route: route["auth"] in WITH_OTHER_TOKEN)
def test_users_token__where_another_kind_is_wanted__401_unknown_token(setting, route):
    for path in setting.paths(route):
        reply = ask(setting.user, route, path)
        judge(route, "users_token", is_answer(reply, 401, "M_UNKNOWN_TOKEN"), reply)


@routes(lambda route: route["auth"] in WITH_TOKEN)
def test_notice_token__where_a_users_is_wanted__401_unknown_token(setting, route):
    for path in setting.paths(route)[:1]:
        reply = ask(setting.program().client, route, path)
        judge(route, "notice_token", is_answer(reply, 401, "M_UNKNOWN_TOKEN"), reply)


def test_servers_route__unsigned__401(setting):
    for route in (route for route in ROUTES if route["auth"] == "server"):
        for path in setting.paths(route):
            reply = ask(setting.asker(route), route, path)
            judge(route, "unsigned", is_answer(reply, 401, "M_UNAUTHORIZED"), reply)


@pytest.fixture(scope="module")
def guest(server):
    reply = server.anonymous().post("/register", {}, query={"kind": "guest"}, token=False).ok()
    return Client(server.url, reply["access_token"], reply["user_id"], reply["device_id"])


@routes(lambda route: route["auth"] in ("user", "administrator"))
def test_guest__403_guest_access_forbidden(setting, guest, route):
    for path in setting.paths(route):
        reply = ask(guest, route, path)
        judge(route, "guest", is_answer(reply, 403, "M_GUEST_ACCESS_FORBIDDEN"), reply)


def test_administrators_route__ordinary_user__403_forbidden(setting):
    for route in (route for route in ROUTES if route["auth"] == "administrator"):
        for path in setting.paths(route):
            reply = ask(setting.user, route, path)
            judge(route, "ordinary_user", is_answer(reply, 403, "M_FORBIDDEN"), reply)


@pytest.fixture(scope="module")
def locked(server):
    user = accounts.register(server.url)
    server.sql("update accounts set state = 'locked' where user_id = '%s'" % user.user_id)
    return user


@routes(lambda route: route["auth"] in WITH_TOKEN + ("optional",))
def test_locked__401_user_locked(setting, locked, route):
    """_index.md, "Account locking"."""
    user = locked
    if departs(route, "locked"):
        user = accounts.register(setting.server.url)
        setting.server.sql("update accounts set state = 'locked' where user_id = '%s'" % user.user_id)
    for path in setting.paths(route):
        reply = ask(user, route, path)
        judge(route, "locked", is_answer(reply, 401, "M_USER_LOCKED") and reply.get("soft_logout") is True, reply)
        if departs(route, "locked"):
            break


# -- terms

OPEN_WITHOUT_TERMS = {
    "leaving, and telling of abuse": ("leaveRoom", "forgetRoom", "reportEvent", "reportRoom", "reportUser"),
    "one's own account and its safety": (
        "logout", "logout_all", "deactivateAccount", "changePassword", "generateLoginToken", "requestOpenIdToken",
        "updateDevice", "deleteDevice", "deleteDevices", "add3PID", "post3PIDs", "bind3PID", "delete3pidFromAccount",
        "unbind3pidFromAccount", "deleteProfileField"),
    "taking back one's own words, nobody else's (test_consent.py)": ("redactEvent",),
    "of what was given when it was allowed; who knows its id needs no account": (
        "updateDelayedEvent", "restartDelayedEvent", "cancelDelayedEvent", "sendDelayedEvent"),
    "what nobody else gets to see": (
        "postReceipt", "setReadMarker", "setAccountData", "setAccountDataPerRoom", "setRoomTag", "deleteRoomTag",
        "defineFilter", "setPresence", "postPusher", "setPushRule", "deletePushRule", "setPushRuleEnabled",
        "setPushRuleActions"),
    "reading, though by POST": ("search", "searchUserDirectory", "queryPublicRooms", "slidingSync"),
    "without keys nothing can be read": (
        "uploadKeys", "queryKeys", "claimKeys", "uploadCrossSigningKeys", "uploadCrossSigningSignatures", "sendToDevice",
        "postRoomKeysVersion", "putRoomKeysVersion", "deleteRoomKeysVersion", "putRoomKeys", "deleteRoomKeys",
        "putRoomKeysByRoomId", "deleteRoomKeysByRoomId", "putRoomKeyBySessionId", "deleteRoomKeyBySessionId"),
}
"""Routes that change something and stay open to who has not accepted the terms.  A new route belongs here, or is marked
in its table (AUTH_USER_ACTS, AUTH_GUEST_ACTS)."""


def test_terms__each_route_that_changes_something__decided():
    changing = {route["id"] for route in ROUTES if route["method"] != "GET" and not is_of_servers(route) and
                route["auth"] in ("user", "user or guest", "optional")}
    acting = {route["id"] for route in ROUTES if route["acts"]}
    open_ones = {name for names in OPEN_WITHOUT_TERMS.values() for name in names}
    assert acting <= changing and not acting & open_ones
    assert changing == acting | open_ones, changing ^ (acting | open_ones)


@pytest.fixture(scope="module")
def lacking():
    """Somebody who has never accepted the terms of a server that enforces them."""
    started = Server(settings={"public_base_url": "https://hs1.example", "terms.enforced_from": "2024-01-01",
                               "terms.notices": "false", "terms.policies": "t 1 en https://hs1.example/t T"}).start()
    yield accounts.register_by_secret(started.url, started.secret)
    started.destroy()


@routes(lambda route: route["auth"] in ("user", "user or guest", "optional"))
def test_terms_not_accepted__403_where_it_acts_and_only_there(setting, lacking, route):
    user = lacking
    if route["id"] in ("logout", "logout_all"):
        user = Client(lacking.http, user_id=lacking.user_id, password=lacking.password).login()
        if route["id"] == "logout_all":
            return  # the same rule, and it would end the session of all others
    for path in setting.paths(route, userId=lacking.user_id):
        reply = ask(user, route, path)
        assert is_answer(reply, 403, "M_CONSENT_NOT_GIVEN") == route["acts"], reply
        assert not route["acts"] or reply["consent_uri"].startswith("https://hs1.example/_matrix/client/belfry/terms?")


# -- bodies

def is_for_clients(route):
    """What is not signed by a server is refused before anything else of it is looked at."""
    return route["auth"] != "server"


def takes_body(route):
    return is_for_clients(route) and (route["method"] in ("POST", "PUT") or "auth" in SPECIFICATION.get(route["id"], {}).get("body", ()))


@routes(takes_body)
def test_malformed_body__400_not_json(setting, route):
    mine = setting_for(route, "malformed_body", setting)
    for path, raw in zip(mine.paths(route), (b'{"a":', b"nonsense")):
        reply = ask(mine.asker(route), route, path, raw=raw)
        judge(route, "malformed_body", is_answer(reply, 400, "M_NOT_JSON"), reply)
        if departs(route, "malformed_body"):
            break


@routes(takes_body)
def test_body_no_object__400_bad_json(setting, route):
    mine = setting_for(route, "body_no_object", setting)
    for path, raw in zip(mine.paths(route), (b"[]", b'"text"')):
        reply = ask(mine.asker(route), route, path, raw=raw)
        judge(route, "body_no_object", is_answer(reply, 400, "M_BAD_JSON"), reply)
        if departs(route, "body_no_object"):
            break


@routes()
def test_sec_5_35__body_too_large__413_whatever_its_type(setting, route):
    """Whatever its type (security 5.35).  The body is announced, and only its beginning sent."""
    ceiling = route["body_ceiling_bytes"] or BODY_CEILING
    asker = setting.asker(route)
    for path in setting.paths(route):
        for kind in ("application/json", "multipart/form-data; boundary=x"):
            if ceiling <= BODY_CEILING:
                reply = ask(asker, route, path, raw=b" " * (ceiling + 1), headers={"Content-Type": kind})
            else:
                reply = ask(asker, route, path, raw=b"", headers={
                    "Content-Type": kind, "Content-Length": str(ceiling + 1), "Expect": "100-continue"})
                asker.http.drop()  # a proxy may wait for the rest
            judge(route, "body_too_large", is_answer(reply, 413, "M_TOO_LARGE"), reply)


HOSTILE = [
    b"null", b"true", b"0", b"-1", b"1.5", b"1e400", b"9223372036854775808", b'""', b'"\\u0000"', b'"\\ud83d\\ude42"',
    b'"' + b"x" * 70000 + b'"', b"[]", b"{}", b"[[]]", b'[{"a":1}]', b'{"a":[{}]}', b'["\\u0000"]', b"[1,2,3]",
    b"[" + b",".join([b"{}"] * 10000) + b"]", b"[" * 90 + b"]" * 90, b'{"":{}}',
    b'{"type":"m.login.password","session":7,"identifier":[],"password":{}}', b'{"type":{},"session":"\\u0000"}',
    b'{"type":"m.login.password","identifier":{"type":"m.id.user","user":"\\u0000"},"password":"\\u0000"}']
"""JSON values that no field expects."""


@routes(takes_body)
def test_body_fields__hostile_values__refused_or_taken_never_5xx(setting, route):
    """Every field that the specification gives the body, and one that it does not."""
    names = list(SPECIFICATION.get(route["id"], {}).get("body", ())) + ["org.example.field"]
    mine = Setting(setting.server)
    for name in names:
        for value in HOSTILE:
            path = mine.paths(route)[0]
            rest = {key: item for key, item in BODIES.get(route["id"], {}).items() if key != name}
            raw = json.dumps(rest).encode()[:-1] + (b"," if rest else b"") + b'"%s":%s}' % (name.encode(), value)
            ask(mine.asker(route), route, path, raw=raw)


# -- methods, paths, queries

def methods_of(path):
    """All methods that some route takes at this path, as the router matches: literals are parameters too."""
    def pattern(route):
        parts = re.split(r"(\{\w+\}|\([^)]*\))", route["path"])
        return "".join("[^/]+" if part.startswith("{") else part if part.startswith("(") else re.escape(part)
                       for part in parts)
    return {route["method"] for route in ROUTES if re.fullmatch(pattern(route), path)}


@routes()
def test_wrong_method__405_unrecognized(setting, route):
    for path in setting.paths(route):
        known = methods_of(path)
        for method in (item for item in METHODS if item not in known):
            reply = check_always(setting.user.request(method, path, {} if method != "GET" else None, check=False), route)
            judge(route, "wrong_method", is_answer(reply, 405, "M_UNRECOGNIZED"), reply)
            allowed = set(reply.headers["allow"].split(", "))
            assert known <= allowed and method not in allowed, (known, allowed)


@routes()
def test_options__204_cors_without_token(setting, route):
    """_index.md, "Web Browser Clients"."""
    for path in setting.paths(route):
        reply = setting.user.request("OPTIONS", path, token=False, headers={
            "Origin": "https://client.example", "Access-Control-Request-Method": route["method"]})
        is_kept = reply.status in (200, 204) and reply.raw == b""
        judge(route, "options", is_kept, reply)
        for name, wanted in (("methods", {"GET", "POST", "PUT", "DELETE", "OPTIONS"}),
                             ("headers", {"X-Requested-With", "Content-Type", "Authorization"})):
            assert wanted <= set(reply.headers["access-control-allow-" + name].split(", "))
        assert reply.headers["access-control-allow-origin"] == "*"


@routes()
def test_bad_percent_encoding__400(setting, route):
    for bad in ("%", "%zz", "%ff", "%ed%a0%80"):
        for path in setting.paths(route)[:1]:
            reply = check_always(setting.user.request(route["method"], path + "?a=" + bad, check=False), route)
            judge(route, "bad_percent_encoding", is_answer(reply, 400, "M_INVALID_PARAM"), reply)
        for name in parameters(route):
            path = setting.paths(route, **{name: "HERE"})[0].replace("HERE", bad)
            reply = ask(setting.asker(route), route, path)
            judge(route, "bad_percent_encoding", is_answer(reply, 400, "M_INVALID_PARAM"), reply)


@routes(parameters)
def test_odd_path_values__refused_or_taken_never_5xx(setting, route):
    for name in parameters(route):
        for value in ("\0", "a\0b", "%00", " ", "x" * 300, "漢" * 100, "'; drop table events; --", "..", "\n", "🙂",
                      "-1", "9223372036854775808", "{}", "[]", "*", "@:", "!:", "#:", "$:", "@a:b:c:d", "!\0:hs1"):
            mine = setting_for(route, "odd_path_values", setting)
            ask(mine.asker(route), route, mine.paths(route, **{name: value})[0])


# -- ids that name nothing, or what is another's

@pytest.mark.parametrize("route, name", [
    pytest.param(route, name, id=named(route) + "-" + name)
    for route in ROUTES if is_for_clients(route) for name in parameters(route) if name in UNKNOWN])
def test_unknown_id__refused(setting, route, name):
    value, wanted = UNKNOWN[name]
    for path in setting.paths(route, **{name: value}):
        reply = ask(setting.asker(route), route, path)
        judge(route, "unknown_id." + name, is_answer(reply, *wanted), reply)


@pytest.fixture(scope="module")
def foreign(server):
    """Another user's: private."""
    return Setting(server)


@routes(lambda route: "roomId" in parameters(route))
def test_foreign_room__as_one_that_is_not_there(setting, foreign, route):
    """Who is not in a room does not learn that it exists."""
    there = setting.paths(route, roomId=foreign.room, eventId=foreign.event)
    missing = setting.paths(route, roomId=UNKNOWN["roomId"][0], eventId=UNKNOWN["eventId"][0])
    for one, other in zip(there, missing):
        foreign_reply, missing_reply = ask(setting.asker(route), route, one), ask(setting.asker(route), route, other)
        is_kept = (foreign_reply.status, foreign_reply.raw) == (missing_reply.status, missing_reply.raw)
        judge(route, "foreign_room", is_kept, (foreign_reply, missing_reply))


# -- limits

RATES = {
    "read": ("GET", "/joined_rooms"), "write": ("PUT", "/rooms/!x/typing/@x"), "message": ("PUT", "/rooms/!x/send/m/t"),
    "join": ("POST", "/join/!x"), "login": ("POST", "/login"), "register": ("POST", "/register"),
    "notice": ("GET", "/_belfry/notices/v1/notices"),
}
"""Every budget, and a harmless request that is charged to it."""


class Limited:
    """A server with budgets of one request a minute, and a user who has used them all up."""

    def __init__(self):
        settings = {"rate_limits.enabled": "true"}
        for name in RATES:
            settings.update({"rate_limits.%s.per_minute" % name: "1", "rate_limits.%s.burst" % name: "1"})
        self.server = Server(settings=settings).start()
        made = self.server.run("user", "add", "limited", "--admin", "--password-stdin", input="limited words\n")
        assert made.returncode == 0, made.stderr
        self.user = Client(self.server.url, user_id="@limited:hs1", password="limited words").login()
        self.where = Setting.__new__(Setting)
        self.where.server, self.where.user, self.where.room = self.server, self.user, "!room:hs1"
        self.where.event, self.where.alias, self.where.delay = "$event", "#alias:hs1", "delay"
        assert self.server.run("notice", "sender", "office").returncode == 0
        self.where._program = Program(self.server, "office", "!room:hs1")
        self.where._program.notice = 1
        self.where._program.hook = Hook(self.server, "office", "!room:hs1")
        for name in RATES:
            self.use_up(name)

    def use_up(self, name):
        """Of the user, and of the address."""
        method, path = RATES[name]
        if name == "notice":
            self.where.program().client.request(method, path, check=False)
            self.where.program().hook.call(raw=b"{")
            return
        for token in (True, False):
            self.user.request(method, path, check=False, token=token)
        if name in ("read", "write"):
            for path, method in (("/profile/@x", "GET"), ("/_synapse/admin/v1/register", "POST")):
                self.user.request(method, path, check=False, token=False)


@pytest.fixture(scope="module")
def limited():
    made = Limited()
    yield made
    made.server.destroy()


@pytest.mark.one_process("each process gives out its share of a limit, one request at the least")
@routes(lambda route: route["rate"] != "none" and is_for_clients(route))
def test_too_often__429_with_the_time_to_wait(limited, route):
    """A budget may have got its next token meanwhile: then it is used up again, by something harmless. If that comes too soon for the token, the
    request itself takes it, and the same one after it finds none for a minute."""
    for path in limited.where.paths(route):
        is_for_programs = route["auth"] in WITH_OTHER_TOKEN
        for _ in range(2):
            limited.use_up(route["rate"])
            reply = ask(limited.where.program().client if is_for_programs else limited.user, route, path)
            if reply.status == 429:
                break
        wait_s = int(reply.headers.get("retry-after", "0"))
        if route["id"] in PAGES:
            is_kept = reply.status == 429 and wait_s > 0 and "<h1>" in reply.raw.decode()
        else:
            is_kept = is_answer(reply, 429, "M_LIMIT_EXCEEDED") and 0 < reply.get("retry_after_ms", 0) <= wait_s * 1000
        judge(route, "too_often", is_kept, reply)
