"""Convenor mode: some leave it to one of them who belongs together, and one chooses for itself."""

import unittest

import testnet
from testnet import Testnet

ENOUGH = 10  # rounds
LAST = 5


def partners(node):
    """Whom it averaged with in at least half of its last rounds: by the same rule as the demo's verdict."""
    times = {}
    for report in node.rounds(LAST):
        for member in report["members"]:
            times[member["name"]] = times.get(member["name"], 0) + 1
    return {name for name, count in times.items() if 2 * count >= LAST}


def assignment(node):
    """What its last report says of the convenor; None if it uses none."""
    return (node.status()["last_round"]["why"] or {}).get("convenor")


class Convenor(unittest.TestCase):
    def test_members_who_agree_are_grouped_and_the_others_choose_for_themselves(self):
        settings = {"learning.rounds": 0, "learning.gather": "2s"}
        # node-1, node-3 and node-5 are alike, and so are node-2 and node-4.
        with Testnet(nodes=5, groups=2, images=200, settings=settings) as net:
            *members, alone = net.nodes
            for node in members:
                node.configure({"learning.convenor": "node-1"})
            net.start()
            net.wait(f"{ENOUGH} rounds", lambda: all(node.finished() >= ENOUGH for node in net.nodes), 120)
            ids = {node.name: node.status()["id"] for node in net.nodes}
            for node, alike in (("node-1", "node-3"), ("node-3", "node-1"), ("node-2", "node-4"), ("node-4", "node-2")):
                said = assignment(net.nodes[int(node[-1]) - 1])
                self.assertTrue(said["followed"], (node, said))
                self.assertEqual(said["assigned"], [ids[alike]])
                self.assertEqual(said["id"], ids["node-1"])
                self.assertLessEqual(said["age"], 3)
            self.assertEqual(assignment(net.nodes[0])["rows"], 4)  # node-5 is in no matrix
            self.assertIsNone(assignment(alone))
            # A round may go without one of those alike, where the average is better without; never with another.
            alike = [{"node-1", "node-3", "node-5"}, {"node-2", "node-4"}]
            for index, node in enumerate(net.nodes):
                self.assertTrue(partners(node), node.name)
                self.assertLessEqual(partners(node), alike[index % 2] - {node.name})

            # Without the convenor its last assignment grows old, and they go on by themselves.
            net.nodes[0].kill()
            last = members[1].finished()
            net.wait("rounds without the convenor", lambda: members[1].finished() >= last + 8, 60)
            self.assertFalse(assignment(members[1])["followed"])
            self.assertIn("rounds old", assignment(members[1])["reason"])
            self.assertEqual(partners(members[1]), {"node-4"})


if __name__ == "__main__":
    testnet.main()
