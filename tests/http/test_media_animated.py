"""Thumbnails that move: of GIF and WebP, when they are asked for, and what films that are made to do harm get.

Specification: client-server API, "Thumbnails" (`animated`, since v1.11).
"""
import io
import struct
import zlib

import pytest
from PIL import Image

from test_media import uploaded
from test_media_thumbnails import TYPES, chunk, opened, picture, png_header, thumbnail

MOVING = {"query": {"animated": True}}


def movie(width, height, kind, frames=5, **more):
    images = [Image.new("RGB", (width, height), (40 * (i % 6), 0, 255 - 40 * (i % 6))) for i in range(frames)]
    out = io.BytesIO()
    images[0].save(out, kind, save_all=True, append_images=images[1:], **{"duration": 100, "loop": 0, **more})
    return out.getvalue()


def frames_of(image):
    return getattr(image, "n_frames", 1)


def durations(image):
    out = []
    for index in range(image.n_frames):
        image.seek(index)
        image.load()
        out.append(image.info["duration"])
    return out


# -- when it moves

@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
@pytest.mark.parametrize("method, size", [("crop", (96, 96)), ("scale", (96, 48))])
def test_thumbnail__animated__moves_only_if_wanted(alice, kind, method, size):
    where = uploaded(alice, movie(400, 200, kind), TYPES[kind])
    for _ in range(2):  # made, and found
        moving = opened(thumbnail(alice, where, 96, 96, method, **MOVING))
        assert moving.format == "WEBP" and moving.n_frames == 5 and moving.size == size
        for query in ({}, {"animated": False}):
            still = opened(thumbnail(alice, where, 96, 96, method, query=query))
            assert frames_of(still) == 1 and still.size == size


@pytest.mark.parametrize("size", [(400, 200), (200, 400)])
def test_thumbnail__animated_and_cropped__the_middle_of_each_frame(alice, size):
    """Each frame is of one colour in its middle, and grey around it."""
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    frames = []
    for colour in colours:
        frame = Image.new("RGB", size, (128, 128, 128))
        frame.paste(colour, (size[0] // 2 - 100, size[1] // 2 - 100, size[0] // 2 + 100, size[1] // 2 + 100))
        frames.append(frame)
    out = io.BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], duration=[100, 200, 300], lossless=True)
    moving = opened(thumbnail(alice, uploaded(alice, out.getvalue(), "image/webp"), 96, 96, "crop", **MOVING))
    assert moving.n_frames == 3
    for index, colour in enumerate(colours):
        moving.seek(index)
        shown = moving.convert("RGB")
        for place in ((4, 4), (91, 4), (48, 48), (4, 91), (91, 91)):
            assert all(abs(is_ - should) < 40 for is_, should in zip(shown.getpixel(place), colour)), (index, place)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
@pytest.mark.parametrize("method", ["crop", "scale"])
def test_thumbnail__animated__keeps_its_times(alice, kind, method):
    times = [100, 250, 500, 40, 1000]
    where = uploaded(alice, movie(400, 200, kind, duration=times), TYPES[kind])
    assert durations(opened(thumbnail(alice, where, 96, 96, method, **MOVING))) == times


def test_thumbnail__small_animation__still_unless_wanted(alice):
    data = movie(20, 20, "GIF")
    where = uploaded(alice, data, "image/gif")
    assert frames_of(opened(thumbnail(alice, where))) == 1
    assert thumbnail(alice, where, **MOVING).ok().raw == data  # the original


def test_thumbnail__animated_wanted_of_a_still__still(alice):
    where = uploaded(alice, picture(300, 300), "image/jpeg")
    assert opened(thumbnail(alice, where, **MOVING)).format == "JPEG"


@pytest.mark.parametrize("size", [(300, 300), (20, 20)])
def test_thumbnail__moving_png__a_still_of_its_first_frame(alice, size):
    """What decodes here knows no APNG; and one that moves must not come to those who want none."""
    data = movie(*size, "PNG")
    assert Image.open(io.BytesIO(data)).n_frames == 5
    where = uploaded(alice, data, "image/png")
    for query in ({}, {"animated": False}, {"animated": True}):
        still = opened(thumbnail(alice, where, query=query))
        assert frames_of(still) == 1
        assert still.convert("RGB").getpixel((9, 9)) == (0, 0, 255)


