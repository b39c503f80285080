"""Thumbnails: sizes, methods, orientation, and images that are made to do harm.

Specification: client-server API, "Thumbnails".
"""
import io
import os
import random
import re
import struct
import subprocess
import threading
import urllib.request
import zlib

import pytest
from PIL import Image, ImageCms

from support import accounts
from support.client import Client, Http, seconds
from support.database import Cluster
from support.server import binary, free_port, wait_until
from test_media import AUTHED, MEDIA, create, download, fill, uploaded

TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}


def picture(width, height, kind="JPEG", mode="RGB", **more):
    """Left half red, right half blue."""
    image = Image.new(mode, (width, height), (200, 0, 0, 128)[:len(mode)])
    image.paste((0, 0, 200, 128)[:len(mode)], (width // 2, 0, width, height))
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def thumbnail(user, where, width=96, height=96, method=None, **more):
    query = {"width": width, "height": height, "method": method, **more.pop("query", {})}
    return download(user, where, kind="thumbnail", query=query, timeout=seconds(60), **more)


def opened(reply):
    reply.ok()
    image = Image.open(io.BytesIO(reply.raw))
    assert reply.headers["content-type"] == TYPES[image.format]
    return image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width, height, data=b"", depth=8):
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)) +
            chunk(b"IDAT", data) + chunk(b"IEND", b""))


# -- sizes

@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size, method, expected", [
    ((32, 32), "crop", (32, 32)),
    ((96, 96), "crop", (96, 96)),
    ((64, 64), "crop", (96, 96)),
    ((320, 240), "scale", (320, 200)),
    ((640, 480), "scale", (640, 400)),
    ((800, 600), "scale", (800, 500)),
    ((300, 200), "scale", (320, 200)),
    ((800, 600), "crop", (800, 600)),
    ((801, 600), "scale", (1600, 1000)),
    ((1600, 1200), "crop", (1600, 1000)),
    ((5000, 5000), "scale", (1600, 1000)),
    ((900, 900), "crop", (1600, 1000)),
    ((1, 1), None, (96, 60)),
])
def test_thumbnail__sizes__at_least_as_large_as_asked(alice, kind, size, method, expected):
    where = uploaded(alice, picture(1600, 1000, kind), TYPES[kind])
    image = opened(thumbnail(alice, where, *size, method))
    assert image.size == expected
    red, blue = image.convert("RGB").getpixel((2, 2)), image.convert("RGB").getpixel((image.width - 3, 2))
    assert red[0] > 150 > red[2] and blue[2] > 150 > blue[0]


def page_of_bits(side):
    """A PNG of one bit a point; made smaller it is shades of grey, of a byte each."""
    noise = random.Random(1)
    rows = b"".join(b"\0" + noise.randbytes(side // 8) for _ in range(side))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def test_thumbnail__large_one_of_few_bytes__refused(alice):
    """What a user may keep here is no limit, if of each of their files a hundredfold is kept."""
    data = page_of_bits(4400)
    where = uploaded(alice, data, "image/png")
    assert opened(thumbnail(alice, where, 1600, 1200, "scale")).size == (1200, 1200)
    thumbnail(alice, where, 1601, 1200, "scale").expect(413, "M_TOO_LARGE")
    large = picture(4400, 3000)
    assert max(opened(thumbnail(alice, uploaded(alice, large, "image/jpeg"), 1601, 1601, "scale")).size) == 4096


def test_thumbnail__headers__inline_and_safe(alice):
    reply = thumbnail(alice, uploaded(alice, picture(300, 300), "image/jpeg")).ok()
    assert re.fullmatch(r'inline; filename="thumbnail\.\w+"', reply.headers["content-disposition"])
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in reply.headers["content-security-policy"]
    assert reply.headers["cross-origin-resource-policy"] == "cross-origin"


def test_thumbnail__smaller_image__not_enlarged(alice):
    data = picture(50, 40)
    reply = thumbnail(alice, uploaded(alice, data, "image/jpeg"), 96, 96)
    assert opened(reply).size == (50, 40)
    assert reply.raw == data  # the original
    assert opened(thumbnail(alice, uploaded(alice, picture(50, 40, "PNG"), "image/png"), 320, 240,
                            "scale")).size == (50, 40)
    assert opened(thumbnail(alice, uploaded(alice, picture(200, 40), "image/jpeg"), 96, 96, "crop")).size == (96, 40)


def test_thumbnail__transparency__kept(alice):
    where = uploaded(alice, picture(500, 500, "PNG", "RGBA"), "image/png")
    image = opened(thumbnail(alice, where))
    assert image.mode == "RGBA" and 100 < image.getpixel((5, 5))[3] < 160


@pytest.mark.parametrize("kind, mode, expected", [
    ("PNG", "RGB", "PNG"), ("PNG", "L", "PNG"), ("PNG", "RGBA", "PNG"),
    ("JPEG", "RGB", "JPEG"), ("WEBP", "RGB", "JPEG"), ("WEBP", "RGBA", "PNG"),
])
def test_thumbnail__format__png_of_png_and_transparency_else_jpeg(alice, kind, mode, expected):
    reply = thumbnail(alice, uploaded(alice, picture(500, 500, kind, mode), TYPES[kind]), 96, 96, "scale").ok()
    assert opened(reply).format == expected and reply.headers["content-type"] == TYPES[expected]
    assert reply.headers["content-disposition"].endswith('"thumbnail.%s"' % expected.lower())


# -- colours

def near(image, place, colour):
    return all(abs(is_ - should) <= 3 for is_, should in zip(image.convert("RGB").getpixel(place), colour))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (0, 0, 255), (200, 150, 100)])
