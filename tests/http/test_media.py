"""The content repository: uploads, downloads, file names, freeze, limits, ids whose file comes later.

Specification: client-server API, "Content repository".
"""
import glob
import hashlib
import http.client
import json
import os
import re
import threading
import time

import pytest

from support import accounts
from support.client import Client, Http, quote, seconds, unique
from support.server import wait_until

MEDIA = "/_matrix/media/v3"
AUTHED = "/_matrix/client/v1/media"

INLINE_TYPES = """text/css text/plain text/csv application/json application/ld+json image/jpeg image/gif image/png
image/apng image/webp image/avif video/mp4 video/webm video/ogg video/quicktime audio/mp4 audio/webm audio/aac
audio/mpeg audio/ogg audio/wave audio/wav audio/x-wav audio/x-pn-wav audio/flac audio/x-flac""".split()


def upload(user, data=b"data", content_type="text/plain", name=None, version="v3", **more):
    headers = {"Content-Type": content_type} if content_type is not None else {}
    return user.request("POST", "/_matrix/media/%s/upload" % version, raw=data, headers=headers,
                        query={"filename": name} if name is not None else None, **more)


def uploaded(user, *args, **more):
    """(server name, media id) of a new file."""
    uri = upload(user, *args, **more).ok()["content_uri"]
    match = re.fullmatch(r"mxc://([^/]+)/([A-Za-z0-9_-]{24,255})", uri)
    assert match, uri
    return match.groups()


def download(user, where, *rest, kind="download", base=AUTHED, **more):
    return user.get("/".join((base, kind) + tuple(quote(part) for part in tuple(where) + rest)), **more)


def create(user):
    reply = user.post("/_matrix/media/v1/create").ok()
    return tuple(reply["content_uri"][len("mxc://"):].split("/")), reply


def fill(user, where, data=b"late", **more):
    return user.request("PUT", "%s/upload/%s/%s" % ((MEDIA,) + where), raw=data,
                        headers={"Content-Type": "text/plain"}, **more)


def files_of(server):
    return [path for path in glob.glob(server.data + "/media/**", recursive=True) if os.path.isfile(path)]


# -- uploads and downloads

@pytest.mark.parametrize("version", ["r0", "v3"])
def test_upload__bytes__come_back_the_same(alice, bob, version):
    data = os.urandom(300_000)
    where = uploaded(alice, data, "application/x-thing", version=version)
    reply = download(bob, where).ok()
    assert reply.raw == data
    assert reply.headers["content-type"] == "application/x-thing"
    assert reply.headers["content-length"] == "300000"
    assert reply.headers["content-disposition"] == "attachment"


def test_upload__empty_file__is_a_file(alice):
    where = uploaded(alice, b"")
    assert download(alice, where).ok().raw == b""


def test_upload__ids__cannot_be_guessed(alice):
    ids = {uploaded(alice, b"same")[1] for _ in range(20)}
    assert len(ids) == 20
    assert min(len(media_id) for media_id in ids) >= 24


def test_upload__without_token__401(hs, nobody):
    upload(nobody).expect(401, "M_MISSING_TOKEN")
    upload(nobody, token="wrong").expect(401, "M_UNKNOWN_TOKEN")
    nobody.post("/_matrix/media/v1/create").expect(401, "M_MISSING_TOKEN")


def test_download__without_token__401(alice, nobody):
    where = uploaded(alice)
    download(nobody, where).expect(401, "M_MISSING_TOKEN")
    download(nobody, where, "x.txt").expect(401, "M_MISSING_TOKEN")
    nobody.get(AUTHED + "/config").expect(401, "M_MISSING_TOKEN")


def test_download__unknown__404(hs, alice):
    download(alice, (hs.server_name, "NoSuchMediaIdAtAllxxxxxxx")).expect(404, "M_NOT_FOUND")
    download(alice, ("unknown.example", "NoSuchMediaIdAtAllxxxxxxx")).expect((404, 502))