def webp(width, height, frames):
    """A film of these frames: (duration, chunks)."""
    def part(name, data):
        return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)

    def three(number):
        return struct.pack("<I", number)[:3]
    pieces = [part(b"VP8X", b"\x02" + bytes(3) + three(width - 1) + three(height - 1)), part(b"ANIM", bytes(6))]
    pieces += [part(b"ANMF", bytes(6) + three(wide - 1) + three(high - 1) + three(duration) + b"\x02" + chunks)
               for wide, high, duration, chunks in frames]
    return part(b"RIFF", b"WEBP" + b"".join(pieces))


def webp_chunks(width, height, colour=(200, 0, 0)):
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "WEBP", lossless=True)
    return out.getvalue()[12:]


def test_thumbnail__animated_but_a_later_frame_is_broken__a_still(alice):
    good = webp_chunks(300, 300)
    broken = good[:13] + b"\xff" * (len(good) - 13)  # its size stays
    data = webp(300, 300, [(300, 300, 100, good), (300, 300, 100, good), (300, 300, 100, broken)])
    where = uploaded(alice, data, "image/webp")
    for query in ({"animated": True}, {}):
        still = opened(thumbnail(alice, where, query=query))
        assert frames_of(still) == 1 and still.convert("RGB").getpixel((50, 50))[0] > 180


# -- known failures of others

def gif(width, height, frame, count):
    """A film of equal frames of width, height and LZW data; without any time between them."""
    control = b"\x21\xf9\x04\0\0\0\0\0"
    wide, high, pixels = frame
    picture_ = b"\x2c" + struct.pack("<HHHHB", 0, 0, wide, high, 0x80) + bytes(6) + pixels
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + (control + picture_) * count + b";"


def gif_pixels(width, height):
    out = io.BytesIO()
    Image.new("P", (width, height)).save(out, "GIF")
    return width, height, out.getvalue()[out.getvalue().rindex(b"\x2c") + 10:-1]


BOMBS = {
    "gif, 20,000 frames": (lambda: gif(200, 200, gif_pixels(200, 200), 20_000), "image/gif"),
    "gif, 10,000 frames on a huge canvas": (lambda: gif(10_000, 10_000, gif_pixels(1, 1), 10_000), "image/gif"),
    "gif, 600 frames of a huge canvas": (lambda: gif(4_000, 4_000, gif_pixels(4_000, 4_000), 600), "image/gif"),
    "webp, 10,000 frames on a huge canvas": (
        lambda: webp(10_000, 10_000, [(1, 1, 0, webp_chunks(1, 1))] * 10_000), "image/webp"),
    "webp, 600 frames of a huge canvas": (
        lambda: webp(4_000, 4_000, [(4_000, 4_000, 0, webp_chunks(4_000, 4_000))] * 600), "image/webp"),
}


@pytest.mark.parametrize("method", ["crop", "scale"])
@pytest.mark.parametrize("bomb", sorted(BOMBS))
def test_sec_5_33__very_many_frames__a_still_in_time(alice, bomb, method):
    make, kind = BOMBS[bomb]
    where = uploaded(alice, make(), kind)
    reply = thumbnail(alice, where, 96, 96, method, **MOVING)
    reply.expect((200, 400, 413))
    if reply.status == 200:
        assert frames_of(opened(reply)) == 1
    assert thumbnail(alice, where, 96, 96, method, **MOVING).status == reply.status
    alice.get("/account/whoami").ok()


@pytest.mark.parametrize("size", [(65_535, 65_535), (65_535, 1)])
def test_sec_5_33__canvas_of_the_largest_size__no_thumbnail_has_it(alice, size):
    """Whatever the frames are: the canvas is what clients would have to make room for."""
    for count in (1, 300):
        where = uploaded(alice, gif(*size, gif_pixels(1, 1), count), "image/gif")
        for query in ({}, {"animated": True}):
            reply = thumbnail(alice, where, query=query).expect((200, 400, 413))
            assert reply.status != 200 or max(opened(reply).size) <= 96


def test_sec_5_33__moving_png_that_lies__costs_little(alice):
    """It tells of 4 milliard frames, and has none."""
    data = png_header(64, 64, zlib.compress(b"\0" * (64 * 3 + 1) * 64))
    at = data.index(b"IDAT") - 4
    data = data[:at] + chunk(b"acTL", struct.pack(">II", 0xffffffff, 0)) + data[at:]
    reply = thumbnail(alice, uploaded(alice, data, "image/png"), **MOVING).expect((200, 400))
    assert reply.status == 400 or frames_of(opened(reply)) == 1
