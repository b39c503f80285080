"""E-mail addresses of accounts: validation, registration, password reset, log-in (security 5.46 to 5.49)."""
import contextlib
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import accounts
from support.client import Client, unique
from support.proofs import BASE, Proof, addresses, email_auth, new_address, register, with_address
from support.server import Server, binary, wait_until

pytestmark = pytest.mark.skipif(not binary(), reason="needs the program")

NEXT = "https://chat.hs1.example/"


@pytest.fixture(scope="module")
def server(box):
    started = Server(settings={**box.settings(), "public_base_url": BASE + "/", "registration.email": "optional",
                               "email.next_links": NEXT}).start()
    yield started
    started.destroy()


@pytest.fixture
def nobody(server):
    return server.anonymous()


@pytest.fixture
def user(server):
    return accounts.register(server.url)


# -- validation

def test_mail__asked__both_languages_and_one_link(server, box):
    proof = Proof(server, box, "/register", new_address())
    assert "確認" in proof.mail.text and "Confirm" in proof.mail.text and "確認" in proof.mail.subject
    assert proof.mail.to == [proof.address.lower()] and proof.target
    assert proof.secret not in str(proof.mail.message)


def test_link__followed_by_a_scanner__confirms_nothing(server, box):
    proof = Proof(server, box, "/register", new_address())
    for method in ("GET", "HEAD", "GET"):
        proof.page(method)
    assert register(server, proof).status == 401
    proof.confirm()
    register(server, proof).ok()


def test_sec_5_37__confirm_page__no_frames_and_nothing_foreign(server, box):
    proof = Proof(server, box, "/register", new_address())
    page = proof.page()
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy and "default-src 'none'" in policy
    assert page.headers["x-frame-options"] == "DENY" and page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    text = page.raw.decode()
    assert "<button" in text and "Confirm" in text and "確認" in text and proof.address.lower() in text
    assert "<script" not in text


def test_link__wrong_or_foreign_token__404_page(server, box):
    one, two = (Proof(server, box, "/register", new_address()) for _ in range(2))
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(one.target).query))
    path = one.target.partition("?")[0]
    for sid, token in ((two.sid, query["token"]), (one.sid, "x" * 32), (one.sid, ""), ("", "")):
        for method in ("GET", "POST"):
            assert one.page(method, "%s?sid=%s&token=%s" % (path, sid, token)).status == 404
    assert register(server, one).status == 401


def test_send_attempt__same_again__same_session_and_no_second_mail(server, box):
    proof = Proof(server, box, "/register", new_address())
    first = proof.mail
    assert proof.ask(1).ok()["sid"] == proof.sid
    assert proof.ask(0).ok()["sid"] == proof.sid
    assert proof.ask(2).ok()["sid"] == proof.sid
    second = box.wait(proof.address.lower(), 2)
    assert len(box.to(proof.address.lower())) == 2 and second.links != first.links
    proof.page("POST", first.links[0][len(BASE):])
    assert register(server, proof).status == 401, "the older mail's link still counts"
    proof.page("POST", second.links[0][len(BASE):])
    register(server, proof).ok()


def test_mail__relay_busy__502_and_the_same_attempt_sends_later(server, box):
    secret, address = unique("secret"), new_address()
    body = {"client_secret": secret, "email": address, "send_attempt": 1}
    box.busy = True
    try:
        reply = server.anonymous().post("/register/email/requestToken", body, token=False)
        assert reply.status in (502, 503), reply
    finally:
        box.busy = False
    server.anonymous().post("/register/email/requestToken", body, token=False).ok()
    box.wait(address.lower())


def test_mail__address_that_the_relay_refuses__denied(server, box):
    address = new_address()
    box.refused.add(address.lower())
    server.anonymous().post("/register/email/requestToken", {
        "client_secret": "s", "email": address, "send_attempt": 1}, token=False).expect(403, "M_THREEPID_DENIED")