def test_upload__no_type__octet_stream(alice):
    where = uploaded(alice, b"x", content_type="")
    reply = download(alice, where).ok()
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("name, expected", [
    ("ascii.txt", 'filename="ascii.txt"'),
    ("name with spaces.txt", 'filename="name with spaces.txt"'),
    ("a;b.txt", 'filename="a;b.txt"'),
    ('quo"te\\.txt', 'filename="quo\\"te\\\\.txt"'),
    ("聯絡簿 10月.txt", "filename*=utf-8''%E8%81%AF%E7%B5%A1%E7%B0%BF%2010%E6%9C%88.txt"),
    ("☕.png", "filename*=utf-8''%E2%98%95.png"),
    ("new\r\nline.txt", "filename*=utf-8''new%0D%0Aline.txt"),
])
def test_download__file_name__told_in_the_header(alice, name, expected):
    where = uploaded(alice, name=name)
    assert download(alice, where).ok().headers["content-disposition"] == "inline; " + expected
    other = uploaded(alice)
    assert download(alice, other).ok().headers["content-disposition"] == "inline"
    assert download(alice, other, name).ok().headers["content-disposition"] == "inline; " + expected


def test_upload__name_too_long_or_with_nul__400(alice):
    upload(alice, name="x" * 1025).expect(400, "M_INVALID_PARAM")
    upload(alice, name="a\0b").expect(400, "M_INVALID_PARAM")


def test_config__maximum_size__told(alice):
    for path in (AUTHED, MEDIA, "/_matrix/media/r0", "/_matrix/media/v1"):
        assert alice.get(path + "/config").ok()["m.upload.size"] > 0


# -- ranges and conditions

def test_download__range__206(alice):
    where = uploaded(alice, bytes(range(256)) * 100)
    reply = download(alice, where, headers={"Range": "bytes=100-199"}).expect(206)
    assert reply.raw == bytes(range(100, 200))
    assert reply.headers["content-range"] == "bytes 100-199/25600"
    reply = download(alice, where, headers={"Range": "bytes=-10"}).expect(206)
    assert reply.raw == bytes(range(246, 256))
    reply = download(alice, where, headers={"Range": "bytes=30000-"}).expect(416)
    assert reply.headers["content-range"] == "bytes */25600"


def test_download__known_by_etag__304(alice):
    where = uploaded(alice, b"once")
    first = download(alice, where).ok()
    assert "immutable" in first.headers["cache-control"]
    assert "private" in first.headers["cache-control"]
    again = download(alice, where, headers={"If-None-Match": first.headers["etag"]}).expect(304)
    assert again.raw == b""
    download(alice, where, headers={"If-None-Match": '"other"'}).ok()


def test_download__head__length_and_no_body(alice):
    where = uploaded(alice, b"x" * 1000)
    reply = alice.request("HEAD", "%s/download/%s/%s" % ((AUTHED,) + where)).ok()
    assert reply.headers["content-length"] == "1000"
    assert reply.raw == b""


# -- the older endpoints without token

def test_unauthenticated__after_the_freeze__404(alice, nobody):
    where = uploaded(alice)
    for version in ("r0", "v1", "v3"):
        base = "/_matrix/media/" + version
        download(nobody, where, base=base).expect(404, "M_NOT_FOUND")
        download(nobody, where, "x.txt", base=base).expect(404, "M_NOT_FOUND")


def test_unauthenticated__uploaded_before_the_freeze__stays_open(make_server):
    server = make_server(settings={"media.unauthenticated": "all"}).start()
    alice = accounts.register(Http(server.url))
    nobody = Client(Http(server.url))
    before = uploaded(alice, b"before")
    reply = download(nobody, before, base=MEDIA).ok()
    assert reply.raw == b"before" and "public" in reply.headers["cache-control"]
    server.terminate()
    server.settings["media.unauthenticated"] = "frozen"
    server.start()
    after = uploaded(alice, b"after")
    assert download(nobody, before, "名.txt", base=MEDIA).ok().raw == b"before"
    download(nobody, after, base=MEDIA).expect(404, "M_NOT_FOUND")
    assert download(alice, after).ok().raw == b"after"
    server.terminate()
    server.settings["media.unauthenticated"] = "off"
    server.start()
    download(nobody, before, base=MEDIA).expect(404, "M_NOT_FOUND")
    assert download(alice, before).ok().raw == b"before"


