"""A worker of one's own: kith worker check on the one in examples/, on kith-worker, and on some that are broken."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import testnet

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "python-worker"
PATH = "/usr/bin:" + os.environ["PATH"]  # Debian's Python has Debian's NumPy


def check(*arguments):
    """The exit status, and the checks by name."""
    command = [testnet.KITH, "worker", "check", "--json", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=os.environ | {"PATH": PATH})
    if not done.stdout:
        return done.returncode, done.stderr
    return done.returncode, {each["name"]: each for each in json.loads(done.stdout)["checks"]}


class OwnWorker(unittest.TestCase):
    def results(self, checks, result):
        return {name: each["help"] for name, each in checks.items() if each["result"] == result}

    def test_the_worker_in_python_keeps_to_the_protocol(self):
        status, checks = check(EXAMPLE / "worker.py")
        self.assertEqual(self.results(checks, "FAIL"), {})
        self.assertEqual(list(self.results(checks, "WARN")), ["privacy"])
        self.assertEqual(status, 0)
        self.assertGreater(len(checks), 40)

    def test_so_does_ours(self):
        status, checks = check("--model", "mlp", pathlib.Path(testnet.KITH).parent / "kith-worker")
        self.assertEqual(self.results(checks, "FAIL"), {})
        self.assertEqual(self.results(checks, "WARN"), {})
        self.assertEqual(status, 0)

    def test_a_command_may_have_arguments(self):
        status, checks = check("--only", "before open", "--", "python3", "-B", EXAMPLE / "worker.py")
        self.assertEqual((status, list(checks), self.results(checks, "FAIL")), (0, ["before open"], {}))

    def test_what_cannot_be_checked_is_said_in_a_sentence(self):
        for arguments, why in [
            (["/no/such/worker"], "there is no program /no/such/worker"),
            (["--only", "all of it", EXAMPLE / "worker.py"], 'there is no check "all of it"'),
            (["--task", "task.toml", EXAMPLE / "worker.py"], "give --task and --train together"),
        ]:
            status, said = check(*arguments)
            self.assertNotEqual(status, 0)
            self.assertRegex(said, rf"\Akith: {why}[^\n]*\n\Z")

    def test_a_worker_that_breaks_a_rule_fails_the_check_of_that_rule(self):
        """Each of these is the example with a line changed; so no check passes whatever the worker does."""
        for file, right, wrong, name in [
            ("kith_worker.py", "os._exit(0)", "pass", "end amid work"),
            ("kith_worker.py", "            if file is not None:\n                os.close(file)\n", "", "files"),
            ("kith_worker.py", "default_rng([self.seed, round_, epoch])", "default_rng()", "the same again"),
            ("kith_worker.py", '"unknowable":', '"unknowabel":', "open"),
            ("kith_worker.py", "total += weight / sum(weights) *", "total += weight *", "try"),
            ("kith_worker.py", "require(np.isfinite(values).all(),", "require(True,", "bad snapshots"),
            ("kith_worker.py", "if seals & SEALS != SEALS:", "if False:", "bad snapshots"),
            ("kith_worker.py", "rows.append(self.row(vector)[:examples])", "rows.append(self.row(vector)[-examples:])", "scores of fewer"),
            ("kith_worker.py", "said == hash_of(", "said or hash_of(", "bad checkpoints"),
            ("kith_worker.py", "(self.averaged, self.baseline, self.served))\n", "(self.averaged, self.averaged, self.served))\n", "checkpoint"),
            ("kith_worker.py", "and not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)", "", "limits"),
            ("goal.py", "k = 99 * self.classes", "k = 9 * self.classes", "scores and losses"),
            ("model.py", 'random.Random(seed).random', "random.Random().random", "M0"),
            ("tables.py", "return [0.0, 1.0]", "return [1.0, 0.0]", "predict"),
            ("tables.py", '== (len(column["values"]) if value is None else value)', "== value", "predict"),
        ]:  # fmt: skip
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                copy = pathlib.Path(folder) / "worker"
                shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__"))
                text = (copy / file).read_text()
                self.assertIn(right, text)
                (copy / file).write_text(text.replace(right, wrong))
                status, checks = check("--only", name, copy / "worker.py")
                self.assertEqual((status, list(self.results(checks, "FAIL"))), (1, [name]), checks)


if __name__ == "__main__":
    testnet.main()
