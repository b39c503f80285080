"""Files between servers: multipart downloads and thumbnails, both ways.

Specification: server-server API, "Content Repository"; client-server API, "Content repository".
"""
import email.parser
import email.policy
import glob
import io
import os
import threading

import pytest
from PIL import Image

from support.client import quote, seconds, unique
from support.database import Cluster
from support.remote import FEDERATION
from support.server import wait_until


@pytest.fixture
def lin(federated):
    return federated.user()


def upload(user, data=b"data", content_type="text/plain", name=None):
    reply = user.request("POST", "/_matrix/media/v3/upload", raw=data, headers={"Content-Type": content_type},
                         query={"filename": name} if name else None)
    return reply.ok()["content_uri"].rpartition("/")[2]


def parts_of(reply):
    """(headers, content) of each part."""
    kind = reply.headers["content-type"]
    assert kind.startswith("multipart/mixed;")
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + reply.raw)
    return [(part, part.get_payload(decode=True)) for part in message.iter_parts()]


def picture(width=640, height=480):
    out = io.BytesIO()
    Image.new("RGB", (width, height), (10, 200, 30)).save(out, "PNG")
    return out.getvalue()


# -- for other servers

@pytest.mark.parametrize("data", [b"", b"x", b"\r\n--\r\n" * 5, bytes(range(256)) * 5000])
def test_download__by_another_server__two_parts_with_the_same_bytes(federated, remote, lin, data):
    media_id = upload(lin, data, "text/plain; charset=utf-8", 'Übung "1".txt')
    reply = remote.send(federated, "GET", "/media/download/" + media_id)
    assert reply.status == 200 and int(reply.headers["content-length"]) == len(reply.raw)
    (about, empty), (part, content) = parts_of(reply)
    assert about.get_content_type() == "application/json" and empty.strip() == b"{}"
    assert content == data
    assert b"\r\nContent-Type: text/plain; charset=utf-8\r\n" in reply.raw
    assert part["Content-Disposition"].startswith("inline") and part.get_filename() == 'Übung "1".txt'


def test_download__active_content__as_attachment(federated, remote, lin):
    media_id = upload(lin, b"<script>", "text/html")
    _, (part, _) = parts_of(remote.send(federated, "GET", "/media/download/" + media_id))
    assert part["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("media_id", ["nothing", "..%2F..%2Fetc%2Fpasswd", "%2E%2E", "a%00b", "a%0d%0aX:y", "a.b", "%ff"])
def test_download__unknown_or_tricky_id__refused(federated, remote, media_id):
    reply = remote.send(federated, "GET", "/media/download/" + media_id)
    assert reply.status in (400, 404) and reply.errcode


def test_download__of_a_third_server__never_fetched(federated, remote, make_remote, lin):
    third = make_remote()
    remote.send(federated, "GET", "/media/download/%s%%2Fabc" % quote(third.name)).expect(400)
    remote.send(federated, "GET", "/media/download/%s/abc" % quote(third.name)).expect(404, "M_UNRECOGNIZED")
    assert third.asked == []


def test_download__not_yet_uploaded__504_then_there(federated, remote, lin):
    media_id = lin.post("/_matrix/media/v1/create").ok()["content_uri"].rpartition("/")[2]
    reply = remote.send(federated, "GET", "/media/download/%s?timeout_ms=100" % media_id)
    reply.expect(504, "M_NOT_YET_UPLOADED")
    lin.request("PUT", "/_matrix/media/v3/upload/%s/%s" % (federated.server_name, media_id), raw=b"late").ok()
    assert parts_of(remote.send(federated, "GET", "/media/download/" + media_id))[1][1] == b"late"


def test_download__quarantined__404(make_federated, remote):
    with Cluster() as cluster:
        server = make_federated(settings={"database.url": cluster.url}).start()
        media_id = upload(server.user(), b"bad")
        remote.send(server, "GET", "/media/download/" + media_id).ok()
        cluster.sql("UPDATE media SET is_quarantined = true WHERE media_id = '%s'" % media_id)
        remote.send(server, "GET", "/media/download/" + media_id).expect(404, "M_NOT_FOUND")


def test_thumbnail__by_another_server__a_picture_in_two_parts(federated, remote, lin):
    media_id = upload(lin, picture(), "image/png", "a.png")
    reply = remote.send(federated, "GET", "/media/thumbnail/%s?width=32&height=32&method=crop" % media_id)
    (about, _), (part, content) = parts_of(reply)
    assert about.get_content_type() == "application/json" and part.get_content_type().startswith("image/")
    assert Image.open(io.BytesIO(content)).size == (32, 32)
    ours = download(lin, federated.server_name, media_id, kind="thumbnail", width=32, height=32, method="crop")
    assert content == ours.raw and part.get_content_type() == ours.headers["content-type"] == "image/png"
    remote.send(federated, "GET", "/media/thumbnail/%s?width=32" % media_id).expect(400, "M_MISSING_PARAM")
    remote.send(federated, "GET", "/media/thumbnail/%s?width=-1&height=3" % media_id).expect(400)
    text = upload(lin, b"no picture")
    remote.send(federated, "GET", "/media/thumbnail/%s?width=32&height=32" % text).expect(400, "M_UNKNOWN")


def moving(kind="WEBP"):
    out = io.BytesIO()
    frames = [Image.new("RGB", (200, 100), (40 * i, 0, 0)) for i in range(3)]
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=100)
    return out.getvalue()


