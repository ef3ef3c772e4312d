"""A node whose models were averaged with, and are to be forgotten: what can be undone is, and what cannot is said."""

import json
import unittest

import testnet
from testnet import NOINPUT, USAGE, Testnet

TEMPFAIL = 75
ALONE = 6  # rounds without the one that comes late


class Forgetting(testnet.Verbs):
    def forget(self, node, *arguments, status=0):
        return self.done("forget", "--dir", node.directory, *arguments, status=status)

    def test_the_model_of_before_comes_back_and_what_cannot_be_undone_is_said(self):
        settings = testnet.QUICK | {"learning.rounds": 0, "learning.strategy": "fedavg"}
        with Testnet(nodes=3, settings=settings) as net:
            first, second, late = net.nodes
            self.assertIn("has learnt nothing", self.forget(first, late.name, status=NOINPUT))
            for node in (first, second):
                node.start()
            net.wait("some rounds of two", lambda: all(node.finished() >= ALONE for node in (first, second)), 60)
            late.start()
            with_it = lambda: [
                report["round"] for report in first.rounds(1000)
                if late.name in {member["name"] for member in report["members"]}
            ]  # fmt: skip
            net.wait(f"{first.name} has averaged with {late.name}", lambda: len(with_it()) >= 3, 60)
            self.assertIn("is using", self.forget(first, late.name, status=TEMPFAIL))
            self.assertEqual(first.stop(), 0)
            history = {int(file.stem): file.read_bytes() for file in (first.state / "history").iterdir()}
            self.assertIn("there are: node-1, node-2, node-3", self.forget(first, "nobody", status=USAGE))
            self.assertIn("is this node", self.forget(first, first.name, status=USAGE))
            nothing = json.loads(self.forget(first, late.name, "--json", "--from", 1_000_000))
            self.assertEqual((nothing["rounds_with_it"], nothing["rounds_lost"]), (0, 0))

            told = json.loads(self.forget(first, late.name, "--json", "--deny"))
            self.assertGreaterEqual(told["rounds_with_it"], 3)
            self.assertGreater(told["first"], ALONE)
            expected = max(round for round in history if round < told["first"])
            self.assertEqual(told["back_to"], expected)
            self.assertEqual((first.state / "checkpoint.safetensors").read_bytes(), history[expected])
            self.assertEqual(told["may_carry_it"], [second.name])
            self.assertFalse(told["may_come_again"])
            self.assertLessEqual({int(file.stem) for file in (first.state / "history").iterdir()}, set(range(expected + 1)))
            again = self.forget(first, late.name)
            self.assertIn("nothing is changed", again)
            self.assertIn(f"Models of {second.name} were averaged", again)

            first.start()
            net.wait("it goes on from there", lambda: first.finished() > expected, 60)
            self.assertEqual(first.events("opened")[-1]["round"], expected)
            net.wait("and further", lambda: first.finished() > expected + 3, 60)
            self.assertEqual(with_it(), [])
            self.assertEqual(first.peers()[late.name]["ignored"]["reason"], "denied")
            for node in net.nodes:
                self.assertEqual(node.stop(), 0)
            self.done("log", "verify", "--dir", first.directory)
            log = json.loads(self.done("log", "show", "--json", "--last", 100_000, "--dir", first.directory))
            [entry] = [entry for entry in log if entry["event"] == "forgot"]
            self.assertEqual((entry["name"], entry["back_to"]), (late.name, expected))

    def test_who_was_averaged_with_from_the_first_round_on_leaves_nothing_but_the_beginning(self):
        with Testnet(nodes=2, settings=testnet.QUICK | {"learning.strategy": "fedavg", "limits.history": 0}) as net:
            first, second = net.nodes
            net.start()
            net.wait("they have averaged", lambda: any(r["members"] for r in first.rounds(100)), 60)
            self.assertEqual(first.stop(), 0)
            self.assertFalse((first.state / "history").exists())
            said = self.forget(first, second.name)
            self.assertIn("it begins anew", said)
            self.assertIn("--deny", said)
            first.start()
            net.wait("it learns again", lambda: first.finished() >= 1, 60)
            self.assertEqual(first.events("opened")[-1]["round"], 0)


if __name__ == "__main__":
    testnet.main()
