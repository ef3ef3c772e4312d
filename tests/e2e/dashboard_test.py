"""The dashboard of a real node in a real browser: what it says, that it lives, and what it does where there is nothing to say, far
too much, or nobody behind it."""

import json
import os
import pathlib
import re
import socket
import sqlite3
import sys
import time

import browser
from testnet import QUICK, Testnet, Verbs, kith, main

HOSTILE = "<img src=x onerror=alert(1)>"
PICTURES = os.environ.get("KITH_SCREENSHOTS")  # a folder, to look at


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Dashboard(Verbs):
    """A browser, and what it may load."""

    def setUp(self):
        self.browser = self.enterContext(browser.Browser(may_load="http://127.0.0.1:"))

    def serve(self, node, settings=None):
        node.configure({"api.listen": [f"127.0.0.1:{free_port()}"]} | (settings or {}))

    def url(self, node, *options):
        return json.loads(self.done("dashboard", "--dir", node.directory, "--json", *options))["urls"][0]

    def open(self, node, *options):
        self.browser.visit(self.url(node, *options))
        self.browser.wait("the page to fill", "!document.querySelector('main').hidden")

    def js(self, script):
        return self.browser.run(script)

    def text(self, selector):
        return self.js(f"document.querySelector({json.dumps(selector)}).innerText")

    def visible(self, selector):
        return self.js(f"document.querySelector({json.dumps(selector)}).checkVisibility()")

    def picture(self, name):
        if PICTURES:
            self.browser.screenshot(pathlib.Path(PICTURES) / f"{name}.png")

    def no_troubles(self):
        self.assertEqual(self.browser.troubles, [])