# -- ids whose file comes later

def test_create__then_upload__downloads(alice, bob):
    where, reply = create(alice)
    assert reply["unused_expires_at"] > 0
    fill(alice, where, b"late").ok()
    assert download(bob, where).ok().raw == b"late"


def test_create__not_yet_uploaded__504_after_the_timeout(alice):
    where, _ = create(alice)
    download(alice, where, query={"timeout_ms": 0}).expect(504, "M_NOT_YET_UPLOADED")
    download(alice, where, query={"timeout_ms": 200}).expect(504, "M_NOT_YET_UPLOADED")


def test_create__somebody_waits__is_answered_by_the_upload(alice, bob):
    where, _ = create(alice)
    replies = []

    def wait():
        replies.append(download(bob, where, query={"timeout_ms": 60000}, timeout=seconds(70)))
    waiters = [threading.Thread(target=wait) for _ in range(20)]  # more than there are workers
    for waiter in waiters:
        waiter.start()
    download(bob, where, query={"timeout_ms": 0}).expect(504)
    began = time.monotonic()
    fill(alice, where, b"here").ok()
    for waiter in waiters:
        waiter.join(seconds(70))
    assert [reply.ok().raw for reply in replies] == [b"here"] * 20
    assert time.monotonic() - began < 50, "answered only when the time was over"


def test_fill__second_time_or_by_another__refused(hs, alice, bob):
    where, _ = create(alice)
    fill(bob, where).expect(403, "M_FORBIDDEN")
    fill(alice, where).ok()
    fill(alice, where, b"other").expect(409, "M_CANNOT_OVERWRITE_MEDIA")
    assert download(alice, where).ok().raw == b"late"
    fill(alice, (hs.server_name, "NeverCreatedxxxxxxxxxxxxx")).expect(404, "M_NOT_FOUND")
    fill(alice, ("other.example", "NeverCreatedxxxxxxxxxxxxx")).expect(404, "M_NOT_FOUND")
    fill(alice, uploaded(alice)).expect(409, "M_CANNOT_OVERWRITE_MEDIA")


def test_create__too_many_pending__429(make_server):
    server = make_server(settings={"media.pending_per_user": "3", "media.pending_lifetime": "1h"}).start()
    alice = accounts.register(Http(server.url))
    wheres = [create(alice)[0] for _ in range(3)]
    reply = alice.post("/_matrix/media/v1/create").expect(429, "M_LIMIT_EXCEEDED")
    assert int(reply.headers["retry-after"]) > 0
    fill(alice, wheres[0]).ok()
    create(alice)
    alice.post("/_matrix/media/v1/create").expect(429, "M_LIMIT_EXCEEDED")


def test_create__expired__404(make_server):
    server = make_server(settings={"media.pending_lifetime": "1s"}).start()
    alice = accounts.register(Http(server.url))
    where, _ = create(alice)
    wait_until(lambda: download(alice, where, query={"timeout_ms": 0}).status == 404, what="expiry")
    fill(alice, where).expect(404, "M_NOT_FOUND")


# -- limits

def test_upload__over_the_limit__413_and_nothing_stays(make_server):
    server = make_server(settings={"media.max_upload_size": "64KiB"}).start()
    alice = accounts.register(Http(server.url))
    assert alice.get(AUTHED + "/config").ok()["m.upload.size"] == 65536
    uploaded(alice, b"x" * 65536)
    upload(alice, b"y" * 65537).expect(413, "M_TOO_LARGE")
    where, _ = create(alice)
    fill(alice, where, b"y" * 65537).expect(413, "M_TOO_LARGE")
    wait_until(lambda: [os.path.getsize(path) for path in files_of(server)] == [65536], what="the uploads' ends")


