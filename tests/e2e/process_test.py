"""What the two processes of a node may have: memory, libraries, sockets."""

import contextlib
import os
import pathlib
import re
import subprocess
import unittest

import testnet
from testnet import KITH, Testnet

MEMORY = 256 << 10  # KiB, of the network process, however large the model is
LISTEN = "0A"  # in /proc/net/tcp


def status(pid, field):
    return status_of(pathlib.Path(f"/proc/{pid}"), field)


def status_of(folder, field):
    text = (folder / "status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)[1])


def sockets(pid):
    """Inodes, one for each file descriptor that is a socket."""
    found = []
    for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # files come and go while it works; its socket stays
            target = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor))
            if target:
                found.append(target[1])
    return found


def listening_ports(pid):
    inodes = set(sockets(pid))
    ports = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and (fields[3] == LISTEN or table.startswith("udp")):
                ports.append(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


class Processes(unittest.TestCase):
    def test_the_network_process_is_confined_in_every_thread_and_starts_its_worker_again(self):
        with Testnet(nodes=2, settings=testnet.QUICK) as net:
            net.start()
            net.wait_for_rounds(1, 60)
            node = net.nodes[0]
            status = node.status()
            held = {guard["name"]: guard["holds"] for guard in status["own_guards"]}
            self.assertEqual(set(held), {"files", "processes", "sockets", "kernel"})
            self.assertTrue(all(held.values()) or node.events("kith_not_confined"), held)
            if not all(held.values()):
                self.skipTest("this system does not grant it")
            self.assertIn("confined: files", testnet.kith("status", "--dir", node.directory).stdout)
            for task in pathlib.Path(f"/proc/{node.process.pid}/task").iterdir():
                self.assertEqual(status_of(task, "Seccomp"), 2)
                self.assertEqual(status_of(task, "NoNewPrivs"), 1)
            core = pathlib.Path(f"/proc/{node.process.pid}/limits").read_text()
            self.assertRegex(core, r"Max core file size +0 +0")
            os.kill(status["worker_pid"], 9)
            done = node.finished()
            net.wait("it learns with another worker", lambda: node.finished() > done + 1, 60)
            self.assertNotEqual(node.status()["worker_pid"], status["worker_pid"])
            self.assertEqual(node.stop(), 0)

    def test_the_network_process_links_no_tensors(self):
        libraries = subprocess.run(["ldd", KITH], capture_output=True, text=True, check=True).stdout
        self.assertIn("libsodium", libraries)
        self.assertNotRegex(libraries, "(?i)torch|blas|c10|lapack|gomp")

    def test_the_network_process_stays_small_and_the_worker_has_one_socket_and_no_more(self):
        # 1.9 million weights: 7 MiB a snapshot, and several dozen of them pass.
        settings = testnet.QUICK | {"task.sizes": [1024, 1024], "learning.strategy": "fedavg"}
        with Testnet(nodes=3, settings=settings) as net:
            net.start()
            net.wait("averaging with everyone", lambda: all(
                peer["averaged"] for node in net.nodes for peer in node.peers().values()), 60)  # fmt: skip
            net.wait("several snapshots each", lambda: all(
                node.status()["bytes_in"] > 20 << 20 for node in net.nodes), 60)  # fmt: skip
            for node in net.nodes:
                with self.subTest(node.name):
                    network, worker = node.process.pid, node.status()["worker_pid"]
                    self.assertLess(status(network, "VmHWM"), MEMORY)
                    self.assertEqual(listening_ports(network), [node.port])

                    self.assertEqual(status(worker, "PPid"), network)
                    self.assertEqual(len(sockets(worker)), 1)
                    self.assertEqual(listening_ports(worker), [])
                    self.assertEqual(status(worker, "Seccomp"), 2)
                    self.assertEqual(status(worker, "NoNewPrivs"), 1)

    def test_the_control_socket_is_for_its_owner_alone(self):
        with Testnet(nodes=2, settings=testnet.QUICK) as net:
            net.start()
            net.wait_for_rounds(1, 60)
            for node in net.nodes:
                mode = (node.directory / "control.sock").stat().st_mode
                self.assertEqual(mode & 0o077, 0, oct(mode))
                self.assertEqual((node.state).stat().st_mode & 0o077, 0)


if __name__ == "__main__":
    testnet.main()