def frames_of(data):
    return getattr(Image.open(io.BytesIO(data)), "n_frames", 1)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_thumbnail__by_another_server__moves_only_if_wanted(federated, remote, lin, kind):
    path = "/media/thumbnail/%s?width=32&height=32" % upload(lin, moving(kind), "image/" + kind.lower())
    for query, count in (("&animated=true", 3), ("&animated=false", 1), ("", 1), ("&animated=true", 3)):
        _, (part, content) = parts_of(remote.send(federated, "GET", path + query))
        assert frames_of(content) == count
        assert part.get_content_type() in (["image/webp"] if count == 3 else ["image/jpeg", "image/png"])
    remote.send(federated, "GET", path + "&animated=perhaps").expect(400, "M_INVALID_PARAM")


# -- from other servers

def multipart(content, kind="image/png", disposition='inline; filename="a.png"', boundary="b0undary", more=""):
    head = "--%s\r\nContent-Type: application/json\r\n\r\n{}\r\n--%s\r\nContent-Type: %s\r\nContent-Disposition: %s\r\n%s\r\n" % (
        boundary, boundary, kind, disposition, more)
    return 200, head.encode() + content + ("\r\n--%s--\r\n" % boundary).encode(), {
        "Content-Type": "multipart/mixed; boundary=" + boundary}


DOWNLOAD = FEDERATION + "/media/download/([A-Za-z0-9_-]+)"


def download(user, origin, media_id, kind="download", **query):
    return user.get("/_matrix/client/v1/media/%s/%s/%s" % (kind, quote(origin), media_id), query)


def asked(remote, part="/media/download/"):
    return [ask for ask in remote.asked if part in ask.path]


@pytest.mark.parametrize("data", [b"", b"x", b"\r\n--b0undar" * 9000, bytes(range(256)) * 5000])
def test_remote_file__downloaded__its_bytes_once(federated, remote, lin, data):
    remote.on("GET", DOWNLOAD, lambda ask: multipart(data, "image/png", "inline; filename*=UTF-8''%E6%9E%97.png"))
    media_id = unique()
    first = download(lin, remote.name, media_id)
    assert first.status == 200 and first.raw == data and first.headers["content-type"] == "image/png"
    assert "%E6%9E%97.png" in first.headers["content-disposition"]
    assert first.headers["content-security-policy"].startswith("sandbox")
    assert download(federated.user(), remote.name, media_id).raw == data
    assert len(asked(remote)) == 1