def test_upload__quota__403(make_server):
    server = make_server(settings={"media.quota_per_user": "1000", "media.files_per_user": "3"}).start()
    alice, bob = accounts.register(Http(server.url)), accounts.register(Http(server.url))
    uploaded(alice, b"x" * 900)
    upload(alice, b"y" * 101).expect(403, "M_FORBIDDEN")
    uploaded(alice, b"y" * 100)
    upload(alice, b"z").expect(403, "M_FORBIDDEN")
    for _ in range(3):
        uploaded(bob, b"b")
    upload(bob, b"b").expect(403, "M_FORBIDDEN")


# -- the store

def test_store__same_content__lies_there_once(make_server):
    server = make_server().start()
    alice, bob = accounts.register(Http(server.url)), accounts.register(Http(server.url))
    data = os.urandom(5000)
    first, second = uploaded(alice, data, name="a.txt"), uploaded(bob, data, "image/png", name="b.png")
    assert first != second
    name = hashlib.sha256(data).hexdigest()
    kept = os.path.join(server.data, "media", name[:2], name[2:4], name[4:])
    wait_until(lambda: files_of(server) == [kept], what="the uploads' ends")
    assert download(alice, second).ok().headers["content-type"] == "image/png"
    assert download(alice, first).ok().headers["content-disposition"] == 'inline; filename="a.txt"'


def test_store__killed_after_the_answer__file_is_there(make_server):
    server = make_server().start()
    alice = accounts.register(Http(server.url))
    data = os.urandom(100_000)
    where = uploaded(alice, data)
    server.kill()
    server.start()
    assert download(alice, where).ok().raw == data


def test_store__killed_while_uploading__half_file_goes(make_server):
    server = make_server().start()
    alice = accounts.register(Http(server.url))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=seconds(30))
    connection.putrequest("POST", MEDIA + "/upload")
    connection.putheader("Authorization", "Bearer " + alice.token)
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(b"x" * 500_000)
    wait_until(lambda: files_of(server), what="a part of the file")
    server.kill()
    connection.close()
    server.start()
    assert files_of(server) == []


@pytest.mark.one_process("each process has the faults that are set")
def test_upload__disk_fails__503_and_half_file_goes(make_server, monkeypatch):
    server = make_server()
    monkeypatch.setenv("BELFRY_FAULTS", "media.write:2,media.fsync:1")
    server.start()
    monkeypatch.delenv("BELFRY_FAULTS")
    alice = accounts.register(Http(server.url))
    data = os.urandom(300_000)
    replies = [upload(alice, data) for _ in range(3)]
    if replies[0].status == 200:
        pytest.fail("this needs a build with fault points")
    assert [reply.status for reply in replies] == [503, 503, 200]
    assert replies[0].errcode == "M_UNKNOWN"
    wait_until(lambda: [os.path.getsize(path) for path in files_of(server)] == [300_000], what="the uploads' ends")


# -- known failures of others

TRAVERSALS = ["..", ".", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "a/../b", "a.b", "a%00b", "é", "a b", "",
              "x" * 256, "..\\..\\x"]


@pytest.mark.parametrize("media_id", TRAVERSALS)
def test_sec_5_31__media_id_no_id__refused(hs, alice, media_id):
    for kind in ("download", "thumbnail"):
        for base in (AUTHED, MEDIA):
            reply = alice.get("%s/%s/%s/%s?width=32&height=32" % (base, kind, hs.server_name, quote(media_id)))
            reply.expect((400, 404))
            assert b"root:" not in reply.raw
    fill(alice, (hs.server_name, quote(media_id))).expect((400, 404, 405))


@pytest.mark.parametrize("server", ["..", "a/b", "../x", "a..b/", "-", "a_b", "[::1", "x:99999999", "a b", "ex%00"])
def test_sec_5_31__server_name_no_name__refused(alice, server):
    download(alice, (server, "A" * 24)).expect((400, 404))
    download(alice, (server, "A" * 24), base=MEDIA).expect((400, 404))


