"""What tools/soak-load is told. It imports nothing of others, so that --help works before anything is installed."""
import argparse
import os


def options_of():
    parser = argparse.ArgumentParser(
        prog="tools/soak-load", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Mixed load of clients that come and go: messages, receipts, reactions, waiting, hasty and sliding syncs, joins, searches, files,\n"
                    "keys and messages to devices. Watches memory, descriptors, threads, connections, processor time and latency.",
        epilog="examples:\n"
               "  tools/soak-load --hours 4                          four hours, sixteen windows\n"
               "  tools/soak-load --hours 4 --federation             two servers that share the rooms\n"
               "  tools/soak-load --seconds 300 --pause 0.02         five minutes of as much as it takes\n"
               "  BELFRY_BIN=build/tsan/belfry BELFRY_TEST_SLOW=20 tools/with-sanitizer-reports tools/soak-load --seconds 60\n"
               "  tools/soak-load --judge soak.json                  the verdict of a run that was killed, by what --json wrote\n\n"
               "Ends with 1 when something leaks, grows or gets slower, or an answer was wrong, and says what. SIGTERM or Control-C ends the load\n"
               "early: the windows until then are judged, and leaks; without findings it ends with 3, since windows are missing. The same signal\n"
               "again ends it at once. SIGUSR1 lets all clients rest, when the machine is wanted for something else, and go on when it comes again;\n"
               "the time between is of no window.")
    parser.add_argument("--hours", type=float, help="how long (default: what --seconds says)")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--windows", type=int, help="samples (default: 16, or one each 5 s)")
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--rooms", type=int, default=12)
    parser.add_argument("--watchers", type=int, default=16, help="devices of each server that sync at once (default %(default)s)")
    parser.add_argument("--pause", type=float, default=0.15, help="seconds between two deeds of a client, on average (default %(default)s)")
    parser.add_argument("--federation", action="store_true", help="a second Belfry, whose people are in the same rooms")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the servers' configuration")
    parser.add_argument("--keep", action="store_true", help="the servers' folders stay, with logs and databases")
    parser.add_argument("--json", help="writes all samples there, anew with each window")
    parser.add_argument("--judge", metavar="JSON", help="starts nothing: the verdict of what --json has written")
    options = parser.parse_args()
    if not options.judge and not os.environ.get("BELFRY_BIN"):
        parser.error("BELFRY_BIN is not set; tools/soak-load sets it")
    options.seconds = options.hours * 3600 if options.hours else options.seconds
    options.windows = options.windows or min(16, max(2, int(options.seconds / 5)))
    return options


if __name__ == "__main__":
    options_of()
