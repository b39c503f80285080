"""Files between servers: multipart downloads and thumbnails, both ways.

Specification: server-server API, "Content Repository"; client-server API, "Content repository".
"""
import email.parser
import email.policy
import io

import pytest

from support.client import quote
from support.database import Cluster
from support.remote import FEDERATION


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
    from PIL import Image
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
    from PIL import Image
    assert Image.open(io.BytesIO(content)).size == (32, 32)
    remote.send(federated, "GET", "/media/thumbnail/%s?width=32" % media_id).expect(400, "M_MISSING_PARAM")
    remote.send(federated, "GET", "/media/thumbnail/%s?width=-1&height=3" % media_id).expect(400)
    text = upload(lin, b"no picture")
    remote.send(federated, "GET", "/media/thumbnail/%s?width=32&height=32" % text).expect(400, "M_UNKNOWN")