def test_sec_5_31__names_of_files__never_from_the_client(make_server):
    server = make_server().start()
    alice = accounts.register(Http(server.url))
    where = uploaded(alice, b"evil", name="../../../../tmp/evil")
    paths = wait_until(lambda: [path for path in files_of(server) if "/incoming/" not in path], what="the file")
    assert len(paths) == 1 and re.fullmatch(r"[0-9a-f/]+", paths[0][len(server.data + "/media/"):])
    assert download(alice, where, "../../x").ok().raw == b"evil"


@pytest.mark.parametrize("setting, more", [("frozen", {}), ("off", {}), ("all", {"allow_remote": "false"})])
def test_sec_5_34__unauthenticated_download__fetches_and_stores_nothing(make_server, setting, more):
    server = make_server(settings={"media.unauthenticated": setting}).start()
    nobody = Client(Http(server.url))
    for kind, query in (("download", more), ("thumbnail", {"width": 32, "height": 32, **more})):
        download(nobody, ("other.example", "A" * 24), kind=kind, base=MEDIA,
                 query=query).expect(404, "M_NOT_FOUND")
    assert files_of(server) == []


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x",
                                          "application/x-www-form-urlencoded", "text/html", "nonsense"])
def test_sec_5_35__content_type__changes_no_limit(hs, alice, content_type):
    data = b"--x\r\nContent-Disposition: form-data\r\n\r\n" + b"[" * 100_000
    where = uploaded(alice, data, content_type)
    assert download(alice, where).ok().raw == data
    alice.request("POST", "/createRoom", raw=b"[" * 3_000_000,
                  headers={"Content-Type": content_type}).expect(413, "M_TOO_LARGE")


@pytest.mark.parametrize("content_type", ["text/html", "TEXT/HTML", "image/svg+xml", "Image/SVG+XML", "text/xml",
                                          "application/xhtml+xml", "application/javascript", "application/pdf",
                                          "text/html; charset=utf-8", "text/plain, text/html", "image/png/../x"])
def test_sec_5_36__type_that_can_act__is_an_attachment(alice, content_type):
    where = uploaded(alice, b"<script>alert(1)</script>", content_type, name="a.html")
    for rest in ((), ("b.html",)):
        reply = download(alice, where, *rest).ok()
        assert reply.headers["content-disposition"].startswith("attachment;")
        assert reply.headers["x-content-type-options"] == "nosniff"
        policy = reply.headers["content-security-policy"]
        assert "sandbox" in policy and "default-src 'none'" in policy and "script-src 'none'" in policy
        assert reply.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize("content_type", INLINE_TYPES)
def test_sec_5_36__type_of_the_list__inline_in_any_case(alice, content_type):
    for spelled in (content_type, content_type.upper(), content_type + "; charset=utf-8"):
        reply = download(alice, uploaded(alice, unique().encode(), spelled)).ok()
        assert reply.headers["content-disposition"] == "inline"
        assert reply.headers["content-type"] == spelled
        assert "sandbox" in reply.headers["content-security-policy"]


def test_sec_5_36__type_with_a_line_break__no_further_header(alice):
    connection = http.client.HTTPConnection(alice.http.host, alice.http.port, timeout=seconds(30))
    connection.putrequest("POST", MEDIA + "/upload?filename=a%0d%0aX-Evil:%201")
    connection.putheader("Authorization", "Bearer " + alice.token)
    connection.putheader("Content-Type", "text/plain\x01; a=\xff")
    connection.putheader("Content-Length", "1")
    connection.endheaders(b"x")
    reply = connection.getresponse()
    assert reply.status in (200, 400)
    if reply.status == 200:
        where = json.loads(reply.read())["content_uri"][len("mxc://"):].split("/")
        got = download(alice, where).ok()
        assert "x-evil" not in got.headers
        assert got.headers["content-type"] == "application/octet-stream"
    connection.close()
