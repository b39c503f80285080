"""Media in an S3-compatible service: moto's server, which checks signatures and rights.

The bucket's user may put, get and delete its objects, and nothing else.
"""
import hashlib
import http.client
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import urllib.request

import boto3
import pytest
from botocore.exceptions import ClientError

from support import accounts
from support.client import Http, seconds, unique
from support.server import free_port, wait_until
from support.serving import serve
from test_fed_media import DOWNLOAD, multipart
from test_media import create, download, fill, files_of, upload, uploaded
from test_media_thumbnails import opened, picture, thumbnail

REGION = "eu-central-1"


class Bucket:
    def __init__(self):
        self.port = free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        # That many requests are answered to anybody; then signatures and policies count.
        environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "4"}
        self.process = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(self.port)], env=environment,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers, 60, "moto's server")  # it reads some hundred modules first
        anybody = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        iam = self.connect("iam", **anybody)
        iam.create_user(UserName="belfry")
        key = iam.create_access_key(UserName="belfry")["AccessKey"]
        self.access, self.secret = key["AccessKeyId"], key["SecretAccessKey"]
        objects = {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"], "Resource": "*"}
        iam.put_user_policy(UserName="belfry", PolicyName="media", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [objects]}))
        self.connect("s3", **anybody).create_bucket(
            Bucket="school-media", CreateBucketConfiguration={"LocationConstraint": REGION})
        self.s3 = self.connect("s3", aws_access_key_id=self.access, aws_secret_access_key=self.secret)

    def answers(self):
        try:
            return Http(self.url).raw("GET", "/moto-api/data.json", timeout=seconds(2)).status == 200
        except OSError:
            return False

    def connect(self, service, **keys):
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **keys)

    def get(self, data):
        """The object that has this content, or None."""
        name = hashlib.sha256(data).hexdigest()
        try:
            found = self.s3.get_object(Bucket="school-media", Key="%s/%s/%s" % (name[:2], name[2:4], name[4:]))
            return found["Body"].read()
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchKey", error
            return None

    def settings(self, **more):
        return {"media.s3.endpoint": self.url, "media.s3.bucket": "school-media", "media.s3.region": REGION,
                "media.s3.access_key": self.access, "media.s3.secret_key": self.secret, **more}


class Road:
    """What lies between the server and the bucket: sees what goes over it, and can be closed."""

    def __init__(self, bucket):
        self.seen = []  # (method, Range, bytes of the answer)
        self.sent = []  # bytes of the answers to GET that were taken
        self.ignores_ranges = False
        self.arrived = threading.Semaphore(0)  # once for each GET
        self.is_open = threading.Event()
        self.is_open.set()
        road = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.command == "GET":
                    road.arrived.release()
                    road.is_open.wait(seconds(60))
                to = http.client.HTTPConnection("127.0.0.1", bucket.port)
                to.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() != "range" or not road.ignores_ranges:
                        to.putheader(name, value)
                to.endheaders(body or None)
                answer = to.getresponse()
                data = answer.read()
                to.close()
                road.seen.append((self.command, self.headers.get("Range"), len(data)))
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                        self.send_header(name, value)
                if self.command != "DELETE":
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                sent = 0
                try:
                    for at in range(0, len(data), 1 << 16):
                        sent += self.wfile.write(data[at:at + (1 << 16)])
                except OSError:
                    self.close_connection = True
                if self.command == "GET":
                    road.sent.append(sent)

            do_GET = do_PUT = do_DELETE = pass_on

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        serve(self.server)

    def gets(self):
        return [(part, size) for method, part, size in self.seen if method == "GET"]

    def end(self):
        self.is_open.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def road(bucket):
    road = Road(bucket)
    yield road
    road.end()


@pytest.fixture(scope="module")
def bucket():
    bucket = Bucket()
    yield bucket
    bucket.process.kill()
    bucket.process.wait()


def cached(server):
    return [path for path in files_of(server) if "/cache/" in path]


def forget(server):
    for path in cached(server):
        os.unlink(path)


@pytest.fixture
def server(bucket, make_server):
    return make_server(settings=bucket.settings()).start()


@pytest.fixture
def alice(server):
    return accounts.register(Http(server.url))


@pytest.mark.parametrize("size", [0, 1, 100_000, 5_000_000])
def test_s3__upload__lies_in_the_bucket_and_comes_back(bucket, server, alice, size):
    data = os.urandom(size)
    where = uploaded(alice, data)
    assert bucket.get(data) == data
    assert download(alice, where).ok().raw == data
    forget(server)
    assert download(alice, where).ok().raw == data
    forget(server)
    if size > 200:
        reply = download(alice, where, headers={"Range": "bytes=100-199"}).expect(206)
        assert reply.raw == data[100:200]


# -- content that does not lie on this machine

