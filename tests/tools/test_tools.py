"""The tools' own tests: what they must find, they find; what is right, they let pass."""

import importlib.machinery
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(ROOT, "tools")
sys.path.insert(0, TOOLS)

import source_tree  # noqa: E402


def load(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), os.path.join(TOOLS, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


class Folder(unittest.TestCase):
    """Each test in a folder of its own."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def read(self, name):
        with open(os.path.join(self.folder.name, name), encoding="utf-8") as file:
            return file.read()


class Embed(Folder):
    def setUp(self):
        super().setUp()
        self.embed = load("embed")

    def statements(self, text):
        return self.embed.load_statements([self.write("a.sql", text)])

    def refused(self, text, words):
        with self.assertRaisesRegex(self.embed.EmbedError, words):
            self.statements(text)

    def test_statement__block__name_doc_and_parameters(self):
        first, second = self.statements(
            "-- Header of the file.\n\n-- name: room_insert hot\n-- One row; rooms_pkey.\n"
            "INSERT INTO rooms (id, name)\nVALUES ($2, $1);\n\n-- name: room_all\n-- Few rows.\nSELECT 1\n")
        self.assertEqual((first["name"], first["hot"], first["params"]), ("room_insert", True, 2))
        self.assertEqual(first["doc"], ["One row; rooms_pkey."])
        self.assertEqual(first["sql"], "INSERT INTO rooms (id, name)\nVALUES ($2, $1)")
        self.assertEqual((second["hot"], second["params"], second["sql"]), (False, 0, "SELECT 1"))

    def test_statement__form_for_one_row__scalars_in_place_of_arrays(self):
        def forms(text):
            return self.embed.load_statements([self.write("write.sql", "-- name: put one tells=room:1\n-- x\n" + text)])
        both, one = forms("INSERT INTO a SELECT unnest($1::bigint[]), unnest($2::text[]) WHERE 1 = cardinality($1::bigint[])")
        self.assertEqual((both["name"], both["one"], one["name"], one["one"]), ("put", True, "put_one", False))
        self.assertEqual(one["sql"], "INSERT INTO a SELECT $1::bigint, $2::text WHERE 1 = 1")
        self.assertEqual((both["tells"], one["tells"], one["params"]), ([("room", 1, 0)], [], 2))
        for text in ("SELECT * FROM unnest($1::bigint[], $2::text[])", "SELECT $1::bigint"):
            with self.assertRaisesRegex(self.embed.EmbedError, "'one' takes"):
                forms(text)

    def test_statement__dollars_and_semicolons_in_text__not_counted(self):
        (one,) = self.statements("-- name: a\nSELECT '$9;' || \"$8\", $1 -- $7;\n FROM t /* $6; */\n")
        self.assertEqual(one["params"], 1)

    def test_statement__duplicate_name__refused(self):
        self.refused("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n", "defined already")

    def test_statement__gap_in_parameters__refused(self):
        self.refused("-- name: a\nSELECT $1, $3;\n", r"uses \$3 but not \$2")

    def test_statement__two_in_one__refused(self):
        self.refused("-- name: a\nSELECT 1; SELECT 2;\n", "more than one")

    def test_statement__empty__refused(self):
        self.refused("-- name: a\n-- nothing\n", "empty")

    def test_statement__bad_name__refused(self):
        self.refused("-- name: Room-Insert\nSELECT 1;\n", "bad statement name")

    def test_statement__words_behind_the_name__read(self):
        (one,) = self.statements("-- name: a all key=2\nSELECT $1, $2;\n")
        self.assertEqual((one["hot"], one["all"], one["key"]), (False, True, 2))
        self.refused("-- name: a warm\nSELECT 1;\n", "not 'warm'")
        self.refused("-- name: a key\nSELECT $1;\n", "not 'key'")
        self.refused("-- name: a key=2\nSELECT $1;\n", "no parameter 2")

    def test_migrations__number_twice__refused(self):
        paths = [self.write("0001_a.sql", ""), self.write("0001_b.sql", "")]
        with self.assertRaisesRegex(self.embed.EmbedError, "taken"):
            self.embed.load_migrations(paths)

    def test_migrations__header__says_whether_others_may_run(self):
        found = [self.embed.load_migrations([self.write("0001_a.sql", text)])[0]["is_alone"] for text in (
            "-- What: x. Old processes may not run\n--       beside it: y\nSELECT 1;\n", "-- Cost: none. Old processes may run beside it.\n",
            "-- What: x\n\n-- Old processes may not run beside it\n", "SELECT 1;\n")]
        self.assertEqual(found, [True, False, False, False])

    def test_migrations__any_text__compiles_to_the_same_bytes(self):
        text = 'SELECT \'"\\ ??/ é\t%\';\n' + "-- x\n" * 2000
        header = os.path.join(self.folder.name, "gen", "embedded_migrations.h")
        source = os.path.join(self.folder.name, "gen", "embedded_migrations.c")
        program = os.path.join(self.folder.name, "program")
        main = self.write("main.c", '#include <stdio.h>\n#include "gen/embedded_migrations.h"\nint main(void)'
                          "{ return fwrite(embedded_migrations[0].text, 1, embedded_migrations[0].size_bytes,"
                          " stdout) == 0; }\n")
        os.mkdir(os.path.dirname(header))
        subprocess.run([os.path.join(TOOLS, "embed"), "migrations", header, source,
                        self.write("0001_a.sql", text)], check=True)
        subprocess.run(["cc", "-I", self.folder.name, "-o", program, main, source], check=True)
        self.assertEqual(subprocess.run([program], check=True, stdout=subprocess.PIPE).stdout,
                         text.encode("utf-8"))


class Checks(Folder):
    """The check programs, on a small tree of their own."""

    def setUp(self):
        super().setUp()
        self.write("docs/conventions.md", source_tree.read("docs/conventions.md"))
        for name in ("source_tree.py", "check-layers", "check-metrics", "check-names", "check-sizes"):
            path = self.write("tools/" + name, source_tree.read("tools/" + name))
            os.chmod(path, 0o755)
        for name in ("base/str.h", "matrix/event.h", "storage/db.h", "homeserver/room/rooms.h",
                     "homeserver/room/room_cache.h", "homeserver/sync/sync.h"):
            self.write(name, "")

    def run_tool(self, name):
        name, *options = name.split()
        run = subprocess.run([os.path.join(self.folder.name, "tools", name), *options], stdout=subprocess.PIPE,
                             text=True, check=False)
        return run.returncode, run.stdout

    def finds(self, tool, words):
        status, out = self.run_tool(tool)
        self.assertEqual(status, 1, out)
        self.assertIn(words, out)

    def passes(self, tool):
        status, out = self.run_tool(tool)
        self.assertEqual(status, 0, out)

    def test_layers__all_as_in_the_table__passes(self):
        self.write("storage/db.c", '#include <libpq-fe.h>\n#include "matrix/event.h"\n#include "gen/stmt_ids.h"\n')
        self.write("homeserver/sync/sync.c", '#include "homeserver/room/rooms.h"\n')
        self.write("tests/unit/base/a_test.c", '#include <cmocka.h>\n#include "storage/db.h"\n')
        self.passes("check-layers")

    def test_layers__upwards__found(self):
        self.write("base/str.c", '#include "matrix/event.h"\n')
        self.finds("check-layers", "base/ may not include matrix/")

    def test_layers__appservices_to_federation__found(self):
        self.write("federation/inbox.h", "")
        self.write("appservices/as_txn.c", '#include "federation/inbox.h"\n')
        self.finds("check-layers", "appservices/ may not include federation/")

    def test_layers__library_elsewhere__found(self):
        self.write("homeserver/sync/sync.c", "#include <libpq-fe.h>\n")
        self.finds("check-layers", "libpq-fe.h belongs into storage/")

    def test_layers__inner_header_of_another_domain__found(self):
        self.write("homeserver/sync/sync.c", '#include "homeserver/room/room_cache.h"\n')
        self.finds("check-layers", "only its main header")

    def test_layers__circle_of_domains__found(self):
        self.write("homeserver/sync/sync.c", '#include "homeserver/room/rooms.h"\n')
        self.write("homeserver/room/rooms.c", '#include "homeserver/sync/sync.h"\n')
        self.finds("check-layers", "room → sync → room")

    def test_layers__include_in_a_comment__passes(self):
        self.write("base/str.c", '/* #include "matrix/event.h" */\n')
        self.passes("check-layers")

    def test_layers__sibling_path__found(self):
        self.write("base/str.c", '#include "str.h"\n')
        self.finds("check-layers", "no path from the root")

    def test_exceptions__with_reason__passes_and_stale_one_is_found(self):
        self.write("base/str.c", '#include "matrix/event.h"\n')
        self.write("tools/exceptions.txt", "layer base/str.c:matrix/event.h told in the test\n")
        self.passes("check-layers")
        self.write("base/str.c", "")
        self.finds("check-layers", "no longer needed")

    def test_metrics__page__lists_those_of_the_sources(self):
        self.write("docs/conventions.md", "")
        self.write("base/str.c", 'static struct metric a =\n\tMETRIC_GAUGE("belfry_a_bytes",\n\t"Of " "a");\n'
                   '#define OUTCOME(word) \\\n\t{ \\\n\t\t.kind = METRIC_KIND_COUNTER, .name = "belfry_b_total", \\\n\t\t.help = "Of b" \\\n\t}\n'
                   '/* METRIC_GAUGE("belfry_no", "none"); */\n')
        self.finds("check-metrics", "docs/metrics.md lacks: | `belfry_a_bytes` | gauge | Of a |")
        self.passes("check-metrics --fix")
        self.passes("check-metrics")
        self.assertIn("| `belfry_b_total` | counter | Of b |", self.read("docs/metrics.md"))
        self.write("base/str.c", "")
        self.finds("check-metrics", "docs/metrics.md has: | `belfry_b_total` | counter | Of b |")

    def test_metrics__not_written_out_or_of_two_meanings__found(self):
        self.write("docs/conventions.md", "")
        self.write("base/str.c", 'struct metric a = METRIC_GAUGE(NAME, "Of a");\n')
        self.finds("check-metrics", "base/str.c: 1 metrics, of which 0 can be read")
        self.write("base/str.c", 'struct metric a = METRIC_GAUGE("belfry_a", "Of a");\nstruct metric b = METRIC_GAUGE("belfry_a", "Of b");\n')
        self.finds("check-metrics --fix", "belfry_a has another meaning")

    def test_metrics__text_names_one_that_there_is_not__found(self):
        self.write("docs/conventions.md", "")
        self.write("base/str.c", 'struct metric a = METRIC_HISTOGRAM("belfry_a_seconds", "Of a");\n')
        self.write("docs/x.md", "`belfry_a_seconds_sum{x=\"y\"}`, tests/belfry_no.c, belfry_<area>_bytes\n")
        self.passes("check-metrics --fix")
        self.write("docs/x.md", "`belfry_b_seconds`\n")
        self.finds("check-metrics", "docs/x.md: there is no belfry_b_seconds")

    def test_names__banned_function__found(self):
        self.write("matrix/event.c", "void f(char *p)\n{\n\tstrcpy(p, p);\n}\n")
        self.finds("check-names", "strcpy() is banned")

    def test_names__heap_outside_base__found(self):
        self.write("base/mem.c", "void *f(void)\n{\n\treturn malloc(1);\n}\n")
        self.passes("check-names")
        self.write("matrix/event.c", "void f(char *p)\n{\n\tfree(p);\n}\n")
        self.finds("check-names", "not free()")

    def test_names__in_comment_text_or_longer_name__passes(self):
        self.write("matrix/event.c", '/* strcpy(a) */ const char *a = "system(x)"; void f(void)\n{\n\tmy_free(a);\n}\n')
        self.passes("check-names")

    def test_names__version_compared__found(self):
        self.write("matrix/event.c", "int f(int version)\n{\n\treturn version >= 6;\n}\n")
        self.finds("check-names", "struct room_version")

    def test_names__function_of_a_header__used_elsewhere_or_found(self):
        self.write("base/str.h", "/** Both. */\nint f(void);\nint g(void);\n#define G() g()\n/** Sum. */\nint h(int a,\n\tint b);\n")
        self.write("base/str.c", "int f(void)\n{\n}\nint g(void)\n{\n}\nint h(int a, int b)\n{\n}\n")
        self.write("matrix/event.c", "/* f() */ int i(void)\n{\n\treturn h(1, 2);\n}\n")
        self.finds("check-names", "nobody calls f()")
        self.write("tests/unit/base/a_test.c", "int t(void)\n{\n\treturn f();\n}\n")
        self.finds("check-names", "nobody calls f()")
        self.write("base/str.c", "int f(void)\n{\n}\nint g(void)\n{\n\treturn f();\n}\nint h(int a, int b)\n{\n}\n")
        self.passes("check-names")
        self.write("tests/unit/base/a_test.c", "")
        self.finds("check-names", "f() can be static")
        self.write("matrix/event.c", "int i(void)\n{\n\treturn f() + h(1, 2);\n}\n")
        self.passes("check-names")

    def test_names__function_of_a_header_without_docstring__found(self):
        self.write("base/str.c", "int f(void)\n{\n\treturn g(1, 2) + h();\n}\nstruct a *str_create(void)\n{\n}\n")
        self.write("matrix/event.c", "int i(void)\n{\n\tstr_create();\n\treturn f() + g(1, 2) + h();\n}\n")
        self.write("base/str.h", "struct a;\nstruct a *str_create(void);\n\n/**\n * One.\n */\nint f(void);\nMUST_CHECK int g(int a,\n\tint b);\nint h(void);\n"
                   "static inline int j(void)\n{\n\treturn h();\n}\n")
        self.passes("check-names")
        self.write("base/str.h", "/** One. */\nint f(void);\nMUST_CHECK int g(int a,\n\tint b);\n\nint h(void);\nstruct a *str_create(void);\n")
        self.finds("check-names", "base/str.h:6: h() has no docstring")
        self.write("base/str.h", "/** One. */\nstruct b {\n\tint a; /**< a */\n};\nint f(void);\n/** Two. */\nint g(int a, int b);\nint h(void);\n")
        self.finds("check-names", "base/str.h:5: f() has no docstring")

    def test_names__machine_path__found(self):
        for text in ("see /" + "home/somebody/notes", "[it](/" + "home/somebody/x.md)", "[it](file:///" + "home/somebody/x.md)"):
            self.write("docs/x.md", text + "\n")
            self.finds("check-names", "somebody's machine")

    def test_names__symbolic_link__found(self):
        for name, target in (("to_file", "docs/conventions.md"), ("to_folder", "docs"), ("to_nothing", "nowhere")):
            link = os.path.join(self.folder.name, "base", name)
            for is_git in (False, True):
                os.symlink(os.path.join(self.folder.name, target), link)
                if is_git:
                    subprocess.run(["git", "init", "-q", self.folder.name], check=True)
                self.finds("check-names", "base/%s: a symbolic link to" % name)
                os.unlink(link)
                shutil.rmtree(os.path.join(self.folder.name, ".git"), ignore_errors=True)

    def test_names__chinese_with_marks_of_ascii__found(self):
        self.write("docs/x.md", "\u8aaa\u660e\uff1a\u65e5,\u4e00; a, b\n")
        self.passes("check-names")
        self.write("docs/x.md", "\u8aaa\u660e: a\n")
        self.finds("check-names", "docs/x.md:1:")

    def test_names__file_that_a_text_names__is_there(self):
        self.write("base/str.c", "")
        self.write("docs/x.md", "`base/str.c` `base/str` `base/` `base/NNNN_a.c` `base/*.h` `other/a.c` [it](../base/str.c#a) [x](https://x.y/z)\n")
        self.assertNotIn("docs/x.md", self.run_tool("check-names --complete")[1])
        self.write("docs/x.md", "run `base/tool --quick`\n")
        self.finds("check-names --complete", "docs/x.md: there is no base/tool")
        self.write("docs/x.md", "[it](base/str.c)\n")
        self.finds("check-names --complete", "docs/x.md: there is no base/str.c")

    def test_names__known_failures__table_and_tests_name_each_other(self):
        self.write("docs/security.md", "a `sec_5_9__free__text`\n| 5.1 | x | `sec_5_1__a__b`<br>`test_sec_5_1__c__d` |\n")
        self.write("tests/unit/base/a_test.c", "static void sec_5_1__a__b(void **state)\n{\n}\n")
        self.write("tests/http/test_a.py", "def test_sec_5_1__c__d():\n    pass\n")
        self.passes("check-names")
        self.write("tests/http/test_b.py", "def test_sec_5_2__e__f():\n    pass\n")
        self.finds("check-names --complete", "name the test test_sec_5_2__e__f in row 5.2")
        self.passes("check-names")
        self.write("tests/http/test_b.py", "")
        self.write("tests/http/test_a.py", "")
        self.finds("check-names", "there is no test test_sec_5_1__c__d")
        self.write("tests/http/test_a.py", "def test_sec_5_2__e__f():\n    pass\n")
        self.write("docs/security.md", "| 5.1 | `sec_5_1__a__b` `test_sec_5_2__e__f` |\n")
        self.finds("check-names", "test_sec_5_2__e__f stands in row 5.1")

    def test_sizes__long_function__found(self):
        body = "\ta();\n"
        self.write("base/str.c", "int f(void)\n{\n" + body * 80 + "}\n")
        self.passes("check-sizes")
        self.write("base/str.c", "int f(void)\n{\n" + body * 81 + "}\n")
        self.finds("check-sizes", "81 lines")

    def test_sizes__readme_of_a_folder_of_many__leads_to_each(self):
        names = ["file%d" % number for number in range(13)]
        for name in names:
            self.write("base/%s.c" % name, "")
        self.write("base/README.md", " ".join("`%s`" % name for name in names[1:]))
        self.finds("check-sizes", "base/README.md does not lead to file0.c")
        self.write("base/README.md", " ".join("`%s`" % name for name in names))
        self.passes("check-sizes")


class InstallDeps(Folder):
    def test_missing_without_root_and_sudo__says_what_root_has_to_run(self):
        """That goes by this program again: apt-get alone would also start a PostgreSQL of the machine's own."""
        for name in ("bash", "dirname", "readlink", "dpkg-query", "apt-get", "sed", "grep"):
            os.symlink(shutil.which(name), os.path.join(self.folder.name, name))
        os.chmod(self.write("id", "#!/bin/sh\necho 1000\n"), 0o755)
        done = subprocess.run([os.path.join(TOOLS, "install-deps"), "run", "build"], capture_output=True, text=True, check=False,
                              env={"PATH": self.folder.name})
        self.assertEqual(done.returncode, 1)
        self.assertIn("ninja-build", done.stderr)
        self.assertTrue(done.stderr.endswith("%s run build\n" % shlex.quote(os.path.join(TOOLS, "install-deps"))), done.stderr)


class Help(Folder):
    def test_every_program__help_in_a_bare_clone__succeeds_with_an_example(self):
        """Nothing is built or installed: neither build/ nor what the tests' Python imports is there."""
        for name in source_tree.all_files():
            if name.split("/")[0] in ("tools", "bench", "tests"):
                to = os.path.join(self.folder.name, name)
                os.makedirs(os.path.dirname(to), exist_ok=True)
                shutil.copy(os.path.join(ROOT, name), to)
        programs = [[os.path.join(folder, name)] for folder in ("tools", "bench") for name in sorted(os.listdir(os.path.join(ROOT, folder)))
                    if os.access(os.path.join(ROOT, folder, name), os.X_OK) and os.path.isfile(os.path.join(ROOT, folder, name))]
        programs.append(["python3", "bench/year"])
        self.assertGreater(len(programs), 20)
        environment = {"PATH": os.defpath, "HOME": self.folder.name}
        for program in programs:
            with self.subTest(program=program[-1]):
                done = subprocess.run([*program, "--help"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                                      env=environment, cwd=self.folder.name)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn("usage: ", done.stdout)
                self.assertRegex(done.stdout, r"for example|examples?:")


if __name__ == "__main__":
    unittest.main()
