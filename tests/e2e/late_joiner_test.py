"""A node that joins when the others have learnt for a while."""

import unittest

import testnet
from testnet import Testnet

LATE = 10  # rounds
LAST = 5


def partners(node):
    """Whom it averaged with in at least half of its last rounds: by the same rule as the demo's verdict."""
    last = node.rounds(LAST)
    times = {}
    for report in last:
        for member in report["members"]:
            times[member["name"]] = times.get(member["name"], 0) + 1
    assert len(last) == LAST
    return {name for name, count in times.items() if 2 * count >= LAST}


class LateJoiner(unittest.TestCase):
    def test_ends_in_the_right_cluster_and_its_partner_with_it(self):
        settings = {"learning.rounds": 0, "learning.gather": "2s"}
        # 50 of the images judge models: with half of that chance has too much of a say for one seed in four.
        with Testnet(nodes=4, groups=2, images=200, settings=settings) as net:
            *early, late = net.nodes  # node-1 and node-3 are alike; node-2 has been alone until node-4 comes
            for node in early:
                node.start()
            net.wait(f"{LATE} rounds without {late.name}", lambda: all(n.finished() >= LATE for n in early), 60)
            self.assertEqual([partners(node) & {late.name} for node in early], [set()] * 3)
            late.start()
            net.wait(f"{LATE + LAST} rounds of {late.name}", lambda: late.finished() >= LATE + LAST, 90)
            self.assertEqual(partners(late), {"node-2"})
            self.assertEqual(partners(net.nodes[1]), {late.name})
            for node, alike in ((net.nodes[0], "node-3"), (net.nodes[2], "node-1")):
                self.assertLessEqual(partners(node), {alike}, f"{node.name} averages with strangers")



if __name__ == "__main__":
    testnet.main()
