"""Sites with data from which hardly anything can be known, among others that are as they should be."""

import json
import pathlib
import random
import subprocess
import tempfile
import unittest

from testnet import KITH

SCENARIO = """
[simulation]
name = "odd sites"
strategies = ["local", "lia"]

[data]
directory = "{data}"
draft = true
min_validation = 2

[task]
name = "odd-sites"
model = "mlp"
sizes = [8]

[learning]
rounds = 4
epochs = 2
warmup_epochs = 4
"""


def table(rows):
    return "x,y,target\n" + "".join(f"{x:.3f},{y:.3f},{target}\n" for x, y, target in rows)


class OddSites(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="kith-e2e-")))
        self.random = random.Random(1)

    def rows(self, count, target):
        points = [(self.random.uniform(-1, 1), self.random.uniform(-1, 1)) for _ in range(count)]
        return [(x, y, target(x, y)) for x, y in points]

    def learn(self, sites):
        """For each strategy and site, its rounds."""
        for name, (train, test) in sites.items():
            folder = self.folder / "data" / name
            folder.mkdir(parents=True)
            (folder / "train.csv").write_text(table(train))
            (folder / "test.csv").write_text(table(test))
        scenario = self.folder / "scenario.toml"
        scenario.write_text(SCENARIO.format(data=self.folder / "data"))
        done = subprocess.run([KITH, "simulate", scenario, "--out", self.folder / "out", "--json"], capture_output=True,
                              text=True, timeout=200)  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        return {run["strategy"]: {node["name"]: node["rounds"] for node in run["nodes"]}
                for run in json.loads(done.stdout)["runs"]}  # fmt: skip

    def loss(self, rounds):
        last = rounds[-1]
        return last["models"][last["served"]]["test"]["loss"]

    def check(self, found, harm):
        """Every site finished every round, and no odd one serves what is worse than training alone by more than `harm`."""
        for name, alone in found["local"].items():
            self.assertEqual(len(found["lia"][name]), 4)
            for report in found["lia"][name]:
                self.assertIsNone(report["diverged"])
            self.assertLess(self.loss(found["lia"][name]), self.loss(alone) + harm, name)

    def test_classes(self):
        def usual(x, y):
            return "yes" if x + y > 0 else "no"

        test = self.rows(100, usual)
        sites = {f"usual-{i}": (self.rows(120, usual), test) for i in range(3)}
        sites["one-class"] = (self.rows(60, lambda x, y: "no"), self.rows(60, lambda x, y: "no"))
        sites["ten-rows"] = (self.rows(10, usual), test)
        sites["constant"] = ([(0.5, 0.5, usual(x, y)) for x, y, _ in self.rows(60, usual)], test)
        sites["all-alike"] = ([(0.5, 0.5, "yes")] * 60, test)
        found = self.learn(sites)
        self.check(found, harm=0.2)
        # Who has ten rows has most to gain.
        self.assertLess(self.loss(found["lia"]["ten-rows"]), self.loss(found["local"]["ten-rows"]))

    def test_numbers(self):
        def usual(x, y):
            return f"{x + y / 2:.3f}"

        test = self.rows(100, usual)
        sites = {f"usual-{i}": (self.rows(120, usual), test) for i in range(3)}
        sites["no-variance"] = (self.rows(60, lambda x, y: "0.250"), self.rows(60, lambda x, y: "0.250"))
        sites["ten-rows"] = (self.rows(10, usual), test)
        self.check(self.learn(sites), harm=0.05)


if __name__ == "__main__":
    unittest.main()
