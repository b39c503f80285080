"""Previews of web pages: what they tell, in which charsets, and what they must never reach.

Specification: client-server API, `GET /_matrix/client/v1/media/preview_url`.
"""
import http.server
import json
import socket
import threading
import time

import pytest

from support import accounts
from support.client import Client, Http, seconds, unique
from support.processes import TICK, cpu_of
from support.serving import serve
from test_media import AUTHED, download
from test_media_thumbnails import picture


class Web:
    """A web server; `pages` maps paths to (content type, bytes) or to a function of the handler."""

    def __init__(self, address="127.0.0.1"):
        self.pages, self.hits = {}, []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self):
                web.hits.append(self.path)
                web.last_headers = dict(self.headers)
                page = web.pages.get(self.path)
                if page is None:
                    self.send_error(404)
                elif callable(page):
                    page(self)
                else:
                    kind, body = page
                    self.send_response(200)
                    if kind:
                        self.send_header("Content-Type", kind)
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *arguments):
                pass
        self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = "http://127.0.0.1:%d" % self.port
        serve(self.server)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def page(self, html, kind="text/html; charset=utf-8"):
        """A new page; returns its URL."""
        path = "/" + unique("page")
        self.pages[path] = (kind, html if isinstance(html, bytes) else html.encode())
        return self.url + path

    def redirect(self, target, status=302):
        path = "/" + unique("redirect")

        def answer(handler):
            handler.send_response(status)
            handler.send_header("Location", target)
            handler.end_headers()
        self.pages[path] = answer
        return self.url + path


@pytest.fixture(scope="module")
def web():
    web = Web()
    yield web
    web.close()


@pytest.fixture(scope="module")
def user():
    """Of a server that may reach 127.0.0.1, and nothing else of this machine."""
    from support.server import Server
    server = Server(settings={"network.allow_addresses": "127.0.0.1"}).start()
    yield accounts.register(Http(server.url))
    server.destroy()


def preview(user, url, base=AUTHED, **more):
    return user.get(base + "/preview_url", {"url": url}, timeout=seconds(60), **more)


def head(*lines):
    return "<!doctype html><html><head>%s</head><body></body></html>" % "".join(lines)


def meta(name, content, attribute="property"):
    return '<meta %s="%s" content="%s">' % (attribute, name, content)


# -- what they tell

def test_preview__open_graph__told(web, user):
    url = web.page(head("<title>Other</title>", meta("og:title", "校慶 &amp; 運動會"), meta("og:description", "一起來\n  跑步"),
                        meta("og:site_name", "School"), meta("og:type", "article"),
                        meta("og:url", "https://school.example/a"), meta("og:image:width", "9999")))
    for base in (AUTHED, "/_matrix/media/r0", "/_matrix/media/v1", "/_matrix/media/v3"):
        reply = preview(user, url, base).ok()
        assert reply.json == {"og:title": "校慶 & 運動會", "og:description": "一起來 跑步", "og:site_name": "School",
                              "og:type": "article", "og:url": "https://school.example/a"}


def test_preview__twitter_card__told(web, user):
    url = web.page(head(meta("twitter:title", "Card", "name"), meta("twitter:description", "Said", "name")))
    assert preview(user, url).ok().json == {"og:title": "Card", "og:description": "Said"}


def test_preview__plain_page__title_and_description(web, user):
    url = web.page(head("<title> A\n title </title>", meta("description", "Words", "name")))
    assert preview(user, url).ok().json == {"og:title": "A title", "og:description": "Words"}
    url = web.page("<html><body><script>var p='<p>no</p>'</script><h1>Head <b>line</b></h1><p>First &lt;one&gt;.</p><p>Two")
    assert preview(user, url).ok().json == {"og:title": "Head line", "og:description": "First <one>."}


def test_preview__image__becomes_a_file_of_ours(web, user):
    data = picture(120, 80, "PNG")
    web.pages["/dir/image.png"] = ("text/plain", data)
    web.pages["/dir/page"] = ("text/html", head(meta("og:title", "T"), meta("og:image", "image.png")).encode())
    reply = preview(user, web.url + "/dir/page").ok()
    assert reply["og:image"].startswith("mxc://hs1/")
    assert (reply["og:image:type"], reply["og:image:width"], reply["og:image:height"]) == ("image/png", 120, 80)
    assert reply["matrix:image:size"] == len(data)
    got = download(user, reply["og:image"][len("mxc://"):].split("/")).ok()
    assert got.raw == data and got.headers["content-type"] == "image/png"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_preview__url_of_an_image__is_the_image(web, user, kind):
    url = web.page(picture(64, 48, kind), "image/" + kind.lower()) + "?x=1"
    web.pages[url[len(web.url):]] = web.pages[url[len(web.url):].split("?")[0]]
    reply = preview(user, url).ok()
    assert (reply["og:image:width"], reply["og:image:height"]) == (64, 48)
    assert reply["og:title"].startswith("page-")


