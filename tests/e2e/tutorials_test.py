"""Runs the lines of every tutorial, as they stand in docs/tutorials, and looks at what they end with."""

import contextlib
import importlib.util
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import testnet

ROOT = pathlib.Path(__file__).parents[2]


class Tutorials(unittest.TestCase):
    def run_tutorial(self, name):
        """What each of its blocks printed."""
        text = (ROOT / "docs" / "tutorials" / name).read_text()
        for port in sorted(set(re.findall(r"127\.0\.0\.1:(\d+)", text))):
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        home = folder / "home"
        home.mkdir()
        (home / "kith").symlink_to(ROOT)
        paths = [str(pathlib.Path(testnet.KITH).parent), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]
        script = folder / "tutorial.sh"
        blocks = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.S | re.M)
        script.write_text("set -e\n" + "echo =====\n".join(blocks))
        with open(folder / "said.txt", "w+b") as said:
            run = subprocess.Popen(["bash", script.name], cwd=folder, env=os.environ | {"PATH": ":".join(paths), "HOME": str(home)},
                                   stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
            try:
                status = run.wait(240)
            finally:
                with contextlib.suppress(ProcessLookupError):  # it has none
                    os.killpg(run.pid, signal.SIGTERM)  # its nodes
        printed = (folder / "said.txt").read_text()
        self.assertEqual(status, 0, printed)
        return printed.split("=====\n")

    @unittest.skipUnless(importlib.util.find_spec("torch"), "no PyTorch for this Python; install Debian's python3-torch")
    def test_a_pytorch_model_comes_back_as_good_as_its_card_says(self):
        printed = self.run_tutorial("own-model.md")
        self.assertRegex(printed[2], r"net.pt can be the model of the task wards")
        self.assertRegex(printed[2], r"body.1.running_mean +32 +buffer +32 +kept")
        self.assertRegex(printed[3], r"AUROC +\d+\.\d % served, \d+\.\d % alone")
        self.assertRegex(printed[3], r"served +alone\naccuracy +\d+\.\d %")
        here, there = re.search(r"accuracy (\d+\.\d) %, and Kith said (\d+\.\d) %", printed[4]).groups()
        self.assertEqual(here, there)
        rows, worst = re.search(r"the probabilities of (\d+) rows differ by (\d\.\d+) at most", printed[5]).groups()
        self.assertEqual(rows, "500")
        self.assertLess(float(worst), 1e-5)

    @unittest.skipUnless(importlib.util.find_spec("numpy"), "no NumPy for this Python; install Debian's python3-numpy")
    def test_workshops_see_a_ring_by_a_worker_in_python(self):
        printed = self.run_tutorial("own-worker.md")
        self.assertRegex(printed[0], r"\n4\d passed, 1 to look at \(WARN\), 0 to mend \(FAIL\)\.")
        served, alone = map(float, re.search(r"accuracy +(\d+\.\d) % +(\d+\.\d) %", printed[2]).groups())
        self.assertGreater(served, alone)
        picture = printed[3].split("fails\n")[1].split("\n")[:20]
        self.assertEqual({len(row) for row in picture}, {40})
        ring = [picture[10 - up][20 + right] for up, right in [(6, 0), (-6, 0), (0, 12), (0, -12), (4, 8), (-4, -8)]]
        self.assertGreaterEqual(sum(each in "+#@" for each in ring), 5, printed[3])
        self.assertIn(picture[10][20], " .:", printed[3])
        rows, worst = re.search(r"(\d+) answers .* differ by (\d\.\d+) at most", printed[3]).groups()
        self.assertEqual(rows, "800")
        self.assertLess(float(worst), 1e-5)

    def test_two_clinics_gain_by_a_spreadsheet_as_it_is(self):
        printed = self.run_tutorial("spreadsheet.md")
        self.assertRegex(printed[1], r'name = "patient"\ngroup = true')
        self.assertRegex(printed[1], r'name = "ward"\nkind = "category"\nvalues = \["(east", "west|west", "east)"\]')
        self.assertEqual(len(re.findall(r"^fine$", printed[2], flags=re.M)), 2, printed[2])
        self.assertRegex(printed[2], "80 groups")
        self.assertRegex(printed[4], r"accuracy +\d+\.\d % served, \d+\.\d % alone \(test\)")
        self.assertRegex(printed[4], r"rho +-?\d+\.\d\d \[.*\n +newest .* in round \d+, on \d+ validation examples")
        self.assertRegex(printed[4], r"is, said +no +yes")

    def test_shops_whose_cameras_hang_alike_find_each_other(self):
        printed = self.run_tutorial("pictures.md")
        self.assertRegex(printed[1], r'model = "cnn"')
        self.assertRegex(printed[1], r'labels = \["bag", "boot", ')
        clusters = re.findall(r"^  cluster +(.*)$", printed[3], flags=re.M)
        nobody = "nobody: no peer's model helped in the last round"
        self.assertEqual(clusters[2], nobody)
        self.assertIn(clusters[:2], [["b", "a"], ["b", nobody], [nobody, "a"]])
        self.assertRegex(printed[3], r"verdict +not admitted")

    def test_labs_that_name_grades_in_their_own_way_gain_with_heads_of_their_own(self):
        printed = self.run_tutorial("private-head.md")
        whole, head = (dict(re.findall(r"^(local|lia) +(\d+\.\d)", part, flags=re.M)) for part in printed[1].split("\nhead\n"))
        self.assertLess(float(whole["lia"]), float(whole["local"]) + 1)
        self.assertGreater(float(head["lia"]), float(head["local"]) + 1)
        self.assertRegex(printed[2], r'share = \["linear\*"\]')
        self.assertRegex(printed[2], r"a snapshot travels in \d")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


if __name__ == "__main__":
    testnet.main()
