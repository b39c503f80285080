"""How many pages of the database each statement looks at, by the plans that the server gets (storage/pg.c forces generic ones), in rooms with a
long past: once with statistics that know all, once with those of before half of it came, once with none, as before the first look of
autovacuum, and once by plans of empty tables that the server had made anew (storage/statistics.h). A plan that walks a whole room or the whole
stream reads hundreds of pages and more; what was asked for is within a few tens.

    tools/with-postgres python3 -m plans [STATEMENT…]     in tests/; of some statements also the plans
"""
import collections
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
SOURCE = HERE.parent.parent
URL = os.environ["BELFRY_TEST_DATABASE_URL"]
PAGES = 150
USERS = ("@seldom:own", "@often:own")  # with a short and a long past
# Statistics, random_page_cost: PostgreSQL's default, and what is set for solid-state disks.
RUNS = (("kept", "1.1"), ("early", "1.1"), ("no", "4"), ("stale", "4"), ("fresh", "1.1"))
ONE_SIZE = ("kept", "early")
"""Plans were made when the tables were empty: those are kept, or the server has looked at the tables since (storage/statistics.h)."""
Question = collections.namedtuple("Question", "name arguments limit limit_blind is_first")


def statements():
    loader = importlib.machinery.SourceFileLoader("embed", str(SOURCE / "tools" / "embed"))
    embed = importlib.util.module_from_spec(importlib.util.spec_from_loader("embed", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(embed)
    return {found["name"]: found["sql"] for found in embed.load_statements(sorted(map(str, (SOURCE / "storage" / "sql").glob("*.sql"))))}


def questions():
    for line in (HERE / "questions.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            first, limit, blind, name, arguments = re.fullmatch(r"(! )?(?:<=(\d+)(?:/(\d+))? )?(\w+) (.*)", line).groups()
            yield Question(name, arguments, int(limit or PAGES), int(blind or limit or PAGES), first is not None)


def filled(arguments, has_grown, user):
    more = 100000 if has_grown else 0
    for sign, text in (("@U", user), ("%R", "4" if has_grown else "1"), ("%D", "6" if has_grown else "3"), ("~", "g" if has_grown else "")):
        arguments = arguments.replace(sign, text)
    arguments = re.sub(r"\^(\d+)", lambda found: str(int(found[1]) + more), arguments)
    text = arguments.replace("#", str(70000 + len(user) + more))
    return " (%s)" % text if text else ""


def psql(database, text):
    done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", URL.replace("/postgres?", "/%s?" % database)], input=text, text=True,
                          capture_output=True, check=False)
    errors = [line for line in done.stderr.splitlines() if "ERROR" in line]
    if errors or done.returncode:
        sys.exit("%s\n%s" % ("\n".join(errors[:5]), done.stderr[-500:]))
    return done.stdout


def script(known, statistics, cost, asked):
    past, grown = ((HERE / name).read_text(encoding="utf-8") for name in ("past.sql", "grown.sql"))
    yield "BEGIN; SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL random_page_cost = %s;" % cost
    yield "SET LOCAL statement_timeout = '60s';"
    for name in sorted({question.name for question in asked}):
        yield "PREPARE %s AS %s;" % (name, known[name])
    if statistics in ONE_SIZE:
        for question in asked:  # the plan is kept for as long as nobody looks at the tables
            yield "SAVEPOINT before; EXPLAIN EXECUTE %s%s; ROLLBACK TO before;" % (question.name, filled(question.arguments, False, USERS[0]))
    yield from {"kept": (past,), "early": (past, *["%s;" % known["statistics_renew"].rstrip().rstrip(";")] * 100), "no": (past, grown), "stale": (past, "ANALYZE;", grown), "fresh": (past, grown, "ANALYZE;")}[statistics]
    for number, question in enumerate(asked):
        for has_grown in (False, True) if statistics not in ONE_SIZE else (False,):
            for user in USERS if re.search("@U|#", question.arguments) else USERS[:1]:
                yield "\\echo '=== %d|%s|%s'" % (number, "grown" if has_grown else "known", user)
                yield "SAVEPOINT before; EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) EXECUTE %s%s; ROLLBACK TO before;" % (
                    question.name, filled(question.arguments, has_grown, user))
    yield "ROLLBACK;"


def pages_of(plan):
    found = re.search(r"Buffers: shared(.*)", plan.partition("Planning:")[0])
    return sum(map(int, re.findall(r"(?:hit|read)=(\d+)", found[1]))) if found else 0


def ask(known, statistics, cost, asked, is_told):
    """How many answers were not within their limit; each is told."""
    asked = [question for question in asked if question.is_first or statistics != "kept"]
    psql("postgres", "CREATE DATABASE asked TEMPLATE plans")
    answers = psql("asked", "\n".join(script(known, statistics, cost, asked))).split("=== ")[1:]
    psql("postgres", "DROP DATABASE asked")
    wrong = 0
    for answer in answers:
        head, _, plan = answer.partition("\n")
        number, room, user = head.split("|")
        question, pages = asked[int(number)], pages_of(plan)
        limit = question.limit_blind if statistics == "no" else question.limit
        is_well = 1 <= pages <= limit
        wrong += 0 if is_well else 1
        if is_told or not is_well:
            print("%s%s (%s): %d pages, limit %d (%s statistics, cost %s, %s room, %s)" % (
                "" if is_well else "FAILED ", question.name, question.arguments, pages, limit, statistics, cost, room, user))
        if is_told:
            print(plan)
    print("%s statistics, random_page_cost %s: %d answers, %d outside their limit" % (statistics, cost, len(answers), wrong), flush=True)
    assert len(answers) >= (1 if statistics in ONE_SIZE else 2) * len(asked)
    return wrong


def main(names):
    known = statements()
    asked = [question for question in questions() if not names or question.name in names]
    if not asked:
        sys.exit("plans: questions.txt asks nothing of %s" % " ".join(names))
    psql("postgres", "CREATE DATABASE plans")
    for file in sorted((SOURCE / "migrations").glob("*.sql")):
        psql("plans", "BEGIN;%s;COMMIT;" % file.read_text(encoding="utf-8"))
    return 1 if sum(ask(known, *run, asked, bool(names)) for run in RUNS) else 0


sys.exit(main(sys.argv[1:]))