def test_preview__image_missing_or_no_image__rest_is_told(web, user):
    svg = web.page('<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml")
    for image in (web.url + "/nowhere", svg, "javascript:alert(1)", "file:///etc/passwd", "data:image/png;base64,AAAA"):
        url = web.page(head(meta("og:title", "T"), meta("og:image", image)))
        assert preview(user, url).ok().json == {"og:title": "T"}


def test_preview__oembed__fills_what_is_missing(web, user):
    web.pages["/thumb.jpg"] = ("image/jpeg", picture(40, 30))
    oembed = web.page(json.dumps({"version": "1.0", "type": "video", "title": "A film", "author_name": "Somebody",
                                  "thumbnail_url": web.url + "/thumb.jpg"}), "application/json")
    url = web.page(head('<link rel="alternate" type="application/json+oembed" href="%s">' % oembed))
    reply = preview(user, url).ok()
    assert (reply["og:title"], reply["og:description"]) == ("A film", "Somebody")
    assert reply["og:image:width"] == 40


def test_preview__other_type__empty(web, user):
    assert preview(user, web.page(b"%PDF-1.4", "application/pdf")).ok().json == {}


CHARSETS = [("big5", "Big5", "國立中學 校務公告"), ("big5hkscs", "big5-hkscs", "國立中學 㗎"), ("utf-8", "UTF-8", "國立中學 ☕"),
            ("gb18030", "gb2312", "学校通知"), ("shift_jis", "Shift_JIS", "学校のお知らせ"),
            ("windows-1252", "iso-8859-1", "École “A”")]


@pytest.mark.parametrize("charset, label, title", CHARSETS + [("utf-16-le", "utf-16", "國立中學")])
def test_preview__charset_in_the_answer__read(web, user, charset, label, title):
    body = head("<title>%s</title>" % title).encode(charset)
    assert preview(user, web.page(body, "text/html; charset=" + label)).ok()["og:title"] == title
    assert preview(user, web.page(body, 'text/html;Charset="%s"' % label.upper())).ok()["og:title"] == title


@pytest.mark.parametrize("charset, label, title", CHARSETS)
def test_preview__charset_in_the_page__read(web, user, charset, label, title):
    for named in ('<meta charset="%s">', "<META http-equiv=Content-Type content='text/html; charset=%s'>"):
        body = head(named % label, "<title>%s</title>" % title).encode(charset)
        assert preview(user, web.page(body, "text/html")).ok()["og:title"] == title


def test_preview__charset_nowhere__utf8_or_western(web, user):
    for title, body in (("國立中學", "國立中學".encode()), ("École", b"\xc9cole"),
                        ("國立中學", "\ufeff國立中學".encode("utf-16-le")), ("國立", "\ufeff國立".encode("utf-16-be"))):
        page = body
        if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
            charset = "utf-16-le" if body[:1] == b"\xff" else "utf-16-be"
            page = ("\ufeff" + head("<title>%s</title>" % title)).encode(charset)
        else:
            page = head("<title>").encode().replace(b"<title>", b"<title>" + body + b"</title>")
        assert preview(user, web.page(page, "text/html")).ok()["og:title"] == title


def test_preview__broken_characters__replaced(web, user):
    url = web.page(b"<title>A\xff\xfe\x80B\xe5\x9c</title>")
    assert preview(user, url).ok()["og:title"].replace("\ufffd", "") == "AB"


# -- once for all

@pytest.mark.one_process("those who ask at once are joined within a process: two fetch it twice")
def test_preview__asked_again__not_fetched_again(web, user):
    other = accounts.register(user.http)
    url = web.page(head("<title>Once</title>"))
    askers = [threading.Thread(target=preview, args=(user, url)) for _ in range(10)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert preview(other, url + "#part").ok()["og:title"] == "Once"
    assert web.hits.count(url[len(web.url):]) == 1
    assert "zh-TW" in web.last_headers["Accept-Language"]


def test_preview__page_missing__502_and_not_asked_again(web, user):
    url = web.url + "/" + unique("missing")
    preview(user, url).expect(502, "M_UNKNOWN")
    preview(user, url).expect(502, "M_UNKNOWN")
    assert web.hits.count(url[len(web.url):]) == 1


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/x",
                                 "javascript:1", "http:/x", "http://" + "x" * 3000, "dict://127.0.0.1:1/"])
def test_preview__no_url__400(user, url):
    preview(user, url).expect(400, "M_INVALID_PARAM")


def test_preview__parameter_missing_or_token__refused(user):
    user.get(AUTHED + "/preview_url").expect(400, "M_MISSING_PARAM")
    Client(user.http).get(AUTHED + "/preview_url", {"url": "http://a.example/"}).expect(401, "M_MISSING_TOKEN")


