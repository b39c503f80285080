"""A name server that knows SRV records only: what others say about where their homeservers are."""
import socket
import struct
import threading

SRV = 33


def _name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


class DnsServer:
    """`records` is {name: [(priority, weight, port, target), …]}; names that it lacks do not exist.  `asked` lists names."""

    def __init__(self, records=None):
        self.records = records or {}
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
            if not self.is_silent:
                self.socket.sendto(self._answer(data[:2], name.lower(), question), peer)

    def _answer(self, number, name, question):
        records = self.records.get(name)
        code = 0x8180 if records is not None else 0x8183  # NXDOMAIN
        answers = b""
        for priority, weight, port, target in records or ():
            value = struct.pack(">HHH", priority, weight, port) + _name(target)
            answers += b"\xc0\x0c" + struct.pack(">HHIH", SRV, 1, 60, len(value)) + value
        return number + struct.pack(">HHHHH", code, 1, len(records or ()), 0, 0) + question + answers

    def stop(self):
        self.socket.close()