@pytest.mark.one_process("those who wait for the same are joined within a process: two fetch it twice")
def test_remote_file__wanted_by_many_at_once__fetched_once(federated, remote, lin):
    go = threading.Event()
    remote.on("GET", DOWNLOAD, lambda ask: (go.wait(seconds(20)), multipart(b"picture"))[1])
    media_id, got = unique(), []
    users = [federated.user() for _ in range(12)]
    threads = [threading.Thread(target=lambda user=user: got.append(download(user, remote.name, media_id)))
               for user in users]
    for thread in threads:
        thread.start()
    wait_until(lambda: asked(remote))
    lin.get("/account/whoami").ok()
    go.set()
    for thread in threads:
        thread.join()
    assert [reply.raw for reply in got] == [b"picture"] * 12 and len(asked(remote)) == 1


@pytest.mark.one_process("the share of a user is counted within a process")
def test_remote_file__one_user_asks_for_many_that_do_not_come__others_get_theirs(make_federated, remote):
    """Eight files are fetched at once; a user has three of them."""
    server = make_federated(settings={"http.remote_workers": 64}).start()
    greedy, other = server.user(), server.user()
    go = threading.Event()

    def answer(ask):
        if ask.match.group(1).startswith("silent"):
            go.wait(seconds(30))
        return multipart(b"picture")
    remote.on("GET", DOWNLOAD, answer)
    threads = [threading.Thread(target=download, args=(greedy, remote.name, "silent%d" % i)) for i in range(12)]
    try:
        for thread in threads:
            thread.start()
        wait_until(lambda: len(asked(remote)) >= 3)
        assert download(other, remote.name, unique("quick")).raw == b"picture"
        assert not go.is_set() and len(asked(remote, "/download/silent")) == 3
    finally:
        go.set()
        for thread in threads:
            thread.join()
    assert len(asked(remote, "/download/silent")) == 12


def test_remote_file__active_content__attachment_and_sandbox(federated, remote, lin):
    remote.on("GET", DOWNLOAD, lambda ask: multipart(b"<script>", "text/html", 'inline; filename="../../x/evil\\".html"'))
    reply = download(lin, remote.name, unique())
    assert reply.headers["content-disposition"].startswith("attachment") and ".." not in reply.headers["content-disposition"]


@pytest.mark.parametrize("refusal", [(404, {"errcode": "M_UNRECOGNIZED", "error": "?"}), (404, b"no such page"), (400, b"what?")])
def test_remote_file__its_server_is_old__fetched_in_the_old_way(federated, remote, lin, refusal):
    remote.on("GET", DOWNLOAD, lambda ask: refusal)
    remote.on("GET", "/_matrix/media/v3/download/.*", lambda ask: (200, b"old", {
        "Content-Type": "text/plain", "Content-Disposition": "attachment; filename=a.txt"}))
    reply = download(lin, remote.name, unique())
    assert reply.raw == b"old" and "a.txt" in reply.headers["content-disposition"]
    (ask,) = asked(remote, "/_matrix/media/v3/")
    assert ask.query["allow_remote"] == ["false"] and "authorization" not in ask.headers


@pytest.mark.parametrize("refusal", [(404, {"errcode": "M_NOT_FOUND", "error": "no"}), (400, {"errcode": "M_INVALID_PARAM", "error": "no"}),
                                     (403, b"go away")])
def test_remote_file__its_server_says_no__not_asked_in_the_old_way(federated, remote, lin, refusal):
    remote.on("GET", DOWNLOAD, lambda ask: refusal)
    remote.on("GET", "/_matrix/media/v3/download/.*", lambda ask: (200, b"old", {"Content-Type": "text/plain"}))
    download(lin, remote.name, unique()).expect((403, 404))
    assert asked(remote, "/_matrix/media/v3/") == []


def test_remote_file__lies_elsewhere__fetched_from_there(federated, remote, make_remote, lin):
    store = make_remote()
    store.on("GET", "/cdn/x", lambda ask: (200, b"from the store", {"Content-Type": "image/jpeg"}))
    boundary = "xyz"
    body = "\r\n--xyz\r\nContent-Type: application/json\r\n\r\n{}\r\n--xyz\r\nLocation: https://%s/cdn/x\r\n\r\n\r\n--xyz--\r\n"
    remote.on("GET", DOWNLOAD, lambda ask: (200, (body % store.name).encode(), {
        "Content-Type": "multipart/mixed; boundary=" + boundary}))
    reply = download(lin, remote.name, unique())
    assert reply.raw == b"from the store" and reply.headers["content-type"] == "image/jpeg"
    assert "authorization" not in store.asked[-1].headers


