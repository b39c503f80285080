"""A mail relay for tests: takes every mail on loopback and keeps it."""
import email
import email.policy
import re
import socketserver
import threading
import time

from .client import seconds
from .serving import serve


class Mail:
    def __init__(self, recipients, raw):
        self.to, self.message = recipients, email.message_from_bytes(raw, policy=email.policy.default)

    @property
    def subject(self):
        return str(self.message["Subject"])

    @property
    def text(self):
        return self.message.get_body(("plain",)).get_content()

    @property
    def links(self):
        return list(dict.fromkeys(re.findall(r"https?://\S+", self.text)))


class Mailbox:
    """mails: all that came, in order.  refused: addresses answered with 550; busy: whether all get 451;
    tries: how many mails were begun."""

    def __init__(self):
        self.mails, self.refused, self.busy, self.tries = [], set(), False, 0
        self.arrived = threading.Condition()
        box = self

        class Session(socketserver.StreamRequestHandler):
            def say(self, line):
                self.wfile.write(line.encode() + b"\r\n")

            def handle(self):
                recipients = []
                self.say("220 relay")
                for line in self.rfile:
                    verb = line.split(b":")[0].split()[0].upper() if line.strip() else b""
                    if verb == b"QUIT":
                        return self.say("221 bye")
                    if verb == b"RCPT":
                        address = line.decode().partition("<")[2].partition(">")[0]
                        if address in box.refused:
                            self.say("550 no such mailbox")
                            continue
                        recipients.append(address)
                    if verb == b"DATA":
                        box.tries += 1
                        if box.busy:
                            self.say("451 later")
                            continue
                        self.say("354 go on")
                        box.keep(recipients, self.read_data())
                        recipients = []
                    self.say("250 fine")
                return None

            def read_data(self):
                lines = []
                for line in self.rfile:
                    if line == b".\r\n":
                        break
                    lines.append(line[1:] if line.startswith(b".") else line)
                return b"".join(lines)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
        self.server.daemon_threads = True
        serve(self.server)

    def keep(self, recipients, raw):
        with self.arrived:
            self.mails.append(Mail(recipients, raw))
            self.arrived.notify_all()

    def settings(self):
        return {"mail.smtp_url": "smtp://127.0.0.1:%d" % self.server.server_address[1],
                "mail.from": "School <school@hs1.example>", "mail.allow_cleartext": "true"}

    def to(self, address):
        return [mail for mail in self.mails if address in mail.to]

    def wait(self, address, count=1, limit=20):
        """The count-th mail to an address."""
        deadline = time.monotonic() + seconds(limit)
        with self.arrived:
            while len(self.to(address)) < count:
                assert self.arrived.wait(deadline - time.monotonic()), "no mail to %s" % address
            return self.to(address)[count - 1]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
