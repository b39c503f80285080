"""What docs/monitoring.md tells to watch: it is there, under these names."""
import glob
import os
import re

from support.client import Http
from support.database import ROOT
from support.server import free_port, wait_until

FOLDERS = ("app", "base", "http", "storage", "homeserver", "federation", "notices")


def read(port, path):
    reply = Http("http://127.0.0.1:%d" % port).raw("GET", path)
    assert reply.status == 200
    return reply.raw.decode()


def page():
    with open(os.path.join(ROOT, "docs", "monitoring.md"), encoding="utf-8") as file:
        return file.read()


def test_metrics_of_the_page__are_shown_by_a_server(make_server):
    port = free_port()
    server = make_server(settings={"listen.metrics": "127.0.0.1:%d" % port}).start()
    assert read(port, "/health").strip() == "OK"
    server.anonymous().request("GET", "/_matrix/client/versions", token=False).ok()
    names = set(re.findall(r"`(belfry_\w+)", page()))
    assert names
    wait_until(lambda: {name for name in names if re.search("(?m)^%s[ {]" % name, read(port, "/metrics"))} == names, 20,
               "all of %s; some are there when their service has begun" % names)


def test_log_names_of_the_page__are_written_by_the_program():
    sources = ""
    for folder in FOLDERS:
        for path in glob.glob(os.path.join(ROOT, folder, "**", "*.c"), recursive=True):
            with open(path, encoding="utf-8") as file:
                sources += file.read()
    table = page().split("| name | what to do |")[1].split("\n\n")[0]
    names = re.findall(r"`([a-z0-9_]+(?:\.[a-z0-9_]+)+)`", re.sub(r"\|[^|]*\|$", "", table, flags=re.MULTILINE))
    assert names and not [name for name in names if not re.search(r'log_(warn|error)\([^"]*"%s"' % re.escape(name), sources)]