@pytest.mark.parametrize("url", ["http://%s/x", "file:///etc/passwd", "https://127.0.0.1:1/x", "gopher://%s/", "//", "https://"])
def test_remote_file__redirected_to_bad_places__502(federated, remote, lin, url):
    where = url % remote.name if "%s" in url else url
    remote.on("GET", DOWNLOAD, lambda ask: multipart(b"", more="Location: %s\r\n" % where))
    reply = download(lin, remote.name, unique())
    assert reply.status in (502, 504) or (reply.status == 403), reply
    assert b"root:" not in reply.raw


BAD_BODIES = {
    "no multipart": (200, b"x", {"Content-Type": "text/plain"}),
    "no boundary": (200, b"--b\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b--", {"Content-Type": "multipart/mixed"}),
    "no parts": (200, b"hello", {"Content-Type": "multipart/mixed; boundary=b"}),
    "one part": (200, b"--b\r\n\r\n{}\r\n--b--\r\n", {"Content-Type": "multipart/mixed; boundary=b"}),
    "no end": (200, b"--b\r\n\r\n{}\r\n--b\r\n\r\nbytes", {"Content-Type": "multipart/mixed; boundary=b"}),
    "empty": (200, b"", {"Content-Type": "multipart/mixed; boundary=b"}),
    "endless headers": (200, b"--b\r\n\r\n{}\r\n--b\r\n" + b"X: y\r\n" * 20000 + b"\r\nx\r\n--b--",
                        {"Content-Type": "multipart/mixed; boundary=b"}),
}


@pytest.mark.parametrize("kind", sorted(BAD_BODIES))
def test_remote_file__malformed_answer__502_and_nothing_is_kept(federated, remote, lin, kind):
    answers = [BAD_BODIES[kind], multipart(b"good")]
    remote.on("GET", DOWNLOAD, lambda ask: answers[min(len(asked(remote)), 2) - 1])
    media_id = unique()
    download(lin, remote.name, media_id).expect(502)
    assert download(lin, remote.name, media_id).raw == b"good"


def test_remote_file__larger_than_allowed__502_too_large_and_nothing_stays(make_federated, remote):
    server = make_federated(settings={"media.max_upload_size": "1MiB"}).start()
    user = server.user()
    remote.on("GET", DOWNLOAD, lambda ask: multipart(b"x" * (1 << 20) + b"y"))
    download(user, remote.name, unique()).expect(502, "M_TOO_LARGE")

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/mixed; boundary=b")
        handler.end_headers()
        try:
            handler.wfile.write(b"--b\r\n\r\n{}\r\n--b\r\n\r\n")
            while not remote.closing.is_set():
                handler.wfile.write(b"x" * 65536)
        except OSError:
            pass
    remote.on("GET", DOWNLOAD, lambda ask: endless)
    download(user, remote.name, unique()).expect(502, "M_TOO_LARGE")
    assert [path for path in glob.glob(server.data + "/media/**", recursive=True) if os.path.isfile(path)] == []


@pytest.mark.one_process("each process remembers by itself what another server lacks")
def test_remote_file__unknown_there__404_asked_once_a_while(federated, remote, lin):
    remote.on("GET", DOWNLOAD, lambda ask: (404, {"errcode": "M_NOT_FOUND", "error": "no"}))
    media_id = unique()
    for _ in range(3):
        download(lin, remote.name, media_id).expect(404, "M_NOT_FOUND")
    assert len(asked(remote)) == 1


def test_remote_file__not_yet_uploaded_there__504_and_the_server_is_asked_on(federated, remote, lin):
    answers = [(504, {"errcode": "M_NOT_YET_UPLOADED", "error": "wait"}), multipart(b"now")]
    remote.on("GET", DOWNLOAD, lambda ask: answers[min(len(asked(remote)), 2) - 1])
    media_id = unique()
    download(lin, remote.name, media_id, timeout_ms=100).expect(504, "M_NOT_YET_UPLOADED")
    assert download(lin, remote.name, media_id).raw == b"now"


