"""What the checks share: which files are ours, C without comments, and the list of exceptions."""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LAYERS = ["base", "matrix", "http", "storage", "homeserver", "e2ee", "federation", "appservices", "notices", "app"]

# Comments, string and character literals, in one pass, so that none hides in another.
_OPAQUE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def _names():
    """What is or would be in the repository, relative to its root; symbolic links too, whatever they lead to."""
    try:
        out = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True).stdout.decode()
        return {name for name in out.split("\0") if name}
    except (OSError, subprocess.CalledProcessError):
        # Not a git checkout: a released archive.
        names = []
        for folder, folders, files in os.walk(ROOT):
            folders[:] = [f for f in folders if f not in ("build", "data", "node_modules", ".git")]
            linked = [f for f in folders if os.path.islink(os.path.join(folder, f))]
            names += [os.path.relpath(os.path.join(folder, f), ROOT) for f in files + linked]
        return set(names)


def all_files():
    """Paths of all files that are or would be in the repository, relative to its root, sorted."""
    return sorted(name for name in _names() if os.path.isfile(os.path.join(ROOT, name)))


def all_links():
    """The same of its symbolic links."""
    return sorted(name for name in _names() if os.path.islink(os.path.join(ROOT, name)))


def c_files():
    """All C sources and headers."""
    return [name for name in all_files() if name.endswith((".c", ".h"))]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def _blank(text):
    """The same number of lines and columns, with nothing in them."""
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    """C text with comments blanked out; literals stay."""
    return _OPAQUE.sub(lambda m: m.group() if m.group()[0] in "\"'" else _blank(m.group()), text)


def code_only(text):
    """C text with comments and the insides of literals blanked out."""
    def blank(match):
        found = match.group()
        if found[0] in "\"'":
            return found[0] + _blank(found[1:-1]) + found[0]
        return _blank(found)
    return _OPAQUE.sub(blank, text)


def string_literals(text):
    """Pairs of line number and text of the string literals; neighbours are joined as C does."""
    found = []
    end = None
    for match in _OPAQUE.finditer(text):
        literal = match.group()
        if not literal.startswith('"'):
            continue
        if end is not None and not re.sub(r"//[^\n]*|/\*.*?\*/", "", text[end:match.start()],
                                          flags=re.DOTALL).strip():
            found[-1] = (found[-1][0], found[-1][1] + literal[1:-1])
        else:
            found.append((text.count("\n", 0, match.start()) + 1, literal[1:-1]))
        end = match.end()
    return found


def answer_help(text):
    """Asked with --help or -h, a tool prints what it begins with, and ends."""
    if sys.argv[1:2] in (["--help"], ["-h"]):
        print(text.strip())
        sys.exit(0)


class Findings:
    """Collects what a check finds, less what tools/exceptions.txt allows.

    A line of that file is `rule subject reason…`. One that allows nothing any more is a finding too.
    """

    def __init__(self, rules):
        self.exceptions = {}
        self.used = set()
        self.found = []
        path = os.path.join("tools", "exceptions.txt")
        if not os.path.exists(os.path.join(ROOT, path)):
            return
        for number, line in enumerate(read(path).splitlines(), 1):
            words = line.split(None, 2)
            if not words or words[0].startswith("#") or words[0] not in rules:
                continue
            if len(words) < 3:
                self.found.append(f"{path}:{number}: an exception needs a reason")
                continue
            self.exceptions[(words[0], words[1])] = number

    def add(self, rule, subject, text):
        """One finding; `subject` is what an exception would name."""
        if (rule, subject) in self.exceptions:
            self.used.add((rule, subject))
        else:
            self.found.append(f"{text}   [{rule} {subject}]")

    def finish(self, what):
        """Prints the findings; returns the exit status."""
        for key, number in self.exceptions.items():
            if key not in self.used:
                self.found.append(f"tools/exceptions.txt:{number}: no longer needed: {' '.join(key)}")
        for line in self.found:
            print(line)
        name = os.path.basename(sys.argv[0])
        if self.found:
            print(f"{name}: {len(self.found)} finding(s)")
            return 1
        print(f"{name}: {what}: fine")
        return 0
