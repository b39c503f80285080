"""The last column of the benchmark's table: what was wanted, and whether it was met (bench/aims.py)."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "bench"))
from aims import aim_text, bounds  # noqa: E402

RATE, TIME = "send, 16 in own rooms: messages/s", "upload of 50 one-time keys: p50, ms"


class Aims(unittest.TestCase):
    def test_rate__more_is_better(self):
        self.assertEqual(aim_text(RATE, {RATE: {"Belfry": [6000], "Synapse": [60], "Tuwunel": [2001]}}), "≥ 100 × Synapse ✓; ≥ 3 × Tuwunel ✗")

    def test_time__less_is_better(self):
        self.assertEqual(aim_text(TIME, {TIME: {"Belfry": [1], "Synapse": [20]}}), "≥ 20 × Synapse ✓")
        self.assertEqual(aim_text(TIME, {TIME: {"Belfry": [1.1], "Synapse": [20]}}), "≥ 20 × Synapse ✗")

    def test_other_not_measured__is_not_met(self):
        self.assertEqual(aim_text(TIME, {TIME: {"Belfry": [1]}}), "≥ 20 × Synapse (not measured)")

    def test_figure__is_the_most(self):
        row = "claims without a key while some are left: of 1,000"
        self.assertEqual(aim_text(row, {row: {"Belfry": [0]}}), "≤ 0 ✓")
        self.assertEqual(aim_text(row, {row: {"Belfry": [1]}}), "≤ 0 ✗")

    def test_growth__beside_the_small_room(self):
        small, large = "room of 10: send, p50, ms", "room of 10000: send, p50, ms"
        self.assertEqual(aim_text(large, {small: {"Belfry": [1]}, large: {"Belfry": [1.05]}}), "≤ 1.1 × that of 10: 1.05 ✓")
        self.assertEqual(aim_text(large, {small: {"Belfry": [1]}, large: {"Belfry": [1.2]}}), "≤ 1.1 × that of 10: 1.20 ✗")
        self.assertEqual(aim_text(small, {small: {"Belfry": [1]}}), "–")
        size = "room of 10000: rows of a message, bytes"
        self.assertEqual(aim_text(size, {size: {"Belfry": [1]}}), "≤ 1.1 × that of 100 (not measured)")

    def test_growth__is_the_median_of_pairs(self):
        """A machine that becomes three times slower meanwhile changes no pair; a few pairs that it meets in between change no median."""
        small, large = "room of 10: join, p50, ms", "room of 10000: join, p50, ms"
        few = [1 + slice / 10 for slice in range(21)]
        many = [value * 1.05 for value in few]
        self.assertEqual(aim_text(large, {small: {"Belfry": few}, large: {"Belfry": many}}), "≤ 1.1 × that of 10: 1.05 (1.05 to 1.05) ✓")
        many[3], many[9] = 10, 20
        self.assertEqual(aim_text(large, {small: {"Belfry": few}, large: {"Belfry": many}}), "≤ 1.1 × that of 10: 1.05 (1.05 to 1.05) ✓")
        many = [value * (1.3 if slice % 2 else 1.15) for slice, value in enumerate(few)]
        self.assertEqual(aim_text(large, {small: {"Belfry": few}, large: {"Belfry": many}}), "≤ 1.1 × that of 10: 1.15 (1.15 to 1.30) ✗")

    def test_bounds__hold_the_median(self):
        self.assertEqual(bounds([3, 1, 2]), (1, 3))
        self.assertEqual(bounds(list(range(1, 26))), (8, 18))


if __name__ == "__main__":
    unittest.main()
