"""What tools/soak is told. It imports nothing of others, so that --help works before anything is installed."""
import argparse
import os

VERSIONS = ("1", "3", "6", "8", "10", "11", "12")


def options_of():
    parser = argparse.ArgumentParser(
        prog="tools/soak", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Belfrys and a Synapse share rooms while networks, processes, databases and clocks fail and a hostile peer\n"
                    "lies; then all is healed, and state, members and history are compared on all servers.",
        epilog="examples:\n"
               "  tools/soak                                a minute of trouble, a new seed\n"
               "  tools/soak --seconds 900 --seed 7         a quarter of an hour, as seed 7 has it\n"
               "  tools/soak --runs 5 --keep                five seeds; servers' folders stay where something differed\n"
               "  tools/soak --belfrys 3 --no-synapse       among Belfrys alone\n"
               "  BELFRY_BIN=build/asan/belfry BELFRY_TEST_SLOW=10 tools/soak\n"
               "                                            another build\n\n"
               "Ends with 1 when something differs, and says what.")
    parser.add_argument("--seed", help="what happens in which order (default: a new one, which is printed)")
    parser.add_argument("--seconds", type=float, default=60, help="how long trouble goes on (default 60)")
    parser.add_argument("--runs", type=int, default=1, help="so many runs, each with the next seed")
    parser.add_argument("--versions", default=",".join(VERSIONS), help="a room of each (default %(default)s)")
    parser.add_argument("--belfrys", type=int, default=2, help="how many Belfrys (default 2)")
    parser.add_argument("--no-synapse", action="store_true", help="Belfrys alone")
    parser.add_argument("--no-clocks", action="store_true", help="clocks are right")
    parser.add_argument("--no-database", action="store_true", help="no database is killed under a server that runs")
    parser.add_argument("--no-hostile", action="store_true", help="everybody means well")
    parser.add_argument("--pause", type=float, default=0.25,
                        help="seconds between two deeds of a person, on average (default %(default)s)")
    parser.add_argument("--heal", type=float, default=180, help="how long servers may take to agree (default 180 s)")
    parser.add_argument("--keep", action="store_true", help="keep the servers' folders, with their logs, where something differed")
    options = parser.parse_args()
    if not os.environ.get("BELFRY_BIN"):
        parser.error("BELFRY_BIN is not set; tools/soak sets it")
    return options


if __name__ == "__main__":
    options_of()
