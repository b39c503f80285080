"""What a run of hours says of memory (tests/load/watch.py)."""
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
from load.watch import BOUNDED, MIB, verdict  # noqa: E402

WINDOWS, SECONDS = 24, 600


def run(seed, leak_an_hour=0.0, noise=0.3, windows=WINDOWS):
    """Windows of ten minutes of a server that uses 25 MiB; what a sample meets of work under way is noise."""
    chance = random.Random(seed)
    for number in range(windows):
        used = 25 + leak_an_hour * number * SECONDS / 3600
        yield {"seconds": SECONDS, "heap": (used + chance.uniform(-noise, noise)) * MIB, "memory": (used + 7 + chance.uniform(-1, 1)) * MIB,
               "descriptors": 60, "threads": 84, "connections": 12, "server_ms": 0.2, "database_ms": 0.2, "foreign": 0.0, "latency": {},
               "tables": {name: [8192, 1, 0] for name in BOUNDED}}


def findings(*args, **more):
    return verdict(list(run(*args, **more)), lambda text: None)


class Memory(unittest.TestCase):
    def test_leak_of_a_mebibyte_an_hour__found(self):
        for seed in range(20):
            found = findings(seed, leak_an_hour=1.0)
            self.assertTrue([line for line in found if line.startswith("heap grows")], found)

    def test_same_use__passes(self):
        for seed in range(20):
            self.assertEqual(findings(seed), [])

    def test_few_windows__not_judged(self):
        self.assertEqual(findings(1, leak_an_hour=20.0, windows=8), [])

    def test_under_a_sanitizer__not_judged(self):
        self.assertEqual(verdict([{**sample, "heap": 0} for sample in run(1, leak_an_hour=20.0)], lambda text: None), [])

    def test_run_of_before_heap_was_sampled__judged_by_pages(self):
        samples = [{name: value for name, value in sample.items() if name != "heap"} for sample in run(1, leak_an_hour=3.0)]
        found = verdict(samples, lambda text: None)
        self.assertEqual([line.split()[0] for line in found], ["memory"])


if __name__ == "__main__":
    unittest.main()
