"""A year of a school, loaded through the public API into a Belfry of its own; then what it weighs, and how long things take with it.

usage: bench/year --belfry build/release/belfry [options]

2,000 users (staff, students, guardians), their spaces, class, department, club, group and direct rooms, and what they say on the days of a
school year, in Traditional Chinese and English: messages, replies, threads, edits, reactions, redactions, files, topics, receipts, and
the change of classes on 1 July. About 1.2 million events. Files are uploaded at a fiftieth of their size (--media-scale).

examples:
    bench/year --belfry build/release/belfry                        all of it
    bench/year --belfry build/release/belfry --minutes 20           as much of the year as fits into 20 minutes, newest days left out
    bench/year --belfry build/release/belfry --users 100 --days 7   a small one
    bench/year --belfry build/release/belfry --keep                 the data folder stays
"""
import argparse
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(os.path.dirname(HERE)), "tests")]
sys.dont_write_bytecode = True


def options_of(arguments):
    parser = argparse.ArgumentParser(prog="bench/year", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--belfry", required=True, help="the program (a release build)")
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--days", type=int, default=365, help="how long the year is; it ends yesterday (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=60, help="for living it; what is left of the year then is left out (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--media-scale", type=float, default=0.02, help="bytes uploaded for each byte of a file (default: %(default)s)")
    parser.add_argument("--pushers", type=int, default=4, help="guardians who are notified by a gateway (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the server's configuration")
    parser.add_argument("--keep", action="store_true", help="the data folder stays, and is named")
    parser.add_argument("--json", help="writes all figures there, too")
    return parser.parse_args(arguments)


def main():
    options = options_of(sys.argv[1:])
    os.environ["BELFRY_BIN"] = os.path.abspath(options.belfry)
    from support.appservice import AppService
    from support.gateway import Gateway
    from support.server import Server
    from year.load import Loader
    from year.report import Report
    from year.school import School, Year
    school = School(options.users, options.seed)
    settings = {"caches.rooms": str(max(1000, len(school.rooms) + 100)), "database.shared_buffers": "256MiB", "network.allow_addresses": "127.0.0.0/8",
                **dict(item.split("=", 1) for item in options.set)}
    server, gateway = Server(server_name="school.example", settings=settings), Gateway()
    try:
        server.start()
        service = AppService("year", users=[("@.*", False)], listens=False).register(server)
        loader = Loader(server, service, school, options.connections, options.media_scale)
        report = Report(server, loader)
        loader.settle()
        loader.notify(school.guardians[:options.pushers], gateway.url)
        report.settled()
        end = time.monotonic() + options.minutes * 60
        lived = loader.live(Year(school, options.days), lambda: time.monotonic() > end)
        report.lived(lived)
        report.measure()
        print(report.text())
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(report.values, file, ensure_ascii=False, indent=1)
    finally:
        gateway.close()
        if options.keep:
            server.terminate(60)
            print("kept: %s" % server.data, file=sys.stderr)
        else:
            server.destroy()


main()
