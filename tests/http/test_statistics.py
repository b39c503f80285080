"""Tables that have grown are looked at by the server itself: plans made when they were empty are not kept until autovacuum comes."""
from support import accounts
from support.client import Http
from support.server import wait_until


def looks(server, table):
    return int(server.sql("select analyze_count from pg_stat_user_tables where relname = '%s'" % table))


def test_table__grown_on_a_fresh_server__is_looked_at_and_then_left_alone(make_server):
    server = make_server().start()
    alice = accounts.register(Http(server.url))
    assert looks(server, "events") == 0
    room = alice.create_room()
    for _ in range(400):
        alice.send(room, "hello")
    wait_until(lambda: looks(server, "events") > 0, 30, "a look at the table of events")

    def is_left_alone():
        before = looks(server, "events")
        return server.sql("select renew_statistics()").strip() == "0" and looks(server, "events") == before
    wait_until(is_left_alone, 30, "nothing to look at any more")  # it may have doubled again since that look


def test_tables__several_grown__one_a_transaction(make_server):
    """A look that is undone with another leaves the size noted, and no statistics (migrations/0070)."""
    server = make_server().start()
    grown = "create table grown_%d (text text); insert into grown_%d select repeat('x', 100) from generate_series(1, 5000); "
    seen = server.sql("begin; " + grown % (1, 1) + grown % (2, 2) + "select 'looks ' || renew_statistics(); rollback")
    assert "looks 1" in seen