def test_preview__turned_off__fetches_nothing(make_server, web):
    server = make_server(settings={"previews.enabled": "false", "network.allow_addresses": "127.0.0.0/8"}).start()
    alice = accounts.register(Http(server.url))
    url = web.page(head("<title>T</title>"))
    preview(alice, url).expect(404, "M_UNRECOGNIZED")
    assert url[len(web.url):] not in web.hits


# -- known failures of others

@pytest.mark.parametrize("body", [
    b"<div>" * 100_000, b"<b>" * 100_000 + b"</i>" * 80_000, b"<p>" * 100_000, b"<table>" * 100_000,
    b"<" * 1_000_000, b"<a b=" * 200_000, b"&" * 1_000_000, b"<!--" * 200_000, b"<svg><math>" * 50_000,
    b'<meta property="og:x" content="' + b"y" * 900_000, b"<title>" + b"t" * 1_000_000,
    b'<a %s>' % b" ".join(b'a%d="x"' % i for i in range(60_000))],
    ids=["div", "unclosed", "p", "table", "open", "attributes", "entities", "comments", "foreign", "value", "title",
         "attribute_names"])
def test_sec_5_38__page_made_to_hurt__bounded(web, user, body):
    url = web.page(b"<html><head><title>Before</title>" + meta("og:description", "Said").encode() + body)  # open: behind </html> nothing is read
    begin = time.monotonic()
    reply = preview(user, url).ok()
    assert reply["og:title"] == "Before"
    assert time.monotonic() - begin < seconds(10)
    user.get("/account/whoami").ok()


def test_sec_5_38__tag_with_all_of_the_page_in_it__costs_no_more_than_others(make_server, web):
    """libxml2 compares each attribute with all before it: 150,000 of them kept a core for more than 20 s."""
    server = make_server(settings={"network.allow_addresses": "127.0.0.0/8"}).start()
    alice = accounts.register(Http(server.url))
    begin = b"<html><head><title>Before</title>"  # open: behind </html> nothing is read
    names = b" ".join(b"a%x" % i for i in range(150_000))
    few = b"".join(b"<i " + names[at:at + 60_000] + b">" for at in range(0, len(names) - 60_000, 60_000))

    def cost(body):
        before = cpu_of([server.process.pid])
        assert preview(alice, web.page(begin + body)).ok()["og:title"] == "Before"
        return cpu_of([server.process.pid]) - before
    words = sum(cost(b"<p>" + names) for _ in range(5))
    assert cost(b"<i " + names + b">") + cost(few) < 10 * max(words, 1 / TICK)


def test_sec_5_38__redirected_to_a_very_long_address__given_up(web, user):
    """Each reference of a page is resolved against it."""
    path = "/" + unique("long") + "/" + "a/" * 25_000
    web.pages[path] = ("text/html", head("<title>Long</title>").encode())
    preview(user, web.redirect(path)).expect(502)


@pytest.mark.one_process("the share of a user is counted within a process")
def test_sec_5_38__one_user_asks_for_many_silent_pages__others_are_served(make_server, web):
    """Eight pages are fetched at once; a user has three of them."""
    server = make_server(settings={"network.allow_addresses": "127.0.0.0/8"}).start()
    alice, bob = (accounts.register(Http(server.url)) for _ in range(2))
    released, asked = threading.Event(), threading.Semaphore(0)

    def silent(handler):
        asked.release()
        released.wait(seconds(30))
    askers, begin = [], time.monotonic()
    for i in range(8):
        web.pages["/silent%d" % i] = silent
        askers.append(threading.Thread(target=preview, args=(alice, web.url + "/silent%d" % i)))
        askers[-1].start()
    for _ in range(3):
        assert asked.acquire(timeout=seconds(10))
    try:
        assert preview(bob, web.page(head("<title>Quick</title>"))).ok()["og:title"] == "Quick"
        asked_for = [path for path in web.hits if path.startswith("/silent")]
        assert len(asked_for) == 3 or time.monotonic() - begin > 9, asked_for  # a page is given up after ten seconds, and the next asked for
    finally:
        released.set()
        for asker in askers:
            asker.join(seconds(60))
    assert time.monotonic() - begin < seconds(60)


def test_sec_5_38__endless_page__cut_off(web, user):
    sent = []

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()
        handler.wfile.write(b"<title>Endless</title><p>")
        try:
            while len(sent) < 4000:
                handler.wfile.write(b"x" * 65536)
                sent.append(1)
        except OSError:
            return
    web.pages["/endless"] = endless
    assert preview(user, web.url + "/endless").ok()["og:title"] == "Endless"
    assert len(sent) < 1000


