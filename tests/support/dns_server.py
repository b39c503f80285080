"""A name server: where others say that their homeservers are, and IPv4 addresses."""
import socket
import struct
import threading

A, SRV = 1, 33


def _name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


class DnsServer:
    """`records` is {name: [(priority, weight, port, target), …]}, `addresses` {name: address}; names that both lack do not exist.

    A silent one tells nothing but addresses.  `asked` lists names.
    """

    def __init__(self, records=None):
        self.records = records or {}
        self.addresses = {}
        self.asked = []
        self.is_silent = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                data, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            labels, at = [], 12
            while data[at]:
                labels.append(data[at + 1:at + 1 + data[at]].decode())
                at += 1 + data[at]
            name, question = ".".join(labels), data[12:at + 5]
            self.asked.append(name)
            if not self.is_silent or name.lower() in self.addresses:
                self.socket.sendto(self._answer(data[:2], name.lower(), question), peer)

    def _values(self, name, kind):
        if kind == SRV:
            return [struct.pack(">HHH", *record[:3]) + _name(record[3]) for record in self.records.get(name, ())]
        return [socket.inet_aton(self.addresses[name])] if kind == A and name in self.addresses else []

    def _answer(self, number, name, question):
        kind, = struct.unpack(">H", question[-4:-2])
        values = self._values(name, kind)
        code = 0x8180 if name in self.records or name in self.addresses else 0x8183  # NXDOMAIN
        answers = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(value)) + value for value in values)
        return number + struct.pack(">HHHHH", code, 1, len(values), 0, 0) + question + answers

    def stop(self):
        self.socket.close()
