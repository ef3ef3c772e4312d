"""Runs the lines of every tutorial, as they stand in docs/tutorials, and looks at what they end with."""

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
        paths = [str(pathlib.Path(testnet.KITH).parent), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]
        script = folder / "tutorial.sh"
        blocks = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.S | re.M)
        script.write_text("set -e\n" + "echo =====\n".join(blocks))
        with open(folder / "said.txt", "w+b") as said:
            run = subprocess.Popen(["bash", script.name], cwd=folder, env=os.environ | {"PATH": ":".join(paths)},
                                   stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
            try:
                status = run.wait(240)
            finally:
                os.killpg(run.pid, signal.SIGTERM)  # its nodes
        printed = (folder / "said.txt").read_text()
        self.assertEqual(status, 0, printed)
        return printed.split("=====\n")

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


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


if __name__ == "__main__":
    try:
        import torch  # noqa: F401
    except ImportError:
        print("SKIPPED: no PyTorch for this Python; install Debian's python3-torch")
        sys.exit(77)
    testnet.main()