@pytest.mark.parametrize("where", ["..%2F..%2Fetc/passwd", "%s/..%%2F..%%2Fx", "%s/a%%0d%%0ab", "%s/%%2e%%2e", "%s@evil/x"])
def test_sec_5_31__path_tricks_with_a_remote_file__nobody_is_asked(federated, remote, lin, where):
    where = where % remote.name if "%s" in where else where
    reply = lin.get("/_matrix/client/v1/media/download/" + where)
    assert reply.status in (400, 404) and asked(remote, "/media/") == []


def test_remote_file__old_endpoint_without_login__never_fetched(federated, remote, lin):
    remote.on("GET", DOWNLOAD, lambda ask: multipart(b"secret"))
    media_id = unique()
    path = "/_matrix/media/v3/download/%s/%s" % (quote(remote.name), media_id)
    lin.anonymous().get(path, token=False).expect(404, "M_NOT_FOUND")
    assert asked(remote) == []
    assert download(lin, remote.name, media_id).raw == b"secret"
    lin.anonymous().get(path, token=False).expect(404, "M_NOT_FOUND")


def old_download(user, origin, media_id, kind="download", **query):
    return user.get("/_matrix/media/v3/%s/%s/%s" % (kind, quote(origin), media_id), query, token=False)


def test_remote_file__old_endpoints_open_to_all__fetched_unless_the_client_asks_not_to(make_federated, remote):
    server = make_federated(settings={"media.unauthenticated": "all"}).start()
    nobody = server.user().anonymous()
    remote.on("GET", DOWNLOAD, lambda ask: multipart(picture(), "image/png", 'inline; filename="a.png"'))
    media_id, other = unique(), unique()
    for kind, query in (("download", {}), ("thumbnail", {"width": 32, "height": 32})):
        old_download(nobody, remote.name, media_id, kind, allow_remote="false", **query).expect(404, "M_NOT_FOUND")
        old_download(nobody, remote.name, media_id, kind, allow_remote="perhaps", **query).expect(400, "M_INVALID_PARAM")
    assert asked(remote, "/media/") == []
    reply = old_download(nobody, remote.name, media_id).ok()
    assert reply.raw == picture() and reply.headers["content-type"] == "image/png"
    assert reply.headers["content-disposition"] == 'inline; filename="a.png"'
    assert old_download(nobody, remote.name, media_id, allow_remote="false").ok().raw == picture()
    assert len(asked(remote)) == 1 and "authorization" in asked(remote)[0].headers
    reply = old_download(nobody, remote.name, other, "thumbnail", width=32, height=32, method="crop").ok()
    assert Image.open(io.BytesIO(reply.raw)).size == (32, 32) and reply.headers["content-type"] == "image/png"


def test_remote_file__old_endpoints_frozen_later__copies_of_before_stay_open(make_federated, remote):
    server = make_federated(settings={"media.unauthenticated": "frozen"}).start()
    user = server.user()
    remote.on("GET", DOWNLOAD, lambda ask: multipart(ask.match.group(1).encode()))
    first, second, third = unique(), unique(), unique()
    download(user, remote.name, first).ok()
    for setting, opened in (("frozen", ()), ("all", (first, second)), ("frozen", (second,)), ("off", ())):
        server.terminate()
        server.settings["media.unauthenticated"] = setting
        server.start()
        for media_id in (first, second, third if setting != "all" else second):
            reply = old_download(user.anonymous(), remote.name, media_id)
            if media_id in opened:
                assert reply.ok().raw == media_id.encode()
            else:
                reply.expect(404, "M_NOT_FOUND")
    assert download(user, remote.name, first).ok().raw == first.encode()
    assert len(asked(remote)) == 2


