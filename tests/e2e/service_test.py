"""Kith as a service: what it tells systemd, what its unit leaves open, and what its packages hold."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import testnet
from testnet import KITH, Testnet, end_with_parent

ROOT = pathlib.Path(__file__).parents[2]
UNIT = ROOT / "packaging" / "kith.service"
EXPOSURE = 1.5  # of 10, as systemd-analyze counts


class Notified(unittest.TestCase):
    def test_systemd_hears_ready_status_watchdog_reloading_and_stopping(self):
        with Testnet(nodes=2, settings=testnet.QUICK) as net, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            node = net.nodes[0]
            path = tempfile.mkdtemp(prefix="kith-") + "/notify"
            manager.bind(path)
            manager.settimeout(30)
            surroundings = os.environ | {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1500000"}
            with open(node.log, "ab") as log:
                node.process = subprocess.Popen([KITH, "run", "--config", node.config_file], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                env=surroundings, preexec_fn=end_with_parent)  # fmt: skip
            heard, times = [], []

            def hear(pattern, seconds=60):
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    heard.append(manager.recv(4096).decode())
                    if heard[-1] == "WATCHDOG=1":
                        times.append(time.monotonic())
                    if re.search(pattern, heard[-1]):
                        return heard[-1]
                self.fail(f"not heard: {pattern}; but {heard}")

            hear(r"\AREADY=1\Z")
            self.assertEqual(node.status()["name"], node.name)  # whoever waits for it can ask
            hear(r"\ASTATUS=round [1-9]\d*, .*; 0 of 1 peers connected")
            del times[:]
            for _ in range(4):
                hear("WATCHDOG")
            self.assertLess(max(later - sooner for sooner, later in zip(times, times[1:])), 1.5)
            node.process.send_signal(signal.SIGHUP)
            self.assertRegex(hear("RELOADING"), r"\ARELOADING=1\nMONOTONIC_USEC=\d+\Z")
            hear(r"\AREADY=1\Z")
            node.config_file.write_text(node.config_file.read_text() + "nonsense\n")  # all or nothing, and it goes on
            node.process.send_signal(signal.SIGHUP)
            hear("RELOADING")
            hear(r"\AREADY=1\Z")
            self.assertEqual(len(node.events("not_reloaded")), 1)
            begun = time.monotonic()
            self.assertEqual(node.stop(30), 0)
            self.assertLess(time.monotonic() - begun, 10)
            hear(r"\ASTOPPING=1")
            self.assertEqual([text for text in heard if "READY=1" in text].count("READY=1"), 3)
            shutil.rmtree(pathlib.Path(path).parent)


class Unit(unittest.TestCase):
    def setting(self, name):
        return re.findall(rf"(?m)^{name}=(.*)$", UNIT.read_text())

    def test_it_leaves_little_open(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not here; install Debian's package systemd")
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT], capture_output=True, text=True)
        found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        if not found:
            self.skipTest(f"systemd-analyze cannot judge a file: {done.stderr.strip()}")
        self.assertLessEqual(float(found[1]), EXPOSURE, done.stdout)

    def test_it_starts_what_kith_has_and_waits_as_long_as_promised(self):
        (command,) = self.setting("ExecStart")
        program, *arguments = command.split()
        self.assertEqual(pathlib.Path(program).name, "kith")
        usage = subprocess.run([KITH, "help", arguments[0]], capture_output=True, text=True)
        self.assertEqual(usage.returncode, 0, usage.stderr)
        self.assertIn(arguments[1], usage.stdout)
        self.assertEqual(self.setting("Type"), ["notify"])
        self.assertEqual(self.setting("TimeoutStopSec"), ["30"])
        # With these it would start in vain again and again.
        codes = self.setting("RestartPreventExitStatus")[0].split()
        table = (ROOT / "docs" / "operations.md").read_text()
        for code in codes:
            self.assertRegex(table, rf"(?m)^\| {code} \| EX_")
        self.assertFalse({"69", "70", "71", "74", "75"} & set(codes), "docs/operations.md says these are worth trying again")

    def test_what_is_made_of_the_help_texts_can_be_read(self):
        page = subprocess.run([KITH, "help", "--man"], capture_output=True, text=True, check=True).stdout
        for verb in ("run", "doctor", "support\\-bundle", "charter propose"):
            self.assertIn(f".SS kith {verb}\n", page)
        if shutil.which("groff"):
            shown = subprocess.run(["groff", "-man", "-Tascii", "-ww", "-z"], input=page, capture_output=True, text=True)
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        completion = subprocess.run([KITH, "help", "--bash"], capture_output=True, text=True, check=True).stdout
        ask = completion + '\nCOMP_WORDS=(kith charter pro) COMP_CWORD=2; _kith; echo "${COMPREPLY[@]}"'
        self.assertEqual(subprocess.run(["bash", "-c", ask], capture_output=True, text=True).stdout.split(), ["propose"])
        ask = completion + '\nCOMP_WORDS=(kith status --wa) COMP_CWORD=2; _kith; echo "${COMPREPLY[@]}"'
        self.assertEqual(subprocess.run(["bash", "-c", ask], capture_output=True, text=True).stdout.split(), ["--watch"])


class Packages(unittest.TestCase):
    def test_they_hold_what_they_should(self):
        packages = {file.name.split("_")[0]: file for file in (pathlib.Path(KITH).parents[1] / "packages").glob("*.deb")}
        if not packages or not shutil.which("dpkg-deb"):
            self.skipTest("there are no packages; scripts/package makes them")
        self.assertEqual(set(packages), {"kith", "kith-worker", "kith-doc"})
        wanted = {
            "kith": ["/usr/bin/kith", "/usr/lib/systemd/system/kith.service", "/etc/kith/kith.env", "/usr/share/man/man1/kith.1.gz",
                     "/usr/share/bash-completion/completions/kith", "/usr/share/doc/kith/copyright"],
            "kith-worker": ["/usr/bin/kith-worker", "/usr/share/doc/kith-worker/copyright"],
            "kith-doc": ["/usr/share/doc/kith/operations.md", "/usr/share/doc/kith-doc/copyright"],
        }  # fmt: skip
        for name, files in wanted.items():
            listed = subprocess.run(["dpkg-deb", "--contents", packages[name]], capture_output=True, text=True, check=True).stdout.splitlines()
            owners = {line.split()[1] for line in listed}
            self.assertEqual(owners, {"root/root"}, name)
            paths = {line.split()[5].lstrip(".") for line in listed}
            self.assertEqual([file for file in files if file not in paths], [], name)
            self.assertEqual([path for path in paths if not path.startswith(("/usr", "/etc")) and path != "/"], [], name)
        conffiles = subprocess.run(["dpkg-deb", "--info", packages["kith"], "conffiles"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(conffiles.split(), ["/etc/kith/kith.env"])
        depends = subprocess.run(["dpkg-deb", "--field", packages["kith"], "Depends"], capture_output=True, text=True, check=True).stdout
        self.assertIn("libsodium23", depends)
        self.assertNotIn("torch", depends)


if __name__ == "__main__":
    testnet.main()
