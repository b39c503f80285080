"""Files in the hands of administrators: listing, deletion, quarantine; by HTTP (as Synapse has it) and by command."""
import os

import pytest

from support import accounts
from support.client import unique
from support.server import wait_until

ADMIN = "/_synapse/admin/v1"


@pytest.fixture(scope="module")
def server():
    from support.server import Server
    started = Server().start()
    yield started
    started.destroy()


@pytest.fixture(scope="module")
def admin(server):
    return accounts.register_by_secret(server.anonymous().http, server.secret, admin=True)


@pytest.fixture
def lin(server):
    return accounts.register(server.url)


def upload(user, data, kind="image/png", name="cat.png"):
    reply = user.http.raw("POST", "/_matrix/media/v3/upload?filename=" + name, data,
                          {"Authorization": "Bearer " + user.token, "Content-Type": kind})
    assert reply.status == 200, reply
    return reply["content_uri"][len("mxc://"):]


def download(user, place, kind="download", query="", **headers):
    return user.http.raw("GET", "/_matrix/client/v1/media/%s/%s%s" % (kind, place, query), None,
                         {"Authorization": "Bearer " + user.token, **headers})


def thumbnail(user, place):
    return download(user, place, "thumbnail", "?width=96&height=96&method=scale")


def ask(user, method, path, body=None):
    return user.request(method, ADMIN + path, body)


def stored(server):
    """Contents in the store, by their names."""
    found = []
    for folder, _, names in os.walk(os.path.join(server.data, "media")):
        if os.sep + "incoming" not in folder:
            found += [os.path.relpath(os.path.join(folder, name), server.data) for name in names]
    return set(found)


def image(width, height=40):
    """A picture of its own, so that nothing else has its content."""
    import struct
    import zlib
    rows = b"".join(b"\0" + os.urandom(width * 3) for _ in range(height))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def test_delete__file_and_thumbnails_gone__also_from_the_store(server, admin, lin):
    before = stored(server)
    place = upload(lin, image(200, 200))
    etag = download(lin, place).headers["etag"]
    assert thumbnail(lin, place).status == 200
    assert len(stored(server) - before) == 2
    assert ask(admin, "DELETE", "/media/" + place).ok().json == {
        "deleted_media": [place.partition("/")[2]], "total": 1}
    for reply in (download(lin, place), thumbnail(lin, place), download(lin, place, **{"If-None-Match": etag})):
        reply.expect(404, "M_NOT_FOUND")
    ask(admin, "DELETE", "/media/" + place).expect(404, "M_NOT_FOUND")
    server.run("media", "list")  # a command pokes the server
    wait_until(lambda: stored(server) == before, 30, "the contents are removed")


def test_delete__another_file_has_the_content__stays(server, admin, lin):
    data = image(50)
    first, second = upload(lin, data), upload(lin, data)
    ask(admin, "DELETE", "/media/" + first).ok()
    wait_until(lambda: server.sql("SELECT count(*) FROM media_garbage WHERE NOT is_removed").strip() == "0", 30, "garbage")
    assert download(lin, second).raw == data
    download(lin, first).expect(404, "M_NOT_FOUND")


def test_delete__uploaded_again__there_again(server, admin, lin):
    data = image(51)
    place = upload(lin, data)
    ask(admin, "DELETE", "/media/" + place).ok()
    wait_until(lambda: server.sql("SELECT count(*) FROM media_garbage WHERE NOT is_removed").strip() == "0", 30, "garbage")
    assert download(lin, upload(lin, data)).raw == data


def test_quarantine__every_copy_also_later_ones__kept_and_given_back(server, admin, lin):
    data = image(52)
    first, second = upload(lin, data), upload(admin, data)
    other = upload(lin, image(53))
    assert thumbnail(lin, second).status == 200
    ask(admin, "POST", "/media/quarantine/" + first, {}).ok()
    third = upload(lin, data)
    for place in (first, second, third):
        for user in (lin, admin):
            download(user, place).expect(404, "M_NOT_FOUND")
            thumbnail(user, place).expect(404, "M_NOT_FOUND")
    assert download(lin, other).status == 200
    ask(admin, "POST", "/media/unquarantine/" + second, {}).ok()
    for place in (first, second, third):
        assert download(lin, place).raw == data
    ask(admin, "POST", "/media/quarantine/hs1/" + unique("none"), {}).expect(404, "M_NOT_FOUND")


