#!/usr/bin/env python3
"""The arithmetic of the board, on results that are made up."""

import pathlib
import tempfile
import unittest
import zipfile

import board
import har_blocks


def results(**strategies):
    """`strategies`: for each, what it makes of the rows of each site; one list a seed."""
    return {
        "runs": [
            {"strategy": name, "seconds": 10,
             "nodes": [{"name": f"site-{i}", "outcomes": rows[seed]} for i, rows in enumerate(sites)]}
            for name, sites in strategies.items() for seed in range(len(sites[0]))
        ]
    }  # fmt: skip


class Board(unittest.TestCase):
    def test_gain_is_of_each_site_in_points_over_all_seeds(self):
        made_up = results(local=[[[0, 0, 1, 1], [0, 1, 1, 1]]], better=[[[1, 1, 1, 1], [1, 1, 1, 1]]])
        (site,) = board.sites_of(made_up, "better")
        self.assertAlmostEqual(site.gain, 100 * (1 - 5 / 8))
        self.assertFalse(site.harmed())

    def test_harm_is_beyond_two_standard_errors_of_the_paired_difference(self):
        alone = [[1.0] * 100]
        few, many = [[0.0] * 3 + [1.0] * 97], [[0.0] * 10 + [1.0] * 90]
        made_up = results(local=[alone, alone], worse=[few, many])
        little, much = board.sites_of(made_up, "worse")
        self.assertAlmostEqual(little.gain, -3.0)
        self.assertFalse(little.harmed())  # a standard error is 1.7 points
        self.assertTrue(much.harmed())
        # Of seeds that fail on the same rows, each row counts once.
        twice = board.sites_of(results(local=[alone * 2], worse=[few * 2]), "worse")[0]
        self.assertAlmostEqual(twice.error, little.error)

    def test_ranks_share_a_place_and_are_averaged_over_the_sets(self):
        self.assertEqual(board.ranks({"a": 2.0, "b": 1.0, "c": 1.0, "d": 0.0}), {"a": 1, "b": 2.5, "c": 2.5, "d": 4})
        wins = results(local=[[[0, 1]], [[0, 1]]], other=[[[1, 1]], [[1, 1]]])
        loses = results(local=[[[0, 1]], [[0, 1]]], other=[[[0, 0]], [[0, 0]]])
        lines = board.board({"first": wins, "second": loses})
        rows = {line.split("`")[1]: line for line in lines if line.startswith("| `")}
        self.assertIn("| +0.00 | 1.5 |", rows["other"])
        self.assertIn("| +0.00 | 1.5 |", rows["local"])
        self.assertIn("| first (2) | **+50.0 ± 0.0** |", lines)

    def test_a_strategy_that_some_set_lacks_is_not_on_the_board(self):
        both = results(local=[[[0, 1]]], other=[[[1, 1]]])
        lines = board.board({"first": both, "second": results(local=[[[0, 1]]])})
        self.assertFalse(any("other" in line for line in lines))

    def test_no_site_gains_or_loses_more_than_a_hundred_points(self):
        (site,) = board.sites_of(results(local=[[[0.5, 0.5]]], numbers=[[[-9e9, 1.0]]]), "numbers")
        self.assertEqual(site.gain, -100)

    def test_windows_of_the_test_share_no_sample_with_those_that_are_learnt_from(self):
        for windows in (1, 9, 40, 193):
            train, test = har_blocks.sides(windows)
            self.assertFalse(set(train) & {i + d for i in test for d in (-1, 0, 1)})
        self.assertEqual(len(train), 135)
        self.assertEqual(len(test), 38)

    def test_a_recording_keeps_its_windows_and_labels(self):
        header = {"descr": "|u1", "fortran_order": False, "shape": (40, 2)}
        labels = {"descr": "|u1", "fortran_order": False, "shape": (40,)}
        with tempfile.TemporaryDirectory() as folder:
            source, into = pathlib.Path(folder) / "in", pathlib.Path(folder) / "out"
            source.mkdir()
            with zipfile.ZipFile(source / "anna.npz", "w") as archive:
                archive.writestr("x.npy", har_blocks.write(header, [bytes([i, i]) for i in range(40)]))
                archive.writestr("y.npy", har_blocks.write(labels, [bytes([i]) for i in range(40)]))
            har_blocks.split(source, into)
            with zipfile.ZipFile(into / "anna" / "test.npz") as archive:
                x, y = (har_blocks.read(archive.read(name)) for name in ("x.npy", "y.npy"))
        self.assertEqual(x[0]["shape"], (9, 2))
        self.assertEqual(x[1], [bytes([i, i]) for i in range(31, 40)])
        self.assertEqual(y[1], [bytes([i]) for i in range(31, 40)])


if __name__ == "__main__":
    unittest.main()