def test_s3__range_of_what_is_far__only_that_is_fetched(bucket, road, make_server):
    server = make_server(settings=bucket.settings(**{"media.s3.endpoint": road.url})).start()
    alice = accounts.register(Http(server.url))
    data = os.urandom(3_000_000)
    where = uploaded(alice, data)
    forget(server)
    parts = [("bytes=100-199", 100, 199), ("bytes=0-0", 0, 0), ("bytes=2999000-", 2_999_000, 2_999_999),
             ("bytes=-10", 2_999_990, 2_999_999), ("bytes=2999999-9999999", 2_999_999, 2_999_999)]
    for asked, first, last in parts:
        reply = download(alice, where, headers={"Range": asked}).expect(206)
        assert reply.raw == data[first:last + 1]
        assert reply.headers["content-range"] == "bytes %d-%d/3000000" % (first, last)
        assert road.gets()[-1] == ("bytes=%d-%d" % (first, last), last + 1 - first)
        assert files_of(server) == [], "a part is not kept"
    assert download(alice, where).ok().raw == data
    for asked, first, last in parts:
        assert download(alice, where, headers={"Range": asked}).expect(206).raw == data[first:last + 1]
    assert len(road.gets()) == len(parts) + 1, "by then all of it is at hand"


@pytest.mark.one_process("each process finds out by itself that a service knows no ranges")
def test_s3__bucket_ignores_ranges__broken_off_then_fetched_once_for_all(bucket, road, make_server):
    road.ignores_ranges = True
    server = make_server(settings=bucket.settings(**{"media.s3.endpoint": road.url})).start()
    alice = accounts.register(Http(server.url))
    size = 24 << 20  # more than what the sockets between the two take
    data = os.urandom(size)
    where, other = uploaded(alice, data), uploaded(alice, data[::-1])
    forget(server)
    for first, last in ((100, 199), (size - 5, size - 1)):
        reply = download(alice, where, headers={"Range": "bytes=%d-%d" % (first, last)}).expect(206)
        assert reply.raw == data[first:last + 1] and reply.headers["content-range"] == "bytes %d-%d/%d" % (first, last, size)
    assert [part for part, _ in road.gets()] == ["bytes=100-199", None], "the second range was at hand"
    wait_until(lambda: len(road.sent) == 2, what="the end of both answers")
    assert min(road.sent) < size and max(road.sent) == size
    got, places = [], range(0, 4000, 1000)
    readers = [threading.Thread(target=lambda first=first: got.append((first, download(
        alice, other, headers={"Range": "bytes=%d-%d" % (first, first + 9)}, timeout=seconds(60)).expect(206).raw)))
        for first in places]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(seconds(60))
    assert sorted(got) == [(first, data[::-1][first:first + 10]) for first in places]
    assert [part for part, _ in road.gets()[2:]] == [None], "what is known of the service is not tried again"


def test_s3__range_that_is_all_of_it__kept_and_checked(bucket, road, make_server):
    server = make_server(settings=bucket.settings(**{"media.s3.endpoint": road.url})).start()
    alice = accounts.register(Http(server.url))
    data = os.urandom(1000)
    where = uploaded(alice, data)
    forget(server)
    for _ in range(2):
        assert download(alice, where, headers={"Range": "bytes=0-"}).expect(206).raw == data
    assert road.gets() == [(None, 1000)]


def test_s3__nothing_of_what_is_far_is_sent__nothing_fetched(bucket, road, make_server):
    server = make_server(settings=bucket.settings(**{"media.s3.endpoint": road.url})).start()
    alice = accounts.register(Http(server.url))
    where = uploaded(alice, os.urandom(1000))
    etag = download(alice, where).ok().headers["etag"]
    forget(server)
    reply = download(alice, where, headers={"Range": "bytes=1000-"}).expect(416)
    assert reply.headers["content-range"] == "bytes */1000"
    download(alice, where, headers={"If-None-Match": etag}).expect(304)
    assert road.gets() == []


def test_s3__range_of_what_the_bucket_lost_or_cut__404_and_503(bucket, server, alice):
    data = os.urandom(1000)
    where = uploaded(alice, data)
    name = hashlib.sha256(data).hexdigest()
    key = {"Bucket": "school-media", "Key": "%s/%s/%s" % (name[:2], name[2:4], name[4:])}
    forget(server)
    bucket.s3.put_object(Body=data[:150], **key)
    for asked in ("bytes=100-199", "bytes=500-599"):
        download(alice, where, headers={"Range": asked}).expect(503, "M_UNKNOWN")
    bucket.s3.delete_object(**key)
    download(alice, where, headers={"Range": "bytes=100-199"}).expect(404, "M_NOT_FOUND")


@pytest.mark.one_process("those who wait for the same are joined within a process: two fetch it twice")
def test_s3__many_want_what_is_far__fetched_once(bucket, road, make_server):
    metrics = free_port()
    server = make_server(settings=bucket.settings(**{
        "media.s3.endpoint": road.url, "listen.metrics": "127.0.0.1:%d" % metrics})).start()
    alice = accounts.register(Http(server.url))
    data = os.urandom(100_000)
    where, got = uploaded(alice, data), []
    forget(server)

    def parked():
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % metrics, timeout=seconds(10)) as page:
            told = re.search(r"^belfry_http_parked (\d+)$", page.read().decode(), re.M)
        return int(told.group(1)) if told else 0  # it is told of once somebody waits
    road.is_open.clear()
    readers = [threading.Thread(target=lambda: got.append(download(alice, where, timeout=seconds(60)).ok().raw))
               for _ in range(8)]
    for reader in readers:
        reader.start()
    wait_until(lambda: parked() == 7, what="those who wait for the first")
    road.is_open.set()
    for reader in readers:
        reader.join(seconds(60))
    assert got == [data] * 8 and road.gets() == [(None, 100_000)]


