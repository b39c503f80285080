"""Proofs of e-mail addresses as clients and the addresses' owners do them. The server's public_base_url is BASE."""
from .client import Client, unique

BASE = "https://matrix.hs1.example"


def new_address():
    return unique("Lin.Mei-") + "@Post.Example"


class Proof:
    """A validation as a client and the address's owner do it."""

    def __init__(self, server, box, path, address, secret=None, attempt=1, **more):
        self.server, self.box, self.path, self.address = server, box, path, address
        self.secret = secret or unique("secret.=_-")
        self.mails = len(box.to(address.lower()))
        self.sid = self.ask(attempt, **more).ok()["sid"]

    def ask(self, attempt, **more):
        return self.server.anonymous().post(self.path + "/email/requestToken", {
            "client_secret": self.secret, "email": self.address, "send_attempt": attempt, **more}, token=False)

    @property
    def mail(self):
        return self.box.wait(self.address.lower(), self.mails + 1)

    @property
    def target(self):
        link, = self.mail.links
        assert link.startswith(BASE + "/_matrix/client/belfry/email/confirm?"), link
        return link[len(BASE):]

    def page(self, method="GET", target=None):
        return self.server.anonymous().http.raw(method, target or self.target)

    def confirm(self):
        reply = self.page("POST")
        assert reply.status in (200, 303), reply
        return self

    @property
    def credentials(self):
        return {"sid": self.sid, "client_secret": self.secret}


def email_auth(proof, session=None):
    auth = {"type": "m.login.email.identity", "threepid_creds": proof.credentials}
    return {**auth, "session": session} if session else auth


def register(server, proof, name=None, **more):
    name = name or unique("e")
    return server.anonymous().post("/register", {"username": name, "password": "password-" + name,
                                                 "auth": email_auth(proof), **more}, token=False)


def with_address(server, box, address=None):
    """A user who has registered with an address; it is kept as user.address."""
    address = address or new_address()
    proof = Proof(server, box, "/register", address).confirm()
    reply = register(server, proof).ok()
    name = reply["user_id"].partition(":")[0][1:]
    user = Client(server.url, reply["access_token"], reply["user_id"], reply["device_id"], "password-" + name)
    user.address = address
    return user


def addresses(user):
    return [item["address"] for item in user.get("/account/3pid").ok()["threepids"]]