class Life(Dashboard):
    def test_running_node(self):
        with Testnet(nodes=4, groups=2, settings=QUICK) as net:
            node = net.nodes[0]
            self.serve(node)
            net.start()
            net.wait("rounds with others", lambda: node.finished() >= 6 and node.status()["connected"] == 3, 60)
            self.open(node)
            self.says_what_the_node_says(node)
            self.is_live(node)
            self.fits_a_telephone_in_the_dark()
            self.can_be_used_by_keyboard()
            self.no_troubles()
            self.asks_for_a_token(node)
            self.application_is_denied_by_who_has_compared_the_id(net, node)
            self.survives_its_node(net, node)

    def says_what_the_node_says(self, node):
        self.assertRegex(self.text("#answer .verdict"), r"(Yes|No|Probably|Not so far).*accuracy \d+\.\d\s%.* alone; [+−]?\d")
        self.assertEqual(self.text("#name"), node.name)
        peers = self.js("[...document.querySelectorAll('#peers tbody th')].map(one => one.textContent)")
        self.assertEqual(sorted(peers), sorted(node.peers()))
        self.assertEqual(self.js("document.querySelectorAll('#network .dot').length"), 4)
        self.assertIn(node.status()["charter"]["fingerprint"], self.text("#charter"))
        self.assertGreater(len(self.js("document.querySelector('#answer .served').getAttribute('d')")), 20)
        rounds = {report["round"]: report for report in node.rounds(100)}
        shown = self.js("[...document.querySelectorAll('#answer tbody tr')].map(row => [...row.children].map(cell => cell.textContent))")
        for number, _, served, alone, model, circle in shown:
            report = rounds[int(number)]
            self.assertEqual(served, f"{100 * report['models'][report['served']]['test']['accuracy']:.1f}\u2009%")
            self.assertEqual(alone, f"{100 * report['models']['baseline']['test']['accuracy']:.1f}\u2009%")
            self.assertEqual(model, report["served"])
            self.assertEqual(circle, ", ".join(member["name"] for member in report["members"]) or "nobody")
        self.picture("dashboard")

    def is_live(self, node):
        before = int(re.search(r"round (\d+)", self.text("#where"))[1])
        self.browser.wait("two more rounds, by itself", f"Number(/round (\\d+)/.exec(document.querySelector('#where').textContent)[1]) >= {before + 2}", 20)
        self.assertEqual(self.text("#live"), "live")
        latest = int(self.js("document.querySelector('#answer tbody th').textContent"))
        self.assertGreaterEqual(latest, before + 1)

    def fits_a_telephone_in_the_dark(self):
        light = self.js("getComputedStyle(document.body).backgroundColor")
        self.browser.look(360, 740, dark=True)
        self.browser.settle()
        self.browser.wait("the charts to follow", "document.querySelector('#answer svg').getBoundingClientRect().width <= 360")
        self.assertLessEqual(self.js("document.documentElement.scrollWidth"), 360)
        self.assertNotEqual(self.js("getComputedStyle(document.body).backgroundColor"), light)
        self.picture("dashboard-phone")
        self.browser.look(1200)

    def can_be_used_by_keyboard(self):
        self.js("document.querySelector('#answer .chart svg').focus()")
        self.browser.press("ArrowLeft")
        self.assertTrue(self.visible("#tip"))
        self.assertRegex(self.text("#tip"), r"round \d+\nwith the others")
        self.browser.press("Escape")
        self.assertFalse(self.visible("#tip"))
        # What a screen reader says of the parts that are not text.
        unnamed = self.js("[...document.querySelectorAll('svg:not([aria-hidden]), input, select, button')].filter(one => one.checkVisibility() && !(one.getAttribute('aria-label') || one.labels?.length || one.textContent.trim())).length")
        self.assertEqual(unnamed, 0)
        self.assertEqual(self.js("document.querySelectorAll('section:not([aria-labelledby])').length"), 0)

    def asks_for_a_token(self, node):
        url = self.url(node)
        self.js("sessionStorage.clear()")
        self.browser.visit(url.split("#")[0])
        self.browser.wait("the question", "!document.querySelector('#ask-token').hidden")
        self.assertFalse(self.visible("main"))
        enter = "document.querySelector('#token').value = %s, document.querySelector('#ask-token').requestSubmit(), 1"
        self.js(enter % '"a-token-that-is-wrong-but-long"')
        self.browser.wait("the refusal", "document.querySelector('#token-refused').textContent.includes('does not know that token')")
        self.js(enter % json.dumps(url.split("token=")[1]))
        self.browser.wait("the page", "!document.querySelector('main').hidden")
        # What a browser notes by itself when it is refused.
        self.browser.troubles = [each for each in self.browser.troubles if "401" not in each]
        self.no_troubles()

    def application_is_denied_by_who_has_compared_the_id(self, net, node):
        invite = net.directory / "new.invite"
        self.done("invite", "--dir", node.directory, "--for", "new", "--out", invite)
        train = [node.directory / file for file in node.config()["data"]["train"]]
        made = kith("join", invite, "--dir", net.directory / "new", "--name", "new", "--address", f"127.0.0.1:{free_port()}", "--train", *train, "--once")
        self.assertEqual(made.returncode, 75, made.stderr)
        (applied,) = [one for one in node.ask("/v1/invitations") if one["id"]]
        self.open(node)  # with the token that may only look
        self.browser.wait("the application", "document.querySelector('#applications').textContent.includes('new')")
        self.assertEqual(self.js("document.querySelectorAll('#applications .danger').length"), 0)
        self.assertIn("application", self.text("#alarms"))
        self.open(node, "--admin")
        self.browser.wait("the application", "document.querySelector('#applications .danger') !== null")
        groups = "[...document.querySelectorAll('#confirm .groups li')].map(one => one.textContent).join('-')"
        self.js("document.querySelector('#applications .yes').click()")
        self.assertEqual(self.js(groups), applied["id"])
        self.assertIn(f"kith approve --dir NODE {applied['number']} --id {applied['id']}", self.text("#confirm"))
        self.picture("dashboard-approve")
        self.js("document.querySelector('#confirm .no').click()")
        self.js("document.querySelector('#applications .danger').click()")
        self.assertEqual(self.js(groups), applied["id"])
        self.assertEqual(node.ask("/v1/invitations")[0]["state"], "applied")  # not before it is confirmed
        self.js("document.querySelector('#confirm .yes').click()")
        self.browser.wait("the refusal", "document.querySelector('#applications').textContent.includes('(refused)')")
        self.assertEqual(node.ask("/v1/invitations")[0]["state"], "refused")
        self.no_troubles()

    def survives_its_node(self, net, node):
        node.kill()
        self.browser.wait("the banner", "!document.querySelector('#gone').hidden")
        self.assertRegex(self.text("#gone"), "does not answer since .*kith status")
        self.assertTrue(self.visible("#answer"))  # what was known stays
        self.picture("dashboard-gone")
        node.start()
        self.browser.wait("the node to be back", "document.querySelector('#gone').hidden && document.querySelector('#live').textContent === 'live'")


