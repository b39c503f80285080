"""A browser for the pages for people: cookies, forms, links, redirects within the server; no scripts, as the pages have none."""
import html.parser
import http.client
import http.cookies
import urllib.parse

from .client import seconds

ACCOUNT = "/_matrix/client/belfry/account"


class _Reader(html.parser.HTMLParser):
    """Forms ({"action", "fields", "buttons"}), links [(address, text)] and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.links, self.words, self.tags = [], [], [], []
        self.is_shown = True
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if tag == "form":
            self.forms.append({"action": attrs.get("action", ""), "fields": {}, "buttons": [], "kinds": {}})
        elif tag == "input" and self.forms:
            self.forms[-1]["kinds"][attrs["name"]] = attrs["type"]
            if attrs["type"] != "checkbox" or "checked" in attrs:
                self.forms[-1]["fields"][attrs["name"]] = attrs.get("value", "")
        elif tag == "button" and self.forms:
            self.forms[-1]["buttons"].append((attrs.get("name"), attrs.get("value")))
        elif tag == "a":
            self.links.append([attrs["href"], ""])
        self.is_shown = tag not in ("style", "script")

    def handle_data(self, data):
        if self.is_shown:
            self.words.append(data)
            if self.links:
                self.links[-1][1] += data


class Page:
    """One answer, as it came."""

    def __init__(self, url, status, headers, raw):
        self.url, self.status, self.raw = url, status, raw
        self.headers = {name.lower(): value for name, value in headers}
        self.cookies = [value for name, value in headers if name.lower() == "set-cookie"]
        self.html = raw.decode("utf-8")
        read = _Reader(self.html)
        self.forms, self.links, self.tags, self.text = read.forms, read.links, read.tags, " ".join("".join(read.words).split())

    def __repr__(self):
        return "<%s -> %d %s>" % (self.url, self.status, self.text[:400])

    def form(self, *names):
        """The one form that has fields or buttons of these names."""
        found = [form for form in self.forms
                 if set(names) <= set(form["fields"]) | set(form["kinds"]) | {name for name, _ in form["buttons"]}]
        assert len(found) == 1, (names, self)
        return found[0]

    def link(self, words):
        """The address of the one link with these words."""
        found = {address for address, text in self.links if words in text}
        assert len(found) == 1, (words, self.links)
        return found.pop()


class Browser:
    """`base`: the server's address, which may be changed to that of another process; cookies stay. `headers`: sent with each request."""

    def __init__(self, base, headers=None):
        self.base = base.rstrip("/")
        self.headers = headers or {}
        self.cookies = {}

    def ask(self, method, url, body=None):
        """One exchange, redirects not followed. `url`: a path, or an address of this server."""
        target = url[len(self.base):] if url.startswith(self.base) else url
        assert target.startswith("/"), url
        parts = urllib.parse.urlsplit(self.base)
        headers = dict(self.headers)
        if self.cookies:
            headers["Cookie"] = "; ".join("%s=%s" % pair for pair in self.cookies.items())
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=seconds(30))
        try:
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            page = Page(target, answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()
        for text in page.cookies:
            self._keep(text)
        assert page.headers["cache-control"] == "no-store", page
        return page

    def _keep(self, text):
        (name, morsel), = http.cookies.SimpleCookie(text).items()
        assert morsel["httponly"] and morsel["samesite"] == "Lax" and morsel["path"] == "/", text
        if morsel["max-age"] == "0":
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = morsel.value

    def follow(self, page):
        """Redirects, as long as they stay at this server."""
        while page.status == 303 and page.headers["location"].startswith((self.base + "/", "/")):
            page = self.ask("GET", page.headers["location"])
        return page

    def open(self, url):
        return self.follow(self.ask("GET", url))

    def post(self, page, form, **fields):
        """Sends a form of the page, some fields filled in (None: left out); the redirect is the answer."""
        values = {**form["fields"], **fields}
        body = urllib.parse.urlencode({name: value for name, value in values.items() if value is not None})
        return self.ask("POST", form["action"] or page.url, body)

    def submit(self, page, *names, **fields):
        """The form with these fields or buttons; redirects are followed. The button is pressed where the form has one with a name."""
        form = page.form(*(names or tuple(fields)))
        if len(form["buttons"]) == 1 and form["buttons"][0][0] is not None:
            fields = {form["buttons"][0][0]: form["buttons"][0][1], **fields}
        return self.follow(self.post(page, form, **fields))

    def log_in(self, page, user, password=None):
        """By the log-in page; where that leads."""
        return self.submit(page, "user", user=user.user_id[1:].partition(":")[0], password=password or user.password)

    def log_in_to_account(self, user):
        page = self.log_in(self.open(ACCOUNT), user)
        assert page.status == 200 and user.user_id in page.text, page
        return page

    def action(self, name, **query):
        """Opens a page of account management."""
        return self.open(ACCOUNT + "?" + urllib.parse.urlencode({"action": name, **query}))