@pytest.mark.parametrize("change", [
    {"client_secret": ""}, {"client_secret": "x" * 256}, {"client_secret": "a b"}, {"client_secret": "ä"},
    {"email": "nobody"}, {"email": "a@b@c"}, {"email": "a b@c.example"}, {"email": "a@c.example\r\nBcc: d@e.example"},
    {"email": "a@c.example,d@e.example"}, {"email": "x" * 250 + "@c.example"}, {"email": ""},
    {"next_link": "https://evil.example/"}, {"next_link": "https://chat.hs1.example.evil.example/"},
    {"next_link": "javascript:alert(1)"}, {"next_link": "//chat.hs1.example/"}, {"next_link": "http://chat.hs1.example/"},
    {"next_link": NEXT + "\r\nSet-Cookie: a=b"}, {"next_link": "https://chat.hs1.example@evil.example/"},
], ids=str)
def test_request_token__malformed_or_open_redirect__400(server, change):
    body = {"client_secret": unique("s"), "email": new_address(), "send_attempt": 1, **change}
    for path in ("/register", "/account/3pid", "/account/password"):
        server.anonymous().post(path + "/email/requestToken", body, token=False).expect(400, "M_INVALID_PARAM")


def test_request_token__next_link_longer_than_the_headers_of_an_answer__400(nobody):
    body = {"client_secret": unique("s"), "email": new_address(), "send_attempt": 1, "next_link": NEXT + "a" * 70000}
    nobody.post("/register/email/requestToken", body, token=False).expect(400, "M_INVALID_PARAM")


@pytest.mark.parametrize("missing", ["client_secret", "email", "send_attempt"])
def test_request_token__field_missing__400(nobody, missing):
    body = {"client_secret": unique("s"), "email": new_address(), "send_attempt": 1}
    del body[missing]
    nobody.post("/account/3pid/email/requestToken", body, token=False).expect(400, "M_MISSING_PARAM")


def test_next_link__allowed__redirected_after_the_button(server, box):
    proof = Proof(server, box, "/register", new_address(), next_link=NEXT + "welcome?x=1")
    assert "chat.hs1.example" in proof.page().headers["content-security-policy"]
    reply = proof.page("POST")
    assert reply.status == 303 and reply.headers["location"] == NEXT + "welcome?x=1"


def test_sec_5_48__many_mails_to_one_address__limited(server, box):
    address = new_address()
    replies = [server.anonymous().post("/account/3pid/email/requestToken", {
        "client_secret": unique("s"), "email": address, "send_attempt": 1}, token=False) for _ in range(10)]
    assert replies[0].status == 200 and replies[-1].status == 429 and replies[-1]["retry_after_ms"] > 0
    assert len(box.to(address.lower())) <= 8


def test_msisdn__asked__not_supported(nobody):
    for path in ("/register", "/account/3pid", "/account/password"):
        nobody.post(path + "/msisdn/requestToken", {
            "client_secret": "s", "country": "TW", "phone_number": "0912345678", "send_attempt": 1},
            token=False).expect(400, "M_THREEPID_MEDIUM_NOT_SUPPORTED")


def test_email__no_relay_configured__not_supported(hs, alice):
    for path in ("/account/3pid", "/account/password"):
        hs.anonymous().post(path + "/email/requestToken", {
            "client_secret": "s", "email": "a@b.example", "send_attempt": 1},
            token=False).expect(400, "M_THREEPID_MEDIUM_NOT_SUPPORTED")
    hs.anonymous().post("/account/password", {"new_password": "password-new"}, token=False).expect(401, "M_MISSING_TOKEN")
    assert alice.get("/capabilities").ok()["capabilities"]["m.3pid_changes"]["enabled"] is False


# -- registration

def test_register__flows__with_and_without_address(nobody):
    flows = nobody.post("/register", {"username": unique("f"), "password": "password-x"}, token=False).expect(401)["flows"]
    assert flows == [{"stages": ["m.login.dummy"]}, {"stages": ["m.login.email.identity"]}]


def test_register__required__only_with_address(make_server, box):
    server = make_server(settings={**box.settings(), "public_base_url": BASE, "registration.email": "required",
                                   "registration.mode": "token"}).start()
    assert server.run("token", "create", "--token", "letmein").returncode == 0
    body = {"username": unique("f"), "password": "password-x"}
    reply = server.anonymous().post("/register", body, token=False).expect(401)
    assert reply["flows"] == [{"stages": ["m.login.registration_token", "m.login.email.identity"]}]
    proof = Proof(server, box, "/register", new_address()).confirm()
    session = reply["session"]
    server.anonymous().post("/register", {**body, "auth": {"type": "m.login.dummy", "session": session}},
                            token=False).expect(401)
    reply = server.anonymous().post("/register", {**body, "auth": email_auth(proof, session)}, token=False).expect(401)
    assert reply["completed"] == [], "stages come in their order, and a proof is not used up before its turn"
    reply = server.anonymous().post("/register", {**body, "auth": {
        "type": "m.login.registration_token", "token": "letmein", "session": session}}, token=False).expect(401)
    assert reply["completed"] == ["m.login.registration_token"]
    reply = server.anonymous().post("/register", {**body, "auth": email_auth(proof, session)}, token=False)
    user = Client(server.url, reply.ok()["access_token"])
    assert addresses(user) == [proof.address.lower()]