def test_sec_5_34__old_endpoints_open_to_all__copies_keep_to_their_budget(make_federated, remote):
    server = make_federated(settings={"media.unauthenticated": "all", "media.remote_cache_size": "100KiB"}).start()
    nobody = server.user().anonymous()
    remote.on("GET", DOWNLOAD, lambda ask: multipart(b"x" * 60_000))
    for _ in range(6):
        assert len(old_download(nobody, remote.name, unique()).ok().raw) == 60_000
    kept = [path for path in glob.glob(server.data + "/media/**", recursive=True) if os.path.isfile(path)]
    assert sum(os.path.getsize(path) for path in kept) <= 100 * 1024


def test_remote_picture__thumbnail__made_here(federated, remote, lin):
    remote.on("GET", DOWNLOAD, lambda ask: multipart(picture()))
    media_id = unique()
    reply = download(lin, remote.name, media_id, kind="thumbnail", width=32, height=32, method="crop")
    assert Image.open(io.BytesIO(reply.raw)).size == (32, 32)
    assert download(lin, remote.name, media_id).raw == picture() and len(asked(remote)) == 1


def test_remote_film__thumbnail__moves_only_if_wanted(federated, remote, lin):
    remote.on("GET", DOWNLOAD, lambda ask: multipart(moving(), "image/webp"))
    media_id = unique()
    for query, count in (({"animated": "true"}, 3), ({"animated": "false"}, 1), ({}, 1)):
        reply = download(lin, remote.name, media_id, kind="thumbnail", width=32, height=32, **query).ok()
        assert frames_of(reply.raw) == count
    assert len(asked(remote)) == 1


def test_remote_picture__bomb__refused_and_the_server_goes_on(federated, remote, lin):
    import zlib

    def piece(kind, data):
        import struct
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    import struct
    bomb = b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", struct.pack(">IIBBBBB", 100000, 100000, 8, 2, 0, 0, 0)) + piece(
        b"IDAT", zlib.compress(b"\0" * 10000000)) + piece(b"IEND", b"")
    remote.on("GET", DOWNLOAD, lambda ask: multipart(bomb))
    reply = download(lin, remote.name, unique(), kind="thumbnail", width=32, height=32)
    assert reply.status in (400, 502) and reply.errcode in ("M_UNKNOWN", "M_TOO_LARGE")
    lin.get("/account/whoami").ok()


@pytest.mark.one_process("each process counts the copies that it has fetched itself, and all of them when it tidies up")
def test_remote_copies__over_the_budget__the_oldest_go_and_come_again(make_federated, remote):
    server = make_federated(settings={"media.remote_cache_size": "100KiB"}).start()
    user = server.user()
    remote.on("GET", DOWNLOAD, lambda ask: multipart(ask.match.group(1).encode() * 2000))
    names = ["file-number-%03d" % number for number in range(8)]  # 30 KB each
    for name in names:
        assert download(user, remote.name, name).raw == name.encode() * 2000
    kept = [path for path in glob.glob(server.data + "/media/**", recursive=True) if os.path.isfile(path)]
    assert sum(os.path.getsize(path) for path in kept) <= 100 * 1024
    assert len(asked(remote)) == 8
    download(user, remote.name, names[-1]).ok
    assert len(asked(remote)) == 8
    assert download(user, remote.name, names[0]).raw == names[0].encode() * 2000
    assert len(asked(remote)) == 9


def test_remote_copy__same_bytes_as_an_upload__its_end_leaves_the_upload(make_federated, remote):
    server = make_federated(settings={"media.remote_cache_size": "1KiB"}).start()
    user = server.user()
    data = b"same" * 2000
    media_id = upload(user, data)
    remote.on("GET", DOWNLOAD, lambda ask: multipart(data))
    for _ in range(3):
        assert download(user, remote.name, unique()).raw == data
    assert download(user, server.server_name, media_id).raw == data


def test_two_servers__file_and_thumbnail__one_from_the_other(federated, make_federated, lin):
    other = make_federated().start()
    zoe = other.user()
    media_id = upload(zoe, picture(), "image/png", "Bild – ä.png")
    reply = download(lin, other.server_name, media_id)
    assert reply.raw == picture() and "%C3%A4.png" in reply.headers["content-disposition"]
    reply = download(lin, other.server_name, media_id, kind="thumbnail", width=96, height=96)
    assert Image.open(io.BytesIO(reply.raw)).size[0] <= 320