def test_preview__page_longer_than_is_read__type_charset_and_address_are_its_own(web, user):
    """What is cut off is read as what it says it is, from where it was redirected to."""
    long = b"<p>" + b"x" * 3_000_000
    plain = web.page(b"<title>Of no page</title>" + long, "text/plain")
    assert preview(user, plain).ok().json == {}
    latin = web.page("<title>5 €</title>".encode("iso-8859-15") + long, "text/html; charset=iso-8859-15")
    assert preview(user, latin).ok()["og:title"] == "5 €"
    web.pages["/far/away/page"] = ("text/html", head(meta("og:image", "image.png")).encode() + long)
    web.pages["/far/away/image.png"] = ("image/png", picture(20, 10, "PNG"))
    assert preview(user, web.redirect("/far/away/page")).ok()["og:image:width"] == 20


def test_sec_5_38__endless_image__left_out(web, user):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(picture(10, 10, "PNG"))
        try:
            for _ in range(4000):
                handler.wfile.write(b"x" * 65536)
        except OSError:
            return
    web.pages["/endless.png"] = endless
    url = web.page(head(meta("og:title", "T"), meta("og:image", "/endless.png")))
    assert preview(user, url).ok().json == {"og:title": "T"}


def test_sec_5_38__slow_page__given_up(web, user):
    """Others are served meanwhile."""
    released = threading.Event()

    def slow(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while not released.wait(0.2):
                handler.wfile.write(b" ")
        except OSError:
            return
    web.pages["/slow"] = slow
    replies = []
    asker = threading.Thread(target=lambda: replies.append(preview(user, web.url + "/slow")))
    asker.start()
    assert preview(user, web.page(head("<title>Quick</title>"))).ok()["og:title"] == "Quick"
    asker.join(seconds(30))
    released.set()
    replies[0].expect(502)


def test_sec_5_38__redirects_without_end__given_up(web, user):
    web.pages["/circle"] = lambda handler: (handler.send_response(302), handler.send_header("Location", "/circle"),
                                            handler.end_headers())
    preview(user, web.url + "/circle").expect(502)
    assert web.hits.count("/circle") < 20


def notations(port):
    """127.0.0.1 and other addresses of this machine and network, in many spellings."""
    hosts = ["127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001",
             "127.000.000.001", "127.0.0.1.", "0.0.0.0", "0", "[::1]", "[::]", "[::ffff:127.0.0.1]",
             "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[64:ff9b::7f00:1]", "[::127.0.0.1]", "[2002:7f00:1::]",
             "localhost", "LOCALHOST", "localhost.", socket.gethostname(), "127.0.0.2", "127.255.255.254",
             "①②⑦.⓪.⓪.①", "127。0。0。1"]
    private = ["10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "192.0.0.1", "198.18.0.1",
               "224.0.0.1", "255.255.255.255", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[fec0::1]"]
    return ["http://%s:%d/secret" % (host, port) for host in hosts + private]


def test_sec_5_39__addresses_of_the_network__never_reached(make_server):
    """The server that must not be reached listens on all addresses of this machine."""
    inner = Web("0.0.0.0")
    inner.pages["/secret"] = ("text/html", b"<title>secret</title>")
    server = make_server().start()
    alice = accounts.register(Http(server.url))
    try:
        for url in notations(inner.port):
            reply = preview(alice, url)
            assert reply.status in (400, 502), (url, reply)
            assert "secret" not in str(reply.json.get("og:title"))
        assert inner.hits == []
    finally:
        inner.close()


def test_sec_5_39__redirect_image_or_oembed_there__never_reached(web, user):
    """The first page may be reached; where it points to may not."""
    inner = Web("0.0.0.0")
    inner.pages["/secret"] = ("text/html", b"<title>secret</title>")
    try:
        for url in notations(inner.port):
            if url.startswith(("http://127.0.0.1:", "http://127.1:", "http://127.0.1:", "http://2130706433:")) or any(
                    text in url for text in ("0x7f", "017", "0177", "127.000", "127.0.0.1", "localhost", "LOCALHOST",
                                             "7f00:1", "7f00:0001", "①", "。", socket.gethostname())):
                continue  # 127.0.0.1 itself, which this server may reach
            preview(user, web.redirect(url)).expect((400, 502))
            for status in (301, 307, 308):
                preview(user, web.redirect(web.redirect(url, status))).expect((400, 502))
            page = web.page(head(meta("og:title", "T"), meta("og:image", url),
                                 '<link rel="alternate" type="application/json+oembed" href="%s">' % url))
            assert preview(user, page).ok().json == {"og:title": "T"}
            page = web.page(head(meta("og:title", "T"), meta("og:image", web.redirect(url))))
            assert preview(user, page).ok().json == {"og:title": "T"}
        assert inner.hits == []
    finally:
        inner.close()
