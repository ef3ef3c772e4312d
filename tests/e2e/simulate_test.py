"""kith simulate: whole runs with real workers."""

import copy
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import testnet
from testnet import CONFIG, DATAERR, INTERRUPTED, KITH, NOINPUT, USAGE, processes_in

SMALL = """
[simulation]
name = "small"
strategies = [{strategies}]

[partition]
kind = "rotation"
nodes = {nodes}
groups = 2
train = 60
test = 50

[learning]
rounds = {rounds}
epochs = 2
warmup_epochs = 4
gather = "10s"
"""


def without_seconds(results):
    """What must not depend on how fast the machine is."""
    results = copy.deepcopy(results)
    for line in results["summary"]:
        del line["seconds"], line["scoring"]
    for run in results["runs"]:
        del run["seconds"]
        for node in run["nodes"]:
            for report in node["rounds"]:
                del report["seconds"]
    return results


class Simulate(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="kith-e2e-")))

    def scenario(self, extra="", strategies='"lia"', nodes=4, rounds=3):
        file = self.folder / "scenario.toml"
        file.write_text(SMALL.format(strategies=strategies, nodes=nodes, rounds=rounds) + extra)
        return file

    def simulate(self, file, out="out", status=0):
        done = subprocess.run([KITH, "simulate", file, "--out", self.folder / out, "--json"], capture_output=True,
                              text=True, timeout=200)  # fmt: skip
        self.assertEqual(done.returncode, status, done.stderr)
        return json.loads(done.stdout) if status == 0 else done.stderr

    def test_private_training_repeats_itself_and_stops_publishing_when_its_budget_is_spent(self):
        def privacy(budget, out):
            extra = f"\n[privacy]\nnoise = 2.0\nepsilon = {budget}\n"
            return self.simulate(self.scenario(extra, strategies='"fedavg", "local"', rounds=4), out)

        free, again = privacy(0, "free"), privacy(0, "again")
        self.assertEqual(without_seconds(free), without_seconds(again))
        shared, alone = free["runs"]
        for node in alone["nodes"]:  # nothing leaves, nothing to hide
            self.assertTrue(all(report["privacy"] is None for report in node["rounds"]))
        for node in shared["nodes"]:
            self.assertTrue(all(report["privacy"]["published"] for report in node["rounds"]))
        spent = [report["privacy"]["epsilon"] for report in shared["nodes"][0]["rounds"]]
        self.assertEqual(spent, sorted(set(spent)))

        budget = (spent[1] + spent[2]) / 2
        tight = privacy(budget, "tight")["runs"][0]
        for node, without_end in zip(tight["nodes"], shared["nodes"]):
            costs = [report["privacy"]["epsilon"] for report in without_end["rounds"]]
            published = [cost <= budget for cost in costs]
            last = max(cost for cost in costs if cost <= budget)
            rounds = node["rounds"]
            self.assertEqual([report["privacy"]["published"] for report in rounds], published)
            self.assertEqual([report["privacy"]["epsilon"] for report in rounds], [min(cost, last) for cost in costs])
            self.assertTrue(rounds[3]["members"])  # it goes on averaging with what the others published
        self.assertEqual([report["privacy"]["published"] for report in tight["nodes"][0]["rounds"]], [True, True, False, False])

    def test_same_scenario_gives_the_same_results_whatever_the_machine_does(self):
        file = self.scenario("[network]\nslowest = 2.5\nloss = 0.2\n", strategies='"lia", "dac", "ifca"')
        first = self.simulate(file)
        second = self.simulate(file, "other")
        self.assertEqual(without_seconds(first), without_seconds(second))
        self.assertEqual([run["strategy"] for run in first["runs"]], ["lia", "dac", "ifca"])
        report = (self.folder / "out" / "report.html").read_text()
        self.assertIn("small", report)
        times = [node["rounds"][-1]["time"] for node in first["runs"][0]["nodes"]]
        self.assertLess(1.2 * min(times), max(times))  # the slowest took its time

    def test_goes_on_where_it_was_interrupted(self):
        file = self.scenario(strategies='"local", "lia"', rounds=4)
        process = subprocess.Popen([KITH, "simulate", file, "--out", self.folder / "out"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        first = self.folder / "out" / "seed-1" / "local.json"
        end = time.monotonic() + 60
        while not first.exists() and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20), INTERRUPTED)
        self.assertEqual(processes_in(self.folder), [])
        finished = first.stat().st_mtime_ns
        results = self.simulate(file)
        self.assertEqual(first.stat().st_mtime_ns, finished)  # not done again
        self.assertEqual([run["strategy"] for run in results["runs"]], ["local", "lia"])
        more = testnet.kith("simulate", file, "--out", self.folder / "out", "--seeds", "1,2", "--strategies", "local",
                            "--json", seconds=100)  # fmt: skip
        self.assertEqual([run["seed"] for run in json.loads(more.stdout)["runs"]], [1, 2])
        self.assertEqual(first.stat().st_mtime_ns, finished)  # not even for another seed
        changed = self.scenario(strategies='"local", "lia"', rounds=2)
        self.assertEqual(len(self.simulate(changed)["runs"][0]["nodes"][0]["rounds"]), 2)  # another scenario is

    def test_what_another_program_finished_is_done_again_unless_it_may_count(self):
        file = self.scenario(strategies='"local"', rounds=1)
        first = self.simulate(file)["runs"][0]
        folder = self.folder / "other-program"  # a worker of another build: the same but for a byte at its end
        folder.mkdir()
        for name in ("kith", "kith-worker"):
            shutil.copy(pathlib.Path(KITH).parent / name, folder)
        with open(folder / "kith-worker", "ab") as worker:
            worker.write(b"!")
        result = self.folder / "out" / "seed-1" / "local.json"
        finished = result.stat().st_mtime_ns
        command = [folder / "kith", "simulate", file, "--out", self.folder / "out", "--json"]
        reused = json.loads(subprocess.run([*command, "--any-program"], capture_output=True, check=True, timeout=100).stdout)
        self.assertEqual(reused["runs"], [first])
        self.assertEqual(result.stat().st_mtime_ns, finished)
        again = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=100).stdout)["runs"][0]
        self.assertNotEqual(result.stat().st_mtime_ns, finished)
        self.assertNotEqual(again["program"], first["program"])

    def test_absent_nodes_are_not_there_and_families_are_the_true_groups(self):
        extra = "[data]\nabsent = 1\nfamilies = [7, 7]\n"
        run = self.simulate(self.scenario(extra, strategies='"oracle"', rounds=1))["runs"][0]
        names = ["node-1", "node-2", "node-3"]
        self.assertEqual([(node["name"], node["group"]) for node in run["world"]], [(name, 7) for name in names])
        for node in run["nodes"]:
            partners = {member["name"] for member in node["rounds"][0]["members"]}
            self.assertEqual(partners, set(names) - {node["name"]})
        error = self.simulate(self.scenario("[data]\nabsent = 3\n"), "nobody", CONFIG)
        self.assertIn("must leave two nodes", error)

    def test_attackers_and_drift_are_what_the_scenario_says(self):
        extra = '[attack]\nkind = "nan"\nnodes = 1\n[drift]\nround = 2\nshare = 0.25\n'
        results = self.simulate(self.scenario(extra, strategies='"fedavg", "oracle"', nodes=5))
        world = results["runs"][0]["world"]
        self.assertEqual([node["attack"] for node in world], [None] * 4 + ["nan"])
        moved = [node["name"] for node in world if node["group"] != node["group_after_drift"]]
        self.assertEqual(moved, ["node-1"])
        for node in results["runs"][0]["nodes"]:  # not even who averages with everybody takes in NaN
            for report in node["rounds"]:
                self.assertNotIn("node-5", [member["name"] for member in report["members"]])
        oracle = {node["name"]: node["rounds"] for node in results["runs"][1]["nodes"]}
        partners = [{member["name"] for member in report["members"]} for report in oracle["node-1"]]
        self.assertEqual(partners, [{"node-3"}, {"node-2", "node-4"}, {"node-2", "node-4"}])

    # They are good alone and so come first, and ruin every average: three of them ended the search before anybody honest was tried.
    def test_colluders_do_not_keep_the_honest_from_averaging(self):
        file = self.scenario('[attack]\nkind = "collude"\nnodes = 3\n', nodes=8, rounds=6)
        changes = {'"rotation"': '"iid"', "groups = 2": "groups = 1", "train = 60": "train = 120", "epochs = 2": "epochs = 3",
                   "warmup_epochs = 4": "warmup_epochs = 10"}  # fmt: skip
        text = file.read_text()
        for old, new in changes.items():
            self.assertIn(old, text)
            text = text.replace(old, new, 1)
        file.write_text(text)
        run = self.simulate(file)["runs"][0]
        honest = {fact["name"] for fact in run["world"] if fact["attack"] is None}
        partners = [len(honest & {member["name"] for member in report["members"]})
                    for node in run["nodes"] if node["name"] in honest for report in node["rounds"][4:]]
        self.assertGreater(sum(partners) / len(partners), 3)  # of four

    def test_success_of_a_backdoor_is_reported(self):
        extra = '[attack]\nkind = "backdoor"\nnodes = 1\n'
        shared, alone = self.simulate(self.scenario(extra, strategies='"fedavg", "local"', nodes=3))["summary"]
        for summary in (shared, alone):
            self.assertTrue(0 <= summary["backdoor"] <= 1)
        self.assertGreater(shared["backdoor"], alone["backdoor"])
        page = (self.folder / "out" / "report.html").read_text()
        self.assertTrue("backdoor succeeds" in page)

    def test_attacks_that_measure_repeat_themselves(self):
        extra = '[attack]\nkind = "sybil"\nnodes = 2\n'
        file = self.scenario(extra, strategies='"lia", "median"', nodes=6)
        first = self.simulate(file)
        self.assertEqual(without_seconds(first), without_seconds(self.simulate(file, "other")))
        members = [member for node in first["runs"][1]["nodes"] for member in node["rounds"][1]["members"]]
        self.assertTrue(members)  # the median says whose models are in it

    def test_runs_on_anybodys_own_folders(self):
        made = self.simulate(self.scenario(strategies='"local"', rounds=1))
        self.assertEqual(len(made["runs"]), 1)
        data = self.folder / "mine"
        shutil.copytree(self.folder / "out" / "seed-1" / "data", data)
        file = self.folder / "own.toml"
        file.write_text('[simulation]\nname = "own"\nstrategies = ["lia", "fedavg"]\n[data]\ndirectory = "mine"\n'
                        '[task]\nname = "t"\nmodel = "mlp"\nsizes = [16]\n[learning]\nrounds = 2\nepochs = 1\n')  # fmt: skip
        results = self.simulate(file, "own")
        self.assertEqual([node["name"] for node in results["runs"][0]["world"]], sorted(os.listdir(data)))
        self.assertIsNone(results["runs"][0]["world"][0]["group"])
        before = sorted(data.rglob("*"))
        for out in ("mine", "mine/results", "own/../mine"):
            self.assertIn("name another folder with --out", self.simulate(file, out, USAGE))
        self.assertEqual(sorted(data.rglob("*")), before)
        (data / "node-0").mkdir()
        self.assertIn('holds no file whose name begins with "train"', self.simulate(file, "empty", NOINPUT))
        file.write_text(file.read_text().replace('"fedavg"', '"oracle"'))
        shutil.rmtree(data / "node-0")
        self.assertIn("these data have none", self.simulate(file, "oracle", CONFIG))

    # The number of classes and the vocabulary's hash followed from the files in a node's configuration only.
    def test_own_tables_and_texts_run_too(self):
        words = ["one", "two", "three", "four"]
        (self.folder / "words.txt").write_text("\n".join(words) + "\n")
        kinds = [
            ('model = "mlp"\n', '[[task.column]]\nname = "x"\nkind = "number"\nhigh = 9\n'
             '[[task.column]]\nname = "big"\nkind = "yes-no"\ntarget = true\n', DATAERR,
             "".join(f"{x},{'yes' if x > 4 else 'no'}\n" for x in range(10)) * 5),
            ('model = "gru-lm"\nsizes = [4, 8]\n', 'vocabulary = "words.txt"\n', CONFIG, "one two three four\n" * 50),
        ]  # fmt: skip
        for number, (task, key, status_without, examples) in enumerate(kinds):
            for node in ("a", "b"):
                folder = self.folder / f"data-{number}" / node
                folder.mkdir(parents=True)
                (folder / "train.txt").write_text(examples)
            file = self.folder / "own.toml"
            text = ('[simulation]\nname = "own"\nstrategies = ["lia"]\n'
                    f'[data]\ndirectory = "data-{number}"\n[task]\nname = "t"\n{task}{key}'
                    '[learning]\nrounds = 1\nepochs = 1\n')  # fmt: skip
            file.write_text(text)
            with self.subTest(task):
                results = self.simulate(file, f"out-{number}")
                self.assertEqual(len(results["runs"][0]["nodes"]), 2)
                file.write_text(text.replace('name = "t"', 'name = "t"\nclasses = 7'))
                self.assertIn("task.classes must be", self.simulate(file, "wrong", CONFIG))
                file.write_text(text.replace(key, ""))
                self.assertIn("task." + key.split()[0].strip("[]").removeprefix("task."),
                              self.simulate(file, "wrong", status_without))  # fmt: skip

    def test_says_what_is_wrong_before_any_training(self):
        cases = [
            (self.scenario().read_text().replace('"rotation"', '"rotary"'), CONFIG, "partition.kind must be"),
            (self.scenario().read_text().replace('"lia"', '"lio"'), CONFIG, "simulation.strategies must be"),
            (self.scenario('[data]\nmin_validation = 40\n').read_text(), 65, "raise data.validation"),
            (self.scenario().read_text().replace("train = 60", "train = 60000"), 65, "too few examples"),
            (self.scenario("[task]\nclasses = 5\n").read_text(), 65, "label"),
        ]
        for text, status, words in cases:
            file = self.folder / "wrong.toml"
            file.write_text(text)
            with self.subTest(words):
                error = self.simulate(file, "wrong", status)
                *progress, sentence = error.splitlines()
                self.assertIn(words, sentence)
                self.assertTrue(all(" 0/12 rounds" in line for line in progress), progress)  # nobody trained
        self.assertIn("there is no", self.simulate(self.folder / "nowhere.toml", "wrong", NOINPUT))
        self.assertIn("data.directory", self.simulate(self.folder, "wrong", NOINPUT))


if __name__ == "__main__":
    testnet.main()
