"""Thousands of requests a second from one thread: many connections, on each a script that asks one thing after the other.

    def script():
        answer = yield Request("GET", "/_matrix/client/v3/sync", token=token)    waits for its answer
        yield Pause(2.5)                                                         seconds
        yield HANG_UP                                                            the next request makes a new connection
    pump = Pump(port)
    pump.add(script())
    pump.run()                                                                   until all scripts have ended

What the answers mean is the script's business; only a connection that breaks in the middle of an answer is an error here.
"""
import heapq
import json
import selectors
import socket
import time

HANG_UP = object()


class Pause:
    __slots__ = ("seconds",)

    def __init__(self, seconds):
        self.seconds = seconds


class Request:
    """`body`: what becomes JSON, or bytes. After `patience` seconds without an answer the client hangs up, and the answer is None."""
    __slots__ = ("data", "patience")

    def __init__(self, method, path, body=None, token=None, kind="application/json", patience=None):
        self.patience = patience
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = "%s %s HTTP/1.1\r\nHost: x\r\n" % (method, path)
        if token:
            head += "Authorization: Bearer %s\r\n" % token
        if method != "GET":
            head += "Content-Type: %s\r\nContent-Length: %d\r\n" % (kind, len(content))
        self.data = head.encode() + b"\r\n" + content


class Answer:
    __slots__ = ("status", "body", "seconds")

    def __init__(self, status, body, took):
        self.status, self.body, self.seconds = status, body, took

    def json(self):
        return json.loads(self.body)

    def good(self):
        """What it holds; an error unless it is a 200."""
        assert self.status == 200, "%s: %s" % (self.status, self.body[:500])
        return json.loads(self.body)


class Lane:
    __slots__ = ("script", "port", "socket", "data", "unsent", "got", "asked", "is_new")

    def __init__(self, script, port):
        self.script, self.port, self.socket, self.got, self.asked = script, port, None, bytearray(), 0.0
        self.data, self.unsent = None, b""  # of the request under way, None: none is
        self.is_new = False  # its connection has answered nothing yet


class Pump:
    def __init__(self, port):
        self.port = port
        self.selector = selectors.DefaultSelector()
        self.timers = []  # (when, number, lane)
        self.lanes = 0
        self.numbers = 0
        self.asked = 0  # requests so far
        self.shall_rest = self.is_resting = False  # the former may be set at any time, also by a signal's handler
        self.rested = lambda is_over: None  # called when a rest begins (False) and when it is over (True)
        self.rest_began, self.deferred = 0.0, []  # (lane, answer): what goes on after the rest

    def add(self, script, port=None):
        """Starts a script with the next round of run(); port: of another server than the pump's."""
        self.lanes += 1
        self._later(Lane(script, port or self.port), 0)

    def run(self):
        while self.lanes:
            if self.shall_rest != self.is_resting:
                self._turn()
            wait = max(0, self.timers[0][0] - time.monotonic()) if self.timers else 1
            for key, events in self.selector.select(1 if self.is_resting else min(wait, 1)):
                lane = key.data
                if events & selectors.EVENT_WRITE:
                    self._send(lane)
                if events & selectors.EVENT_READ:
                    self._receive(lane)
            now = time.monotonic()
            while not self.is_resting and self.timers and self.timers[0][0] <= now:
                _, _, lane, data = heapq.heappop(self.timers)
                if lane.data is data:
                    if data is not None:
                        self._hang_up(lane)
                    self._go_on(lane, None)

    def _turn(self):
        """A rest begins: what is under way is answered, nobody goes on. Or it ends: all is as if no time had passed."""
        self.is_resting = not self.is_resting
        now = time.monotonic()
        if self.is_resting:
            self.rest_began = now
            self.rested(False)
            return
        self.timers = [(when + now - self.rest_began, *rest) for when, *rest in self.timers]
        deferred, self.deferred = self.deferred, []
        self.rested(True)
        for lane, answer in deferred:
            self._go_on(lane, answer)

    def _later(self, lane, pause, data=None):
        """Unless it has got its answer to `data` by then; None: it waits for none."""
        self.numbers += 1
        heapq.heappush(self.timers, (time.monotonic() + pause, self.numbers, lane, data))

    def _go_on(self, lane, answer):
        if self.is_resting:
            self.deferred.append((lane, answer))
            return
        try:
            wish = lane.script.send(answer)
            while wish is HANG_UP:
                self._hang_up(lane)
                wish = lane.script.send(None)
        except StopIteration:
            self._hang_up(lane)
            self.lanes -= 1
            return
        if isinstance(wish, Pause):
            self._later(lane, wish.seconds)
        else:
            self.asked += 1
            lane.asked = time.monotonic()
            self._ask(lane, wish.data)
            if wish.patience is not None:
                self._later(lane, wish.patience, lane.data)

    def _ask(self, lane, data):
        if lane.socket is None:
            lane.is_new = True
            lane.socket = socket.create_connection(("127.0.0.1", lane.port))
            lane.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            lane.socket.setblocking(False)
            self.selector.register(lane.socket, selectors.EVENT_READ, lane)
        lane.data = lane.unsent = data
        self._send(lane)

    def _send(self, lane):
        was_whole = lane.unsent is lane.data
        try:
            lane.unsent = lane.unsent[lane.socket.send(lane.unsent):]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            lane.unsent = b""  # the socket tells the same when it is read
        if lane.unsent or not was_whole:
            self.selector.modify(lane.socket, selectors.EVENT_READ | (selectors.EVENT_WRITE if lane.unsent else 0), lane)

    def _receive(self, lane):
        try:
            data = lane.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._closed(lane)
            return
        lane.got += data
        whole = _parse(lane.got)
        if whole is None:
            return
        status, body, keeps = whole
        lane.got, lane.data, lane.is_new = bytearray(), None, False
        if not keeps:
            self._hang_up(lane)
        self._go_on(lane, Answer(status, body, time.monotonic() - lane.asked))

    def _closed(self, lane):
        """By the server. Between two requests it may; one that it has not answered at all is asked again, on a new connection."""
        data, got = lane.data, bytes(lane.got[:300])
        self._hang_up(lane)
        if data is None:
            return
        if lane.is_new or got:
            raise ConnectionError("the server hung up after %r, asked %r" % (got, data[:200]))
        self._ask(lane, data)

    def _hang_up(self, lane):
        lane.got, lane.data, lane.unsent = bytearray(), None, b""
        if lane.socket is not None:
            self.selector.unregister(lane.socket)
            lane.socket.close()
            lane.socket = None


def ask(port, request):
    """One request alone, on a connection of its own."""
    answers = []

    def script():
        answers.append((yield request))
    pump = Pump(port)
    pump.add(script())
    pump.run()
    return answers[0]


def _parse(got):
    """(status, body, whether the connection stays) of a whole answer, else None."""
    end = got.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(got[:end]).lower()
    keeps = b"connection: close" not in head
    at = head.find(b"content-length:")
    if at >= 0:
        length = int(head[at + 15:].split(b"\r\n", 1)[0])
        return (int(head[9:12]), bytes(got[end + 4:end + 4 + length]), keeps) if len(got) >= end + 4 + length else None
    body = _unchunk(got, end + 4)
    return None if body is None else (int(head[9:12]), body, keeps)


def _unchunk(got, at):
    if not got.endswith(b"0\r\n\r\n"):
        return None
    body = bytearray()
    while True:
        end = got.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(bytes(got[at:end]).split(b";")[0], 16)
        if size == 0:
            return bytes(body)
        body += got[end + 2:end + 2 + size]
        at = end + 4 + size
        if at >= len(got):
            return None
