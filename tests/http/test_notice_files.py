"""Files of the school's notices: uploaded by another program, sent behind the text (docs/notices-api.md)."""
import pytest

from support import accounts
from support.client import unique
from support.notices import API, Program, class_room, notice, refused, until_event
from support.server import wait_until

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.fixture(scope="module")
def school():
    from support.server import Server
    server = Server(settings={"media.max_upload_size": "1MiB"}).start()
    notice(server, "sender", "office")
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def lin(school):
    return accounts.register(school.url)


def upload(program, content, name, kind="application/pdf"):
    return program.client.post(API + "/media", raw=content, query={"filename": name}, headers={"Content-Type": kind}).ok()[
        "content_uri"]


def done(program, made):
    """Waits until all that follows is done, and gives it."""
    return wait_until(lambda: (rows := program.get("/notices/%d" % made).ok()["follow_ups"]) and
                      all(row["state"] == "done" for row in rows) and rows, 20, "files sent")


def test_files__sent_behind_the_text_in_order_and_once(school, lin):
    room, alias, watch = class_room(lin)
    program = Program(school, "office", alias)
    form, name = unique("form").encode(), unique("表格") + ".pdf"
    uris = [upload(program, form, name), upload(program, PNG, "map.png", "image/png")]
    text = unique("files")
    made = program.send(text, files=uris, request_key="k")
    assert program.send(text, files=uris, request_key="k") == made
    program.post("/notices", {"text": text, "files": uris[:1], "request_key": "k"}).expect(409)
    image = until_event(watch, room, lambda event: event["content"].get("msgtype") == "m.image")
    assert len(done(program, made)) == 2
    said = [event["content"] for event in reversed(lin.messages(room, limit=50).ok()["chunk"])
            if event["type"] == "m.room.message"]
    assert [content["msgtype"] for content in said] == ["m.text", "m.file", "m.image"]
    assert said[1]["body"] == said[1]["filename"] == name
    assert said[1]["info"] == {"mimetype": "application/pdf", "size": len(form)} and said[1]["url"] == uris[0]
    assert image["content"]["url"] == uris[1] and image["sender"] == "@office:hs1"
    path = "/_matrix/client/v1/media/download/" + uris[0][len("mxc://"):]
    assert lin.get(path).ok().raw == form
    assert program.get("/notices/%d" % made).ok()["files"] == uris


def test_files__encrypted_room__never_in_clear(school, lin):
    """How they are decrypted, clients show; here: what is stored for the room is ciphertext, and each room has its own."""
    encryption = [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}]
    rooms = [class_room(lin, initial_state=encryption) for _ in range(2)]
    program = Program(school, "office", *(alias for _, alias, _ in rooms))
    secret = unique("secret").encode() * 5000
    uri = upload(program, secret, "secret.pdf")
    listed = "SELECT media_id FROM media WHERE user_id = '@office:hs1'"
    before = set(school.sql(listed).split())
    made = program.send(unique("x"), files=[uri])
    assert len(done(program, made)) == 2
    for room, _, _ in rooms:
        chunk = lin.messages(room, limit=50).ok()["chunk"]
        assert [event["type"] for event in chunk if event["sender"] == "@office:hs1"][:2] == ["m.room.encrypted"] * 2
        assert not [event for event in chunk if event["type"] == "m.room.message"]
    ids = set(school.sql(listed).split()) - before
    assert len(ids) == 2
    texts = [lin.get("/_matrix/client/v1/media/download/hs1/" + media_id).ok().raw for media_id in ids]
    assert all(len(text) == len(secret) and text != secret for text in texts) and texts[0] != texts[1]
    sealed = school.sql("SELECT string_agg(sealed, ' ') FROM notice_follow_ups WHERE notice_id = %d" % made)
    assert "A256CTR" not in sealed and len(sealed.split()) == 2


def test_files__not_the_senders__refused(school, lin):
    _, alias, _ = class_room(lin)
    program = Program(school, "office", alias)
    theirs = lin.post("/_matrix/media/v3/upload", raw=b"x", headers={"Content-Type": "text/plain"}).ok()["content_uri"]
    for uri in (theirs, "mxc://hs1/nowhere", "mxc://other.example/x", "https://s.example/x", ""):
        refusal = program.post("/notices", {"text": "x", "files": [uri]}).expect(400, "M_INVALID_PARAM")
        assert "'%s'" % uri in refusal["error"]
    mine = upload(program, b"x", "x")
    assert "at most 10" in program.post("/notices", {"text": "x", "files": [mine] * 11}).expect(400, "M_INVALID_PARAM")["error"]
    program.post("/notices", {"text": "x", "files": [1]}).expect(400, "M_BAD_JSON")
    lin.post(API + "/media", raw=b"x").expect(401, "M_UNKNOWN_TOKEN")


def test_files__by_the_command__sent_behind_the_text_as_their_names_say(school, lin, tmp_path):
    room, alias, watch = class_room(lin)
    contents = {unique("表格") + ".pdf": unique("form").encode(), "map": PNG, "list.odd": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    options = [word for name in contents for word in ("--file", str(tmp_path / name))]
    text = unique("by hand")
    notice(school, "send", "office", alias, text, *options)
    until_event(watch, room, lambda event: event["content"].get("body") == "list.odd")
    said = [event["content"] for event in reversed(lin.messages(room, limit=50).ok()["chunk"])
            if event["type"] == "m.room.message"]
    assert [content["body"] for content in said] == [text, *contents]
    assert [(content["msgtype"], content["info"]["mimetype"]) for content in said[1:]] == [
        ("m.file", "application/pdf"), ("m.image", "image/png"), ("m.file", "application/octet-stream")]
    for content, wanted in zip(said[1:], contents.values()):
        assert lin.get("/_matrix/client/v1/media/download/" + content["url"][len("mxc://"):]).ok().raw == wanted


def test_files__by_the_command_that_cannot_be__refused_and_nothing_stays(school, lin, tmp_path):
    _, alias, _ = class_room(lin)
    (tmp_path / "a.txt").write_bytes(b"a")
    (tmp_path / "big").write_bytes(b"x" * (1024 * 1024 + 1))
    a = ("--file", str(tmp_path / "a.txt"))
    counted = "SELECT (SELECT count(*) FROM media WHERE sha256 IS NOT NULL), (SELECT count(*) FROM notices)"
    before = school.sql(counted)
    limit = {"server_name": "hs1", "media.max_upload_size": "1MiB"}
    done = school.run("notice", "send", "office", alias, "x", *a, "--file", str(tmp_path / "big"), settings=limit)
    assert done.returncode != 0 and "media.max_upload_size" in done.stderr
    for files, text in (((*a, "--file", str(tmp_path / "none.pdf")), "cannot read"),
                        ((*a, "--file", str(tmp_path)), "no plain file"), (a * 11, "at most 10"),
                        ((*a, "--expires", "yesterday"), "yesterday")):
        assert text in refused(school, "send", "office", alias, "x", *files)
    assert school.sql(counted) == before
