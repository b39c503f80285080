"""A real Sydent, the reference identity server, on loopback: it asks homeservers over TLS with the tests' authority, and writes to a Mailbox.

    sydent = Sydent(authority, mailbox).start()
    account = sydent.account(alice)       alice's account there, by an OpenID token of her homeserver
    account.prove("a@example.org")        {"sid": …, "client_secret": …}: the mail was read
    account.look_up("a@example.org")      whose it is

Its pins clash with Synapse's, so it has a Python environment of its own (tools/test makes it, beside that of the tests).
"""
import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys

from .client import Client, Http, quote, seconds, unique
from .server import free_port, new_folder, wait_until

V2 = "/_matrix/identity/v2"
MAIL = "From: %(from)s\r\nTo: %(to)s\r\nMessage-ID: %(messageid)s\r\nDate: %(date)s\r\nSubject: {subject}\r\n" \
       "Content-Type: text/plain; charset=UTF-8\r\n\r\n{text}\r\n"
TEMPLATES = {
    "verification_template.eml": MAIL.format(subject="Validation", text="%(token)s"),
    "invite_template.eml": MAIL.format(subject="%(subject_header_value)s",
                                       text="%(sender_display_name)s %(bracketed_verified_sender)s%(room_name)s\r\n%(token)s"),
    "verify_response_template.html": "<p>%(message)s</p>",
}
CONFIG = """[general]
server.name = {name}
log.path =
pidfile.path = {root}/pid
templates.path = {root}/templates
brand.default = matrix-org
ip.whitelist = 127.0.0.0/8
[db]
db.file = {root}/sydent.db
[http]
clientapi.http.bind_address = 127.0.0.1
clientapi.http.port = {port}
replication.https.bind_address = 127.0.0.1
replication.https.port = {replication_port}
federation.verifycerts = True
client_http_base = http://{name}
[email]
email.from = Sydent <sydent@identity.example>
email.hostname = identity.example
email.smtphost = 127.0.0.1
email.smtpport = {smtp_port}
email.ratelimit_sender.burst = 10000
[crypto]
ed25519.signingkey =
"""


def python():
    return os.environ.get("BELFRY_TEST_SYDENT") or os.path.join(os.path.dirname(sys.prefix), "sydent", "bin", "python")


class Sydent:
    def __init__(self, authority, mailbox):
        self.root, self.mailbox, self.process = new_folder("sydent-"), mailbox, None
        self.ca_file = authority.ca_file
        self.name = "127.0.0.1:%d" % free_port()
        self.url = "http://" + self.name
        templates = os.path.join(self.root, "templates", "matrix-org")
        os.makedirs(templates)
        for file_name, text in TEMPLATES.items():
            with open(os.path.join(templates, file_name), "w", encoding="utf-8", newline="") as file:
                file.write(text)
        with open(os.path.join(self.root, "sydent.conf"), "w", encoding="utf-8") as file:
            file.write(CONFIG.format(name=self.name, root=self.root, port=self.name.rpartition(":")[2],
                                     replication_port=free_port(), smtp_port=mailbox.server.server_address[1]))

    def start(self, limit=60):
        with open(os.path.join(self.root, "out.log"), "ab") as log:
            self.process = subprocess.Popen(
                [python(), "-m", "sydent.sydent"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.root,
                start_new_session=True, env={**os.environ, "SYDENT_CONF": os.path.join(self.root, "sydent.conf"),
                                             "SSL_CERT_FILE": self.ca_file})

        def ready():
            assert self.process.poll() is None, "Sydent ended:\n" + self.log()[-3000:]
            try:
                return Http(self.url).raw("GET", V2, timeout=seconds(2)).status == 200
            except OSError:
                return False
        wait_until(ready, limit, "Sydent ready")
        return self

    def log(self):
        with open(os.path.join(self.root, "out.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def destroy(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds(10))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not os.environ.get("BELFRY_TEST_KEEP"):
            shutil.rmtree(self.root, ignore_errors=True)

    def account(self, user):
        """Spec: identity service API, "Authentication" """
        proof = user.post("/user/%s/openid/request_token" % quote(user.user_id), {}).ok().json
        nobody = Client(self.url)
        token = nobody.request("POST", V2 + "/account/register", proof, check=False).ok()["token"]
        return Account(self, user, token)


class Account:
    """A user's account at the identity server."""

    def __init__(self, sydent, user, token):
        self.sydent, self.user, self.token = sydent, user, token
        self.client = Client(sydent.url, token)

    def ask(self, method, path, body=None, query=None):
        return self.client.request(method, V2 + path, body, query=query, check=False)

    def prove(self, address):
        """Reads the mail that the identity server sends to the address."""
        secret, count = unique("secret"), len(self.sydent.mailbox.to(address))
        sid = self.ask("POST", "/validate/email/requestToken",
                       {"client_secret": secret, "email": address, "send_attempt": 1}).ok()["sid"]
        token = self.sydent.mailbox.wait(address, count + 1).text.strip()
        reply = self.ask("POST", "/validate/email/submitToken", {"sid": sid, "client_secret": secret, "token": token})
        assert reply.ok()["success"] is True
        return {"sid": sid, "client_secret": secret}

    def asks(self):
        """What a homeserver needs to ask in this account's name."""
        return {"id_server": self.sydent.name, "id_access_token": self.token}

    def bind(self, address):
        return self.user.post("/account/3pid/bind", {**self.asks(), **self.prove(address)})

    def look_up(self, address, algorithm="sha256"):
        details = self.ask("GET", "/hash_details").ok()
        assert algorithm in details["algorithms"]
        asked, pepper = address + " email", details["lookup_pepper"]
        if algorithm == "sha256":
            digest = hashlib.sha256(("%s %s" % (asked, pepper)).encode()).digest()
            asked = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        reply = self.ask("POST", "/lookup", {"addresses": [asked], "algorithm": algorithm, "pepper": pepper}).ok()
        return reply["mappings"].get(asked)
