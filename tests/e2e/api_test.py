"""The control API of a real node: its description holds for what it answers, and everything that a browser, or who pretends to be one,
may send over TCP is answered without harm."""

import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

from dashboard_test import free_port
from testnet import QUICK, Testnet, Verbs, end_with_parent, main

DESCRIPTION = pathlib.Path(__file__).parents[2] / "docs" / "openapi.json"
DOCS = DESCRIPTION.parent
# Of JSON Schema 2020-12, which OpenAPI 3.1 uses; python3-jsonschema is in Debian.
try:
    import jsonschema
except ImportError:
    jsonschema = None


class Api(Verbs):
    def test_what_it_answers_and_refuses(self):
        with Testnet(nodes=2, settings=QUICK) as net:
            node = net.nodes[0]
            self.port, self.metrics_port = free_port(), free_port()
            node.configure({"api.listen": [f"127.0.0.1:{self.port}"], "metrics.listen": [f"127.0.0.1:{self.metrics_port}"]})
            net.start()
            net.wait("rounds with the other", lambda: node.finished() >= 3 and node.status()["connected"] == 1, 60)
            lines = (node.directory / "api.tokens").read_text().splitlines()
            self.tokens = dict(line.split() for line in lines if not line.startswith("#"))
            self.assertEqual((node.directory / "api.tokens").stat().st_mode & 0o777, 0o600)
            for check in (self.description_holds, self.strangers_get_nothing, self.tokens_do_what_they_say, self.connection_is_kept,
                          self.hostile_requests_harm_nobody, self.silent_crowd_keeps_nobody_out, self.deaf_listener_costs_nothing,
                          self.prometheus_understands_the_numbers, self.prometheus_scrapes_it):  # fmt: skip
                with self.subTest(check.__name__):
                    check(node)
            before = node.finished()
            net.wait("the node to go on", lambda: node.finished() > before, 20)
            self.assertEqual(node.events("fault"), [])

    def request(self, method, path, token="read", body=None, **headers):
        """Status, and the body as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        if token:
            headers["Authorization"] = "Bearer " + self.tokens.get(token, token)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if "json" in answer.getheader("Content-Type") else text

    def description_holds(self, node):
        status, served = self.request("GET", "/v1/openapi.json")
        self.assertEqual(status, 200)
        self.assertEqual(served, json.loads(DESCRIPTION.read_text()), "docs/openapi.json is out of date; KITH_REFRESH=1 bin/daemon_tests --run_test=node_tests/api_description* refreshes it")
        asked = 0
        for path, methods in served["paths"].items():
            for method, operation in methods.items():
                self.assertTrue(operation["summary"], path)
                if method != "get" or path == "/v1/events":
                    continue
                status, answer = self.request("GET", path)
                self.assertEqual(status, 200, path)
                asked += 1
                if jsonschema:
                    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
                    jsonschema.Draft202012Validator.check_schema(schema)
                    jsonschema.validate(answer, schema, jsonschema.Draft202012Validator)
                    # Nothing is there that is not described.
                    first = answer[0] if isinstance(answer, list) and answer else answer
                    described = schema.get("items", schema).get("properties", {})
                    if described and isinstance(first, dict):
                        self.assertEqual(set(first) - set(described), set(), path)
        self.assertGreaterEqual(asked, 7)

    def strangers_get_nothing(self, node):
        self.assertEqual(self.request("GET", "/v1/status", token=None)[0], 401)
        self.assertEqual(self.request("GET", "/v1/status", token="a-token-that-was-made-up-by-somebody")[0], 401)
        self.assertEqual(self.request("GET", "/v1/status", Host="rebound.example:80")[0], 421)
        self.assertEqual(self.request("GET", "/", token=None, Host="rebound.example")[0], 421)
        self.assertEqual(self.request("POST", "/v1/stop", token="admin", Origin="http://evil.example")[0], 401)
        self.assertEqual(self.request("POST", "/v1/stop", token="admin", Sec_Fetch_Site="cross-site")[0], 401)
        # A form needs no token at the unix socket, which ssh may have forwarded to a browser's machine.
        form = "POST /v1/stop HTTP/1.1\r\nHost: localhost:7780\r\nOrigin: https://evil.example\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"
        self.assertIn(b"401", self.raw(node, form.encode())[:20])
        self.assertIn(b"421", self.raw(node, b"GET /v1/status HTTP/1.1\r\nHost: rebound.example:7780\r\n\r\n")[:20])
        status, page = self.request("GET", "/", token=None)
        self.assertEqual(status, 200)
        self.assertNotIn(node.name.encode(), page)

    def raw(self, node, text):
        folder = os.open(node.directory, os.O_PATH)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(10)
                connection.connect(f"/proc/self/fd/{folder}/control.sock")
                connection.sendall(text)
                return connection.recv(65536)
        finally:
            os.close(folder)

    def tokens_do_what_they_say(self, node):
        peer = next(iter(node.peers()))
        self.assertEqual(self.request("POST", "/v1/deny", body=json.dumps({"who": peer}))[0], 403)
        self.assertFalse(node.peers()[peer]["ignored"])
        status, done = self.request("POST", "/v1/deny", token="admin", body=json.dumps({"who": peer}))
        self.assertEqual((status, done["denied"]), (200, True))
        self.assertEqual(self.request("POST", "/v1/allow", token="admin", body=json.dumps({"who": peer}))[0], 200)
        # Another token, without a restart.
        fresh = "a-fresh-token-of-the-operators-own"
        kept = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        kept.request("GET", "/v1/status", headers={"Authorization": "Bearer " + self.tokens["admin"]})
        self.assertEqual(kept.getresponse().read()[:1], b"{")
        (node.directory / "api.tokens").write_text(f"read {self.tokens['read']}\nadmin {fresh}\n")
        node.process.send_signal(1)
        end = time.monotonic() + 10
        while self.request("POST", "/v1/allow", token=fresh, body=json.dumps({"who": peer}))[0] != 200:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        self.assertEqual(self.request("POST", "/v1/allow", token="admin", body="{}")[0], 401)
        kept.auto_open = False
        with self.assertRaises((OSError, http.client.HTTPException)):  # a connection that was open outlives no token
            kept.request("GET", "/v1/status", headers={"Authorization": "Bearer " + self.tokens["admin"]})
            kept.getresponse()
        self.tokens["admin"] = fresh

    def connection_is_kept(self, node):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        taken = []
        for _ in range(200):
            begun = time.monotonic()
            connection.request("GET", "/v1/status", headers={"Authorization": "Bearer " + self.tokens["read"]})
            answer = connection.getresponse()
            self.assertEqual(json.loads(answer.read())["name"], node.name)
            taken.append(time.monotonic() - begun)
            self.assertFalse(answer.will_close)
        connection.close()
        taken.sort()
        print(f"200 times status on one connection: median {1000 * taken[100]:.1f} ms, 99 % {1000 * taken[198]:.1f} ms")

    def hostile_requests_harm_nobody(self, node):
        token = f"Authorization: Bearer {self.tokens['admin']}\r\n"
        hostile = {
            "POST /v1/charter/merge HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n": 413,
            "POST /v1/charter/merge HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40000000\r\n\r\n": 401,
            f"POST /v1/charter/merge HTTP/1.1\r\nHost: localhost\r\n{token}Content-Length: 1000000000\r\n\r\n": 413,
            f"POST /v1/deny HTTP/1.1\r\nHost: localhost\r\n{token}Transfer-Encoding: chunked\r\n\r\n1\r\n": 411,
            f"POST /v1/deny HTTP/1.1\r\nHost: localhost\r\n{token}Content-Length: 7\r\n\r\nnothing": 400,
            "GET /v1/status HTTP/1.1\r\nX: " + "x" * 20000 + "\r\n\r\n": 431,
            "\0\1\2\3": 400,
            f"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n{token}\r\n": 404,
            f"GET /v1/rounds?last=1e9 HTTP/1.1\r\nHost: localhost\r\n{token}\r\n": 400,
            f"GET /v1/history?points=0 HTTP/1.1\r\nHost: localhost\r\n{token}\r\n": 400,
        }
        for text, status in hostile.items():
            with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
                connection.sendall(text.encode())
                self.assertEqual(connection.recv(65536)[:12], b"HTTP/1.1 %d" % status, text[:60])
        self.assertEqual(self.request("GET", "/v1/status")[0], 200)

    def silent_crowd_keeps_nobody_out(self, node):
        crowd = []
        for _ in range(1000):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", self.port))
            crowd.append(connection)
        begun = time.monotonic()
        self.assertEqual(self.request("GET", "/v1/status")[0], 200)
        print(f"answered {1000 * (time.monotonic() - begun):.0f} ms after a thousand silent connections")
        self.assertLess(time.monotonic() - begun, 5)
        self.assertEqual(node.status()["name"], node.name)
        for connection in crowd:
            connection.close()

    def deaf_listener_costs_nothing(self, node):
        with socket.create_connection(("127.0.0.1", self.port), 10) as deaf:
            deaf.sendall(f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.tokens['read']}\r\n\r\n".encode())
            text = b""
            while text.count(b"event: round") < 2:
                text += deaf.recv(4096)
            self.assertIn(b"Content-Type: text/event-stream", text)
            self.assertRegex(text, rb'\nevent: round\ndata: \{"round":\d+')

    def prometheus_understands_the_numbers(self, node):
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=10)
        connection.request("GET", "/metrics", headers={"Host": "whatever.prometheus.calls.it"})
        answer = connection.getresponse()
        text = answer.read().decode()
        self.assertEqual((answer.status, answer.getheader("Content-Type").split(";")[0]), (200, "text/plain"))
        self.assertIn(f'kith_peer_connected{{peer="{next(iter(node.peers()))}"}} 1\n', text)
        self.assertRegex(text, r'kith_model_quality\{model="served",split="test",metric="accuracy"\} 0\.\d+')
        names = set(re.findall(r"^# TYPE (\S+) ", text, re.M))
        self.assertTrue(names <= set(re.findall(r"`(kith_[a-z_]+)`", (DOCS / "metrics.md").read_text())), "docs/metrics.md does not have all")
        connection.request("GET", "/v1/status")
        self.assertEqual(connection.getresponse().status, 404)
        connection.close()
        if not shutil.which("promtool"):
            print("promtool is not here; install Debian's package prometheus")
            return
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))

    def prometheus_scrapes_it(self, node):
        if not shutil.which("prometheus"):
            print("prometheus is not here; install Debian's package of that name")
            return
        port = free_port()
        with tempfile.TemporaryDirectory(prefix="kith-prometheus-") as folder:
            config = pathlib.Path(folder) / "prometheus.yml"
            config.write_text(json.dumps({  # JSON is YAML
                "global": {"scrape_interval": "1s"}, "rule_files": [str(DOCS / "monitoring" / "alerts.yml")],
                "scrape_configs": [{"job_name": "kith", "static_configs": [{"targets": [f"127.0.0.1:{self.metrics_port}"]}]}]}))
            process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=end_with_parent)  # fmt: skip
            try:
                rounds = self.asked(port, "kith_rounds_total")
                self.assertLessEqual(rounds, node.finished())
                self.assertEqual(self.asked(port, 'up{job="kith"}'), 1)
                self.assertEqual(self.asked(port, "kith_connected_peers"), 1)
            finally:
                process.terminate()
                process.wait(20)

    def asked(self, port, query, seconds=30):
        """The one value that this Prometheus has."""
        end = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query=" + urllib.parse.quote(query), timeout=5) as answer:
                    (found,) = json.load(answer)["data"]["result"]
                    return float(found["value"][1])
            except (OSError, ValueError):  # it is not there yet, or has not scraped
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)


class MonitoringFiles(Verbs):
    def test_prometheus_takes_the_alert_rules(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is not here; install Debian's package prometheus")
        folder = DOCS / "monitoring"
        for arguments in (["check", "rules", folder / "alerts.yml"], ["test", "rules", folder / "alerts_test.yml"]):
            checked = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_rules_and_grafana_use_metrics_that_there_are(self):
        known = set(re.findall(r"`(kith_[a-z_]+)`", (DOCS / "metrics.md").read_text()))
        for file in ("alerts.yml", "grafana.json"):
            used = set(re.findall(r"kith_[a-z_]+", (DOCS / "monitoring" / file).read_text()))
            self.assertTrue(used)
            self.assertEqual(used - known, set(), file)
        json.loads((DOCS / "monitoring" / "grafana.json").read_text())


if __name__ == "__main__":
    main()
