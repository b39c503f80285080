"""Days of trouble between homeservers in minutes; see README.md."""
import os
import sys

from .options import options_of
from .run import soak


def main():
    options = options_of()
    status = 0
    first = options.seed if options.seed is not None else "%d" % (int.from_bytes(os.urandom(3), "big"))
    for number in range(options.runs):
        seed = first if number == 0 else "%s+%d" % (first, number)
        found = soak(seed, options.seconds, options.versions.split(","), options.belfrys, not options.no_synapse,
                     not options.no_clocks, not options.no_hostile, with_database=not options.no_database, pause_s=options.pause,
                     heal_s=options.heal, keep=options.keep,
                     say=lambda line: print(line, flush=True))
        for line in found[:60]:
            print("DIFFERS: " + line)
        print("seed %s: %s" % (seed, "%d differences" % len(found) if found else "all servers agree"), flush=True)
        status = status or (1 if found else 0)
    return status


sys.exit(main())