def test_register__confirmed_address__belongs_to_the_account(server, box):
    user = with_address(server, box)
    item, = user.get("/account/3pid").ok()["threepids"]
    assert item["medium"] == "email" and item["address"] == user.address.lower()
    assert item["validated_at"] > 0 and item["added_at"] > 0


def test_register__polling_before_the_button__401_then_done(server, box):
    proof = Proof(server, box, "/register", new_address())
    body = {"username": unique("p"), "password": "password-x"}
    session = server.anonymous().post("/register", body, token=False).expect(401)["session"]
    body["auth"] = email_auth(proof, session)
    for _ in range(3):
        assert server.anonymous().post("/register", body, token=False).expect(401)["session"] == session
    proof.confirm()
    server.anonymous().post("/register", body, token=False).ok()


def test_sec_5_49__email_proof__counts_once(server, box):
    proof = Proof(server, box, "/register", new_address()).confirm()
    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(lambda _: register(server, proof).status, range(4)))
    assert statuses == [200, 401, 401, 401]
    assert register(server, proof).status == 401


def test_sec_5_49__email_proof__of_another_secret_or_purpose__refused(server, box, user):
    proof = Proof(server, box, "/register", new_address()).confirm()
    stolen = Proof.__new__(Proof)
    stolen.sid, stolen.secret = proof.sid, "another"
    assert register(server, stolen).status == 401
    user.uia("POST", "/account/3pid/add", proof.credentials).expect(400, "M_THREEPID_AUTH_FAILED")
    reset = server.anonymous().post("/account/password", {"new_password": "password-evil", "auth": email_auth(proof)},
                                    token=False)
    assert reset.status == 401
    register(server, proof).ok()


def test_sec_5_48__registering_with_an_address_in_use__same_answer_and_no_link(server, box):
    owner = with_address(server, box)
    proof = Proof(server, box, "/register", owner.address.upper())
    assert proof.mail.links == [] and "密碼" in proof.mail.text and "password" in proof.mail.text
    assert register(server, proof).status == 401
    adding = Proof(server, box, "/account/3pid", owner.address)
    assert adding.mail.links == []


# -- the account's addresses

def test_3pid_add__confirmed__listed_and_login_by_it(server, box, user):
    address = new_address()
    proof = Proof(server, box, "/account/3pid", address)
    user.uia("POST", "/account/3pid/add", proof.credentials).expect(400, "M_THREEPID_AUTH_FAILED")
    proof.confirm()
    user.post("/account/3pid/add", proof.credentials).expect(401)
    user.uia("POST", "/account/3pid/add", proof.credentials).ok()
    assert addresses(user) == [address.lower()]
    for identifier in ({"type": "m.id.thirdparty", "medium": "email", "address": address},
                       {"type": "m.id.thirdparty", "medium": "email", "address": address.upper()}):
        reply = server.anonymous().post("/login", {"type": "m.login.password", "identifier": identifier,
                                                   "password": user.password}, token=False)
        assert reply.ok()["user_id"] == user.user_id
    server.anonymous().post("/login", {"type": "m.login.password", "medium": "email", "address": address,
                                       "password": user.password}, token=False).ok()
    server.anonymous().post("/login", {"type": "m.login.password", "identifier": identifier,
                                       "password": "wrong"}, token=False).expect(403, "M_FORBIDDEN")


def test_login__unknown_address__403_as_a_wrong_password(nobody):
    for medium, address in (("email", "nobody@nowhere.example"), ("msisdn", "886912345678"), ("email", "a\0b")):
        nobody.post("/login", {"type": "m.login.password", "password": "x", "identifier": {
            "type": "m.id.thirdparty", "medium": medium, "address": address}}, token=False).expect(403, "M_FORBIDDEN")


