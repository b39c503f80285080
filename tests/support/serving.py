"""Runs the small HTTP servers of tests beside them."""
import threading


def serve(server):
    """Starts a socketserver on a thread of its own. Its shutdown() then takes 20 ms at the most, not the half second
    that is the library's default: there are a thousand tests that end one."""
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
