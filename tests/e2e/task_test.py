"""Members who agree on another task: a file, which each operator accepts; until all have, each sees whose differs."""

import json
import unittest

import testnet
from testnet import NOINPUT, Testnet

TEMPFAIL = 75


class Tasks(testnet.Verbs):
    def learns(self, node):
        """The hash of its task; None before it has opened it."""
        opened = node.events("opened")
        return opened[-1]["task"] if opened else None

    def task(self, node, verb, *arguments, status=0):
        return self.done("task", verb, "--dir", node.directory, *arguments, status=status)

    def test_another_task_is_accepted_by_one_after_the_other_and_nothing_is_lost(self):
        with Testnet(nodes=2, settings=testnet.QUICK) as net:
            first, second = net.nodes
            net.start()
            net.wait_for_rounds(2, 60)
            before = {node: self.learns(node) for node in net.nodes}
            self.assertEqual(len(set(before.values())), 1)
            file = net.directory / "task.toml"
            shown = json.loads(self.task(first, "show", "--json", "--out", file))
            self.assertEqual(file.read_text(), shown["toml"])
            self.assertIn(shown["fingerprint"], self.task(second, "show"))
            self.assertIn("the task of this node", self.task(second, "diff", file))
            rate = "learning_rate = 0.025\n"
            file.write_text("".join(line for line in shown["toml"].splitlines(True) if "learning_rate" not in line) + rate)
            [differs] = json.loads(self.task(second, "diff", "--json", file))["differs"]
            self.assertEqual((differs["field"], differs["after"]), ("learning_rate", "0.025"))

            self.assertIn("is using", self.task(first, "accept", file, status=TEMPFAIL))
            self.assertEqual(first.stop(), 0)
            own_words = "# what the operator wrote\n" + first.config_file.read_text() + "# and here\n"
            first.config_file.write_text(own_words)
            learnt = max(event["round"] for event in first.events("round_finished"))
            accepted = json.loads(self.task(first, "accept", "--json", file))
            self.assertTrue(accepted["begins_anew"])
            text = first.config_file.read_text()
            self.assertTrue(text.startswith("# what the operator wrote\n") and text.endswith("# and here\n"))
            self.assertEqual(first.config()["task"]["learning_rate"], 0.025)
            aside = first.directory / "state" / f"task-{before[first][:8]}"
            self.assertEqual(len(json.loads((aside / "rounds.json").read_text())), learnt)
            self.assertTrue((aside / "checkpoint.safetensors").exists())
            self.assertIn("already", self.task(first, "accept", file))
            self.assertIn("already", self.task(first, "accept"))

            first.start()
            net.wait("it begins anew", lambda: self.learns(first) not in (None, before[first]), 60)
            for node, other, value in ((first, second, "0.02"), (second, first, "0.025")):
                net.wait(f"{node.name} sees that {other.name} differs", lambda: node.status()["other_tasks"], 30)
                [odd] = node.status()["other_tasks"]
                fields = {field["field"]: field["theirs"] for field in odd["differs"]}
                self.assertEqual((odd["name"], fields), (other.name, {"learning_rate": value}))
            self.assertEqual(second.stop(), 0)
            self.task(second, "accept", file)
            second.start()
            for node in net.nodes:
                net.wait(f"{node.name} learns the new task with the other", lambda: all(
                    peer["connected"] and peer["snapshot"] for peer in node.peers().values()), 60)  # fmt: skip
                self.assertEqual(node.status()["other_tasks"], [])
            self.assertEqual(self.learns(first), self.learns(second))
            for node in net.nodes:
                self.assertEqual(node.stop(), 0)
                self.done("log", "verify", "--dir", node.directory)
                log = json.loads(self.done("log", "show", "--json", "--last", 100_000, "--dir", node.directory))
                [entry] = [entry for entry in log if entry["event"] == "task_accepted"]
                self.assertEqual(entry["fingerprint"], accepted["fingerprint"])

    def test_a_section_changed_by_hand_is_noticed_and_accepted_without_a_file(self):
        with Testnet(nodes=2, settings=testnet.QUICK) as net:
            node = net.nodes[0]
            node.start()
            net.wait_for_rounds(1, 60, [node])
            self.assertEqual(node.stop(), 0)
            node.configure({"task.batch": 16})
            self.assertIn("kith task accept", node.run_to_end().stderr)
            self.assertTrue(json.loads(self.task(node, "accept", "--json"))["begins_anew"])
            node.start()
            net.wait("it learns", lambda: node.status()["finished_round"] >= 1, 60)
            self.assertEqual(node.stop(), 0)

    def test_bad_files_are_refused_and_change_nothing(self):
        with Testnet(nodes=2, settings=testnet.QUICK) as net:
            node = net.nodes[0]
            before = node.config_file.read_text()
            bad = net.directory / "bad.toml"
            self.assertIn("there is no", self.task(node, "accept", bad, status=NOINPUT))
            for text, phrase in (
                ("[task\n", "bad.toml:1"),
                ('[task]\nname = "a"\nbatch = 0\n', "batch"),
                ('[task]\nname = "a"\nbatsh = 8\n', "did you mean"),
                ('[node]\nname = "a"\n', "node"),
            ):
                bad.write_text(text)
                for verb in ("diff", "accept"):
                    self.assertIn(phrase, self.task(node, verb, bad, status=testnet.CONFIG))
            self.assertEqual(node.config_file.read_text(), before)


if __name__ == "__main__":
    testnet.main()