def test_sec_5_48__one_address_two_accounts__second_refused(server, box, user):
    other = accounts.register(server.url)
    address = new_address()
    first = Proof(server, box, "/account/3pid", address).confirm()
    second = Proof(server, box, "/account/3pid", address.upper()).confirm()
    user.uia("POST", "/account/3pid/add", first.credentials).ok()
    other.uia("POST", "/account/3pid/add", second.credentials).expect(400, "M_THREEPID_IN_USE")
    assert addresses(other) == []


def test_3pid_delete__own__gone_and_free_again(server, box):
    user = with_address(server, box)
    body = {"medium": "email", "address": user.address.upper()}
    other = accounts.register(server.url)
    other.post("/account/3pid/delete", body).expect(404, "M_THREEPID_NOT_FOUND")
    assert user.post("/account/3pid/delete", body).ok()["id_server_unbind_result"] == "no-support"
    assert addresses(user) == []
    user.post("/account/3pid/delete", body).expect(404, "M_THREEPID_NOT_FOUND")
    assert with_address(server, box, user.address).user_id != user.user_id


def test_3pid__suspended__may_add_and_not_remove(server, box):
    user = with_address(server, box)
    assert server.run("user", "suspend", user.user_id).returncode == 0
    wait_until(lambda: user.post("/createRoom").errcode == "M_USER_SUSPENDED", what="the suspension")
    body = {"medium": "email", "address": user.address}
    user.post("/account/3pid/delete", body).expect(403, "M_USER_SUSPENDED")
    user.post("/account/3pid/unbind", body).expect(403, "M_USER_SUSPENDED")
    proof = Proof(server, box, "/account/3pid", new_address()).confirm()
    user.uia("POST", "/account/3pid/add", proof.credentials).ok()
    assert len(addresses(user)) == 2


def test_sec_5_47__deactivated__address_free_and_no_reset(server, box):
    user = with_address(server, box)
    proof = Proof(server, box, "/account/password", user.address).confirm()
    assert user.uia("POST", "/account/deactivate").ok()["id_server_unbind_result"] == "success"
    reset(server, proof).expect(401, "M_THREEPID_AUTH_FAILED")
    late = Proof(server, box, "/account/password", user.address)
    assert late.mail.links == []
    server.anonymous().post("/login", {"type": "m.login.password", "password": user.password, "identifier": {
        "type": "m.id.thirdparty", "medium": "email", "address": user.address}}, token=False).expect(403, "M_FORBIDDEN")


# -- password reset

def reset(server, proof, password="password-new", **more):
    return server.anonymous().post("/account/password", {"new_password": password, "auth": email_auth(proof), **more},
                                   token=False)


def test_password_reset__confirmed__new_password_and_sessions_ended(server, box):
    user = with_address(server, box)
    reply = server.anonymous().post("/account/password", {"new_password": "password-new"}, token=False).expect(401)
    assert reply["flows"] == [{"stages": ["m.login.email.identity"]}]
    proof = Proof(server, box, "/account/password", user.address.upper())
    assert reset(server, proof).status == 401
    proof.confirm()
    reset(server, proof).ok()
    user.get("/account/whoami").expect(401, "M_UNKNOWN_TOKEN")
    user.login("password-new")
    assert reset(server, proof, "password-third").status == 401
    server.anonymous().post("/login", {"type": "m.login.password", "identifier": {
        "type": "m.id.user", "user": user.user_id}, "password": user.password}, token=False).expect(403, "M_FORBIDDEN")


@contextlib.contextmanager
def before_each_change(server, what):
    """PostgreSQL does this before it changes a password."""
    server.sql("CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN %s; RETURN NEW; END$$;"
               "CREATE TRIGGER meet BEFORE UPDATE OF password_hash ON accounts FOR EACH ROW EXECUTE FUNCTION meet()" % what)
    try:
        yield
    finally:
        server.sql("DROP TRIGGER meet ON accounts; DROP FUNCTION meet")


def test_password_reset__change_fails__proof_stays_good(server, box):
    user = with_address(server, box)
    proof = Proof(server, box, "/account/password", user.address).confirm()
    with before_each_change(server, "RAISE 'no' USING ERRCODE = 'disk_full'"):
        assert reset(server, proof).status >= 500
    user.login()
    reset(server, proof).ok()
    user.login("password-new")