def test_thumbnail__colours__stay(alice, kind, colour):
    out = io.BytesIO()
    Image.new("RGB", (300, 200), colour).save(out, kind, **({"quality": 98} if kind in ("JPEG", "WEBP") else {}))
    image = opened(thumbnail(alice, uploaded(alice, out.getvalue(), TYPES[kind])))
    assert near(image, (40, 40), colour), image.convert("RGB").getpixel((40, 40))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_thumbnail__grey__stays_grey(alice, kind):
    image = opened(thumbnail(alice, uploaded(alice, picture(300, 200, kind, "L"), TYPES[kind])))
    assert image.mode == "L" and near(image, (5, 5), (200, 200, 200))


def test_thumbnail__sixteen_bits_and_inks__made_for_screens(alice):
    deep = struct.pack(">BHHH", 0, 0xFFFF, 0x8080, 0) + struct.pack(">HHH", 0xFFFF, 0x8080, 0) * 199
    image = opened(thumbnail(alice, uploaded(alice, png_header(200, 200, zlib.compress(deep * 200), depth=16))))
    assert image.mode == "RGB" and near(image, (40, 40), (255, 128, 0))
    image = opened(thumbnail(alice, uploaded(alice, picture(300, 200, "JPEG", "CMYK"), "image/jpeg")))
    assert image.mode == "RGB" and image.getpixel((5, 5))[0] < 100


