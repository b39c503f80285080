"""Every reason that a command by message can fail with stands in Chinese too (notices/notice_reason.c), and none that is not one."""
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What notice_answer calls, as far as it looks at what people have written.
SOURCES = ("notice_answer", "notice_message", "notice_seen", "notice_text", "notices", "recurrence", "schedule")
STRING = r'"((?:[^"\\]|\\.)*)"'


def read(name):
    with open(os.path.join(ROOT, "notices", name + ".c"), encoding="utf-8") as file:
        return file.read()


def as_pattern(format_text):
    """What printf fills in, as '%'."""
    return re.sub(r"%(?:\.\*s|lld|zu|[sd])", "%", format_text)


def said(source):
    """The texts of fail(): string literals one after the other, with number formats between them."""
    for call in re.finditer(r"\bfail\(\s*(?:\w+->)?ctx,\s*\w+,\s*\w+,\s*((?:%s|PRI\w+|\s)+)" % STRING, source):
        pieces = re.findall(STRING + r"|(PRI\w+)", call.group(1))
        yield as_pattern("".join("lld" if number else text for text, number in pieces))


def known():
    """English → Chinese."""
    row = r"\{STR_INIT\(((?:%s|\s)+)\),\s*STR_INIT\(((?:%s|\s)+)\)\}" % (STRING, STRING)
    return {"".join(re.findall(STRING, found.group(1))): "".join(re.findall(STRING, found.group(3)))
            for found in re.finditer(row, read("notice_reason"))}


class Reasons(unittest.TestCase):
    def test_every_reason__has_both_languages(self):
        wanted = {text for name in SOURCES for text in said(read(name))}
        self.assertGreater(len(wanted), 40)
        self.assertEqual(wanted, set(known()))

    def test_calls__all_are_seen(self):
        for name in SOURCES:
            source = read(name)
            self.assertEqual(len(list(said(source))), len(re.findall(r"\bfail\(", source)), name)

    def test_slots__as_many_in_both(self):
        for english, chinese in known().items():
            self.assertEqual(english.count("%"), chinese.count("%"), english)
            self.assertRegex(chinese, "[\u4e00-\u9fff]")


if __name__ == "__main__":
    unittest.main()