class Extremes(Dashboard):
    def admit(self, net, node, count):
        folders = [net.directory / f"member-{i + 1}" for i in range(count)]
        for folder in folders:
            name = HOSTILE if folder is folders[0] else folder.name
            self.done("init", "--join", node.directory / "charter.kith", "--dir", folder, "--name", name, "--address", f"127.0.0.1:{free_port()}")
        for number, begin in enumerate(range(0, count, 16), 2):  # a proposal carries as many cards
            cards = [word for folder in folders[begin:begin + 16] for word in ("--add", folder / "node.card")]
            self.done("charter", "propose", "--dir", node.directory, *cards)
            for verb in ("sign", "merge"):
                self.done("charter", verb, "--dir", node.directory, node.directory / f"charter-{number}.proposal")

    def test_nothing_to_say_yet(self):
        with Testnet(nodes=2, settings=QUICK | {"learning.warmup_epochs": 10000}) as net:
            node = net.nodes[0]
            self.serve(node)
            node.start()
            net.wait("it to train", lambda: node.status()["phase"].startswith("training"), 30)
            self.open(node)
            self.assertEqual(self.text("#answer .verdict"), "No round is finished yet.")
            self.assertIn("offline", self.text("#peers"))
            self.assertIn("No other member is connected", self.text("#alarms"))
            self.picture("dashboard-empty")
            self.no_troubles()
            node.kill()  # it would finish its epoch first

    def test_two_hundred_members_and_ten_thousand_rounds(self):
        members, rounds = 200, 10000
        with Testnet(nodes=2, settings=QUICK | {"learning.warmup_epochs": 10000}) as net:
            node = net.nodes[0]
            self.admit(net, node, members - 2)
            self.serve(node)
            node.start()
            net.wait("its state", lambda: len(node.ask("/v1/peers")) == members - 1, 60)
            peers = node.ask("/v1/peers")
            node.kill()
            fill(node, peers, rounds)
            node.start()
            net.wait("it to be back", lambda: len(node.ask("/v1/peers")) == members - 1, 60)
            begun = time.monotonic()
            history = node.ask("/v1/history")
            asked = time.monotonic() - begun
            size = len(json.dumps(history, separators=(",", ":")))
            print(f"history of {rounds} rounds: {1000 * asked:.0f} ms, {size} bytes, {len(history['round'])} points")
            self.assertLess(size, 60_000)
            self.assertLessEqual(len(history["round"]), 300)
            self.assertEqual(history["round"][-1], rounds)
            self.open(node)
            self.browser.wait("all members", f"document.querySelectorAll('#peers tbody tr').length === {members - 1}")
            self.assertIn("Yes", self.text("#answer .verdict"))
            self.assertIn(HOSTILE, self.js("[...document.querySelectorAll('#peers tbody th')].map(one => one.textContent)"))
            self.assertEqual(self.js("document.querySelectorAll('img, main script').length"), 0)
            self.assertEqual(self.js("document.querySelectorAll('#network .dot').length"), members)
            self.js("(() => { const one = document.querySelector('#filter'); one.value = 'member-77'; one.dispatchEvent(new Event('input')); })()")
            self.assertEqual(self.js("document.querySelectorAll('#peers tbody tr').length"), 1)
            self.assertLess(self.js("document.querySelectorAll('*').length"), 12000)
            paint = self.js("performance.getEntriesByType('paint').find(one => one.name === 'first-contentful-paint').startTime")
            sent = self.js("performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).filter(one => !one.name.includes('/v1/')).reduce((all, one) => all + one.transferSize, 0)")
            print(f"first paint {paint:.0f} ms, page {sent} bytes")
            self.assertLess(sent, 150_000)
            self.picture("dashboard-200")
            self.no_troubles()


def fill(node, peers, rounds):
    """As if it had learnt for so many rounds."""
    with sqlite3.connect(node.state / "kith.sqlite") as state:
        opinions = {peer["name"]: {"admitted": True, "since": 1, "scored": 5, "scores": 9, "rho": 0.4, "low": 0.1, "high": 0.7, "newest": None, "reason": "its models help"} for peer in peers}
        for number in range(1, rounds + 1):
            accuracy = 0.9 - 0.5 / (1 + number / 500)
            judged = lambda value: {"validation": {"accuracy": value, "loss": 1, "examples": 1000}, "test": {"accuracy": value, "loss": 1, "examples": 1000}}
            circle = [peers[(number // 1000 + k) % len(peers)] for k in range(8)]
            report = {"round": number, "metric": "accuracy", "privacy": None, "models": {"averaged": judged(accuracy), "baseline": judged(accuracy - 0.1), "partial": judged(accuracy - 0.02)},
                      "served": "averaged", "served_reason": "it is the best on the validation examples", "diverged": None,
                      "members": [{"id": peer["id"], "name": peer["name"], "weight": 0.1} for peer in circle],
                      "opinions": opinions, "why": {"trials": []}, "epochs": 2, "seconds": {"train": 1.0}, "bytes_in": number, "bytes_out": number}
            state.execute("INSERT OR REPLACE INTO rounds VALUES (?, ?, ?)", (number, 1_700_000_000 + 60 * number, json.dumps(report)))


if __name__ == "__main__":
    if not browser.installed():
        print("SKIPPED: there is no chromium; install Debian's package chromium")
        sys.exit(77)
    main()