def test_user__listed_quarantined_deleted(server, admin, lin):
    places = [upload(lin, image(60 + i), name="file%d.png" % i) for i in range(3)]
    path = "/users/%s/media" % lin.user_id
    listed = ask(admin, "GET", path).ok()
    assert listed["total"] == 3 and "next_token" not in listed
    assert {item["media_id"]: item["upload_name"] for item in listed["media"]} == {
        place.partition("/")[2]: "file%d.png" % i for i, place in enumerate(places)}
    # newest first; those of one millisecond by their ids
    assert listed["media"] == sorted(listed["media"], key=lambda item: (-item["created_ts"], item["media_id"]))
    assert all(item["media_type"] == "image/png" and item["media_length"] > 0 and not item["is_quarantined"]
               for item in listed["media"])
    page = ask(admin, "GET", path + "?limit=2").ok()
    assert page["next_token"] == 2
    rest = ask(admin, "GET", path + "?limit=2&from=2").ok()
    assert page["media"] + rest["media"] == listed["media"] and "next_token" not in rest
    assert ask(admin, "POST", "/user/%s/media/quarantine" % lin.user_id, {}).ok().json == {"num_quarantined": 3}
    download(lin, places[0]).expect(404, "M_NOT_FOUND")
    deleted = ask(admin, "DELETE", path).ok()
    assert deleted["total"] == 3 and sorted(deleted["deleted_media"]) == sorted(p.partition("/")[2] for p in places)
    assert ask(admin, "GET", path).ok()["media"] == []


@pytest.mark.parametrize("method, path", [
    ("DELETE", "/media/hs1/abc"), ("POST", "/media/quarantine/hs1/abc"), ("POST", "/media/unquarantine/hs1/abc"),
    ("GET", "/users/@a:hs1/media"), ("DELETE", "/users/@a:hs1/media"), ("POST", "/user/@a:hs1/media/quarantine")])
def test_not_an_administrator__403(lin, method, path):
    ask(lin, method, path, None if method in ("GET", "DELETE") else {}).expect(403, "M_FORBIDDEN")


def test_unknown_user__404(admin):
    for method, path in (("GET", "/users/%s/media"), ("DELETE", "/users/%s/media"), ("POST", "/user/%s/media/quarantine")):
        for user in ("@nobody:hs1", "@a:elsewhere.example", "nonsense"):
            ask(admin, method, path % user, {} if method == "POST" else None).expect(404, "M_NOT_FOUND")


def test_command__list_quarantine_delete(server, lin):
    def media(*arguments):
        done = server.run("media", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    place = upload(lin, image(70), name="%1B%5B31mred.png")
    name = lin.user_id.partition(":")[0][1:]
    line, = media("list", "--user", name).splitlines()
    assert line.startswith("mxc://" + place + "  ") and lin.user_id in line and "image/png" in line
    assert "\x1b" not in line and "red.png" in line
    assert place in media("list", "--limit", "1")
    media("quarantine", "mxc://" + place)
    assert "in quarantine" in media("list", "--user", lin.user_id)
    download(lin, place).expect(404, "M_NOT_FOUND")
    media("unquarantine", "mxc://" + place)
    assert download(lin, place).status == 200
    media("delete", "mxc://" + place)
    download(lin, place).expect(404, "M_NOT_FOUND")
    assert media("list", "--user", name) == "There are no files.\n"
    for bad in (("delete", "mxc://" + place), ("delete", "https://hs1/x"), ("quarantine", "mxc://hs1/")):
        assert server.run("media", *bad).returncode == 1
    for bad in ((), ("burn",), ("delete",), ("list", "x")):
        assert server.run("media", *bad).returncode == 2