def test_s3__file_of_another_server__kept_in_the_bucket(bucket, road, make_federated, remote):
    server = make_federated(settings=bucket.settings(**{"media.s3.endpoint": road.url})).start()
    lin, data, media_id = server.user(), picture(300, 300), unique()
    remote.on("GET", DOWNLOAD, lambda ask: multipart(data, "image/jpeg"))
    where = (remote.name, media_id)
    small = thumbnail(lin, where)
    assert opened(small).size == (96, 96) and download(lin, where).ok().raw == data
    forget(server)
    assert download(lin, where, headers={"Range": "bytes=10-19"}).expect(206).raw == data[10:20]
    assert download(lin, where).ok().raw == data and thumbnail(lin, where).ok().raw == small.raw
    assert len(road.gets()) == 3 and len(remote.asked) == 1


def test_s3__deleted_by_an_administrator__leaves_bucket_and_cache(bucket, server, alice):
    admin = accounts.register_by_secret(Http(server.url), server.secret, admin=True)
    data, kept = picture(200, 154), os.urandom(300)
    where, other = uploaded(alice, data), uploaded(alice, kept)
    shown = thumbnail(alice, where).ok().raw
    assert bucket.get(data) == data and bucket.get(shown) == shown
    admin.request("DELETE", "/_synapse/admin/v1/media/" + "/".join(where)).ok()
    download(alice, where).expect(404, "M_NOT_FOUND")
    server.run("media", "list")  # a command pokes the server
    wait_until(lambda: bucket.get(data) is None and bucket.get(shown) is None, 30, "the objects are gone")
    assert bucket.get(kept) == kept and download(alice, other).ok().raw == kept
    names = {os.path.basename(path) for path in cached(server)}
    assert hashlib.sha256(data).hexdigest() not in names and hashlib.sha256(kept).hexdigest() in names


def test_s3__late_upload_and_thumbnail__in_the_bucket(bucket, server, alice):
    where, _ = create(alice)
    data = picture(400, 400)
    fill(alice, where, data).ok()
    small = thumbnail(alice, where)
    assert opened(small).size == (96, 96)
    assert bucket.get(data) == data and bucket.get(small.raw) == small.raw
    forget(server)
    assert thumbnail(alice, where).raw == small.raw


def test_s3__other_content_than_was_put__503(bucket, server, alice):
    data = b"true content"
    where = uploaded(alice, data)
    name = hashlib.sha256(data).hexdigest()
    bucket.s3.put_object(Bucket="school-media", Key="%s/%s/%s" % (name[:2], name[2:4], name[4:]), Body=b"other")
    forget(server)
    download(alice, where).expect(503, "M_UNKNOWN")
    bucket.s3.delete_object(Bucket="school-media", Key="%s/%s/%s" % (name[:2], name[2:4], name[4:]))
    download(alice, where).expect(404, "M_NOT_FOUND")


@pytest.mark.parametrize("wrong", [{"media.s3.secret_key": "wrong"}, {"media.s3.access_key": "AKIAWRONGWRONGWRONG0"},
                                   {"media.s3.bucket": "no-such-bucket"}, {"media.s3.endpoint": "http://127.0.0.1:1"}])
def test_s3__service_refuses__503_and_not_acknowledged(bucket, make_server, wrong):
    server = make_server(settings=bucket.settings(**wrong)).start()
    alice = accounts.register(Http(server.url))
    data = os.urandom(1000)
    upload(alice, data).expect(503, "M_UNKNOWN")
    assert bucket.get(data) is None
    assert "wrong" not in server.log()
    wait_until(lambda: files_of(server) == [], what="the upload's end")


@pytest.mark.one_process("each process keeps so much of a bucket")
def test_s3__cache__stays_small(bucket, make_server):
    server = make_server(settings=bucket.settings(**{"media.s3.cache": "1MiB"})).start()
    alice = accounts.register(Http(server.url))
    contents = [os.urandom(300_000) for _ in range(6)]
    wheres = [uploaded(alice, data) for data in contents]
    for _ in range(2):
        for where, data in zip(wheres, contents):
            assert download(alice, where).ok().raw == data
            assert sum(os.path.getsize(path) for path in cached(server)) <= 1 << 20


def test_s3__options_missing__refused_at_the_start(make_server, bucket):
    server = make_server(settings=bucket.settings(**{"media.s3.secret_key": ""}))
    server.launch()
    assert server.process.wait(seconds(30)) != 0
    assert "media.s3" in server.log()