def test_thumbnail__colour_profile__applied_and_gone(alice):
    """One whose red and green have changed places: what it calls red is green."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)
    out = io.BytesIO()
    Image.new("RGB", (300, 200), (255, 0, 0)).save(out, "PNG", icc_profile=profile)
    image = opened(thumbnail(alice, uploaded(alice, out.getvalue(), "image/png")))
    red, green, blue = image.getpixel((40, 40))
    assert green > 240 and red < 30 and blue < 30 and "icc_profile" not in image.info


def test_thumbnail__turned_photo__upright_and_without_metadata(alice):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    exif[0x010F] = "SecretCamera"
    data = picture(1000, 600, exif=exif.tobytes())
    assert b"SecretCamera" in data
    reply = thumbnail(alice, uploaded(alice, data, "image/jpeg"), 320, 240, "scale")
    image = opened(reply)
    assert image.height > image.width
    assert image.getpixel((image.width // 2, 5))[0] > 150, "red is at the top"
    assert b"SecretCamera" not in reply.raw and b"Exif" not in reply.raw


@pytest.mark.parametrize("query, status, errcode", [
    ({"width": None}, 400, "M_MISSING_PARAM"),
    ({"height": None}, 400, "M_MISSING_PARAM"),
    ({"width": "-1"}, 400, "M_INVALID_PARAM"),
    ({"width": "0"}, 400, "M_INVALID_PARAM"),
    ({"width": "many"}, 400, "M_INVALID_PARAM"),
    ({"method": "stretch"}, 400, "M_INVALID_PARAM"),
    ({"animated": "maybe"}, 400, "M_INVALID_PARAM"),
])
def test_thumbnail__wrong_query__400(alice, query, status, errcode):
    where = uploaded(alice, picture(200, 200), "image/jpeg")
    thumbnail(alice, where, query=query).expect(status, errcode)


def test_thumbnail__no_image__400(hs, alice):
    thumbnail(alice, uploaded(alice, b"words", "text/plain")).expect(400, "M_UNKNOWN")
    thumbnail(alice, uploaded(alice, b"", "image/png")).expect(400, "M_UNKNOWN")
    thumbnail(alice, (hs.server_name, "A" * 24)).expect(404, "M_NOT_FOUND")


def test_thumbnail__not_yet_uploaded__waits(alice):
    where, _ = create(alice)
    thumbnail(alice, where, query={"timeout_ms": 0}).expect(504, "M_NOT_YET_UPLOADED")
    fill(alice, where, picture(300, 300)).ok()
    assert opened(thumbnail(alice, where)).size == (96, 96)


# -- made once

@pytest.mark.one_process("counts what one process made: each joins those who ask it")
def test_thumbnail__many_ask_at_once__made_once(make_server):
    metrics = free_port()
    server = make_server(settings={"listen.metrics": "127.0.0.1:%d" % metrics}).start()
    alice = accounts.register(Http(server.url))
    where = uploaded(alice, picture(2000, 2000), "image/jpeg")
    sizes = []

    def ask():
        sizes.append(opened(thumbnail(alice, where)).size)
    askers = [threading.Thread(target=ask) for _ in range(30)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(seconds(60))
    assert sizes == [(96, 96)] * 30
    server.terminate()
    server.start()
    assert opened(thumbnail(alice, where)).size == (96, 96)
    assert opened(thumbnail(alice, where, 320, 240)).size == (240, 240)
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % metrics, timeout=seconds(10)) as page:
        text = page.read().decode()
    assert re.search(r"^belfry_media_thumbnails_made_total 1$", text, re.M), "only the new size after the restart"


# -- known failures of others

@pytest.mark.parametrize("content_type", ["image/png", "image/svg+xml", "image/jpeg", "application/pdf"])
@pytest.mark.parametrize("data", [
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9"/></svg>',
    b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run", b"%PDF-1.4\n1 0 obj", b"push graphic-context\nviewbox 0 0 9 9",
    b"BM" + bytes(60), b"II*\0" + bytes(60), b"P6 9 9 255\n" + bytes(243), b"\0\0\0\x1cftypheic" + bytes(60),
    b"8BPS\0\1" + bytes(60), b"\xff\x0a" + bytes(60), b"#?RADIANCE\n\n-Y 9 +X 9\n" + bytes(81)],
    ids=["svg", "eps", "pdf", "mvg", "bmp", "tiff", "ppm", "heic", "psd", "jxl", "hdr"])
def test_sec_5_32__other_formats__never_decoded(alice, content_type, data):
    thumbnail(alice, uploaded(alice, data, content_type)).expect(400, "M_UNKNOWN")


def confined(*arguments):
    """The helper, waiting for an image."""
    return subprocess.Popen([os.path.join(os.path.dirname(binary()), "belfry-thumbnail"), *arguments],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@pytest.mark.skipif(not binary(), reason="needs the program")
def test_sec_5_32__helper__is_confined_before_it_reads():
    helper = confined("image/png", "96", "96", "scale", "still")

    def status():
        with open("/proc/%d/status" % helper.pid, encoding="utf-8") as file:
            return file.read()
    wait_until(lambda: re.search(r"^Seccomp:\s+2$", status(), re.M), what="the filter of system calls")
    assert re.search(r"^NoNewPrivs:\s+1$", status(), re.M)
    with open("/proc/%d/limits" % helper.pid, encoding="utf-8") as file:
        limits = dict(re.findall(r"^(Max [a-z ]+?)  +(\d+|unlimited)", file.read(), re.M))
    assert int(limits["Max cpu time"]) <= 30
    assert int(limits["Max address space"]) <= 4 << 30
    assert int(limits["Max file size"]) <= 64 << 20
    assert int(limits["Max open files"]) <= 64
    assert int(limits["Max core file size"]) == 0
    assert sorted(os.listdir("/proc/%d/fd" % helper.pid))[:3] == ["0", "1", "2"]
    helper.communicate(picture(200, 200, "PNG"), timeout=seconds(30))


@pytest.mark.skipif(not binary(), reason="needs the program")
@pytest.mark.parametrize("arguments", [(), ("image/png",), ("image/svg+xml", "9", "9", "scale", "still"),
                                       ("image/png", "x", "9", "scale", "still"),
                                       ("image/png", "99999999", "9", "scale", "still")])
def test_sec_5_32__helper_called_wrongly__does_nothing(arguments):
    helper = confined(*arguments)
    out, _ = helper.communicate(picture(20, 20, "PNG"), timeout=seconds(30))
    assert helper.returncode == 2 and out == b""


def test_sec_5_33__decompression_bomb__refused_by_its_header(alice):
    where = uploaded(alice, png_header(50_000, 50_000), "image/png")
    thumbnail(alice, where).expect(413, "M_TOO_LARGE")
    thumbnail(alice, where).expect(413, "M_TOO_LARGE")
    gif = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b"\x2c" + struct.pack(
        "<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\x00\x3b"
    thumbnail(alice, uploaded(alice, gif, "image/gif")).expect((400, 413))


def test_sec_5_33__bomb_that_lies__costs_little(alice):
    """10,000 x 10,000 pixels are looked at; the data ends after the first rows."""
    data = png_header(10_000, 10_000, zlib.compress(bytes(3_000_100)))
    reply = thumbnail(alice, uploaded(alice, data, "image/png")).expect((200, 400))
    assert len(reply.raw) < 10_000


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_sec_5_33__broken_files__refused_and_the_server_goes_on(alice, kind):
    data = picture(400, 400, kind)
    broken = [data[:40], data[:len(data) // 2], data[:30] + bytes(len(data) - 30), data[:-20] + b"\xff" * 20,
              bytes(byte ^ (index % 7 == 3) for index, byte in enumerate(data))]
    for variant in broken:
        reply = thumbnail(alice, uploaded(alice, variant, TYPES[kind]))
        reply.expect((200, 400, 413))
        if reply.status == 400:
            thumbnail(alice, uploaded(alice, variant, TYPES[kind])).expect(400, "M_UNKNOWN")
    assert opened(thumbnail(alice, uploaded(alice, data, TYPES[kind]))).size == (96, 96)


def test_thumbnail__without_token__401_or_frozen(alice, nobody):
    where = uploaded(alice, picture(300, 300), "image/jpeg")
    thumbnail(nobody, where).expect(401, "M_MISSING_TOKEN")
    thumbnail(nobody, where, base=MEDIA).expect(404, "M_NOT_FOUND")
    assert AUTHED != MEDIA


def test_quarantine__set__nobody_gets_the_file_in_any_way(make_server):
    """No endpoint sets it yet, so the row is changed by hand."""
    with Cluster() as cluster:
        server = make_server(settings={"database.url": cluster.url, "media.unauthenticated": "all"}).start()
        alice, nobody = accounts.register(Http(server.url)), Client(Http(server.url))
        data = picture(300, 300)
        where, twin = uploaded(alice, data, "image/jpeg"), uploaded(alice, data, "image/jpeg")

        def ask(subject):
            yield download(alice, subject)
            yield download(alice, subject, "name.jpg")
            yield thumbnail(alice, subject)
            yield download(nobody, subject, base=MEDIA)
            yield download(nobody, subject, "name.jpg", base=MEDIA)
            yield thumbnail(nobody, subject, base=MEDIA)
        assert [reply.status for reply in ask(where)] == [200] * 6
        cluster.sql("UPDATE media SET is_quarantined = true WHERE media_id = '%s'" % where[1])
        for reply in ask(where):
            reply.expect(404, "M_NOT_FOUND")
        assert [reply.status for reply in ask(twin)] == [200] * 6
        cluster.sql("UPDATE media SET is_quarantined = false")
        assert [reply.status for reply in ask(where)] == [200] * 6