def test_password_reset__mails_used_at_the_same_time__one_counts(server, box):
    user = with_address(server, box)
    proofs = 2 * [Proof(server, box, "/account/password", user.address).confirm() for _ in range(2)]
    passwords = ["password-new%d" % number for number in range(4)]
    with before_each_change(server, "PERFORM pg_sleep(0.5)"), ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda proof, password: reset(server, proof, password).status, proofs, passwords))
    assert statuses.count(200) == 1 and set(statuses) <= {200, 401, 403}, statuses
    user.login(passwords[statuses.index(200)])


def test_password_reset__logout_devices_false__sessions_live(server, box):
    user = with_address(server, box)
    proof = Proof(server, box, "/account/password", user.address).confirm()
    reset(server, proof, logout_devices=False).ok()
    user.get("/account/whoami").ok()


def test_sec_5_48__reset__unknown_address__same_answer_and_no_link(server, box):
    proof = Proof(server, box, "/account/password", new_address())
    assert proof.mail.links == []
    assert reset(server, proof).status == 401


def test_sec_5_48__reset__address_removed_meanwhile__403(server, box):
    user = with_address(server, box)
    proof = Proof(server, box, "/account/password", user.address).confirm()
    user.post("/account/3pid/delete", {"medium": "email", "address": user.address}).ok()
    reset(server, proof).expect(403, "M_FORBIDDEN")
    user.login()


def test_sec_5_48__reset__other_stages__no_way_round(server, box):
    with_address(server, box)
    for auth in ({"type": "m.login.dummy"}, {"type": "m.login.password", "user": "x", "password": "y"},
                 {"type": "m.login.registration_token", "token": "x"}, {"type": "m.login.email.identity"},
                 {"type": "m.login.email.identity", "threepid_creds": {"sid": "", "client_secret": ""}}):
        reply = server.anonymous().post("/account/password", {"new_password": "password-evil", "auth": auth}, token=False)
        assert reply.status in (400, 401), reply


def test_sec_5_48__reset__proof_of_ones_own_address__opens_nobody_elses_account(server, box):
    victim, thief = with_address(server, box), with_address(server, box)
    proof = Proof(server, box, "/account/password", thief.address).confirm()
    reset(server, proof, user=victim.user_id, user_id=victim.user_id, username=victim.user_id).ok()
    victim.get("/account/whoami").ok()
    victim.login()


def test_sec_5_48__reset__done__other_mails_of_the_account_end(server, box):
    """Also those to its other addresses; whoever reads an older mail must not reset once more."""
    user, other = with_address(server, box), with_address(server, box)
    second = Proof(server, box, "/account/3pid", new_address()).confirm()
    user.uia("POST", "/account/3pid/add", second.credentials).ok()
    proofs = [Proof(server, box, "/account/password", address).confirm() for address in (user.address, user.address, second.address)]
    unrelated = Proof(server, box, "/account/password", other.address).confirm()
    reset(server, proofs[1]).ok()
    for proof in proofs:
        assert reset(server, proof, "password-evil").status == 401
        assert proof.page().status == 404, "the mail's page too"
    user.login("password-new")
    reset(server, unrelated).ok()


def test_sec_5_48__reset_mail__password_changed_or_signed_out_everywhere_meanwhile__of_no_use(server, box):
    user = with_address(server, box)
    first = Proof(server, box, "/account/password", user.address).confirm()
    user.uia("POST", "/account/password", {"new_password": "password-2nd", "logout_devices": False}).ok()
    assert reset(server, first, "password-evil").status == 401
    second = Proof(server, box, "/account/password", user.address).confirm()
    assert server.run("user", "password", user.user_id, "--password-stdin", input="password-3rd\n").returncode == 0
    assert reset(server, second, "password-evil").status == 401
    third = Proof(server, box, "/account/password", user.address).confirm()
    user.login("password-3rd").post("/logout/all").ok()
    assert reset(server, third, "password-evil").status == 401
    user.login("password-3rd")


def test_sec_5_46__secrets_of_a_validation__not_in_the_database_or_the_log(server, box):
    proof = Proof(server, box, "/register", new_address())
    token = urllib.parse.parse_qs(urllib.parse.urlsplit(proof.target).query)["token"][0]
    proof.confirm()
    kept = server.sql("select * from email_validations") + server.log()
    for secret in (proof.secret, token):
        assert secret not in kept and secret.encode().hex() not in kept
    assert proof.address.lower() not in server.log()


def test_capabilities__with_mails__3pid_changes(user):
    assert user.get("/capabilities").ok()["capabilities"]["m.3pid_changes"]["enabled"] is True
