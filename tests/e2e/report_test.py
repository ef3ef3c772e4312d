"""The page that kith simulate writes, in a real browser: does it show the numbers, and nothing but them?"""

import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import unittest

import browser
from simulated_results import PLAUSIBLE, results

REPORT_PAGE = os.environ.get("KITH_REPORT_PAGE", "")
ALL = tuple(PLAUSIBLE)
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


# --- What the table must say, worked out from the results themselves -----------------------------


def honest(run):
    bad = {fact["name"] for fact in run["world"] if fact["attack"]}
    return [node for node in run["nodes"] if node["name"] not in bad]


def of_nodes(run, key):
    return [statistics.fmean(report[key] for report in node["rounds"][-5:]) for node in honest(run)]


def result(run, metric):
    if metric == "perplexity":
        return math.exp(statistics.fmean(of_nodes(run, "loss")))
    return 100 * statistics.fmean(of_nodes(run, "accuracy"))


def right_share(run, drift):
    facts = {fact["name"]: fact for fact in run["world"]}
    right = every = 0
    for node in honest(run):
        for report in node["rounds"][len(node["rounds"]) // 2:]:
            key = "group_after_drift" if drift and report["round"] >= drift else "group"
            for member in report["members"]:
                fact = facts[member["name"]]
                right += not fact["attack"] and fact[key] == facts[node["name"]][key]
                every += 1
    return 100 * right / every if every else None


def expected_rows(results):
    metric, rows = results["metric"], {}
    for strategy in {run["strategy"] for run in results["runs"]}:
        runs = [run for run in results["runs"] if run["strategy"] == strategy]
        alone = {run["seed"]: result(run, metric) for run in results["runs"] if run["strategy"] == "local"}
        values = [result(run, metric) for run in runs]
        sign = -1 if metric == "perplexity" else 1
        shares = [right_share(run, results["drift_round"]) for run in runs]
        rows[strategy] = {
            "value": statistics.fmean(values),
            "worst": statistics.fmean(math.exp(max(of_nodes(run, "loss"))) if sign < 0 else 100 * min(of_nodes(run, "accuracy")) for run in runs),
            "gain": statistics.fmean(sign * (value - alone[run["seed"]]) for value, run in zip(values, runs)) if strategy != "local" else None,
            "right": statistics.fmean(shares) if None not in shares else None,
            "mib": statistics.fmean(node["rounds"][-1]["bytes_in"] / 2**20 for run in runs for node in honest(run)),
            "seconds": statistics.fmean(run["seconds"] for run in runs),
        }
    return rows


# --- The tests -----------------------------------------------------------------------------------


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="kith-report-")))
        cls.browser = cls.enterClassContext(browser.Browser())

    def setUp(self):
        self.browser.troubles.clear()
        self.browser.look(1200)
        self.addCleanup(lambda: self.assertEqual(self.browser.troubles, []))

    def show(self, results):
        made = subprocess.run([REPORT_PAGE], input=json.dumps(results).encode(), capture_output=True, timeout=60, check=True)
        file = self.folder / "report.html"
        file.write_bytes(made.stdout)
        self.browser.open(file)

    def run_js(self, script):
        return self.browser.run(script)

    def text(self, selector):
        return self.run_js(f"document.querySelector({json.dumps(selector)}).textContent")

    def count(self, selector):
        return self.run_js(f"document.querySelectorAll({json.dumps(selector)}).length")

    def sections(self):
        return self.run_js("[...document.querySelectorAll('section')].map(one => one.id)")

    def cells(self):
        return self.run_js("""Object.fromEntries([...document.querySelectorAll("tbody tr")].map(row => [row.dataset.strategy,
            Object.fromEntries([...row.querySelectorAll("td")].map(cell => [cell.dataset.key,
                {value: cell.dataset.value === undefined ? null : Number(cell.dataset.value), text: cell.textContent, best: cell.classList.contains("best")}]))]))""")

    def check_table(self, made):
        shown, expected = self.cells(), expected_rows(made)
        self.assertEqual(set(shown), set(expected))
        for strategy, row in expected.items():
            for key, value in row.items():
                if value is None:
                    self.assertIsNone(shown[strategy][key]["value"], (strategy, key))
                else:
                    self.assertAlmostEqual(shown[strategy][key]["value"], value, places=6, msg=(strategy, key))
        return shown, expected

    def test_table_says_what_the_results_say(self):
        made = results(nodes=10, groups=2, strategies=ALL, seeds=(1, 2, 3), attackers=2, drift=9)
        self.show(made)
        shown, expected = self.check_table(made)
        values = [result(run, "accuracy") for run in made["runs"] if run["strategy"] == "lia"]
        self.assertEqual(shown["lia"]["value"]["text"], f"{statistics.fmean(values):.1f} \u00b1 {statistics.stdev(values):.1f}")
        best = max((name for name in expected if name != "oracle"), key=lambda name: expected[name]["value"])
        self.assertEqual([name for name in shown if shown[name]["value"]["best"]], [best])
        self.assertIn(f"{expected['lia']['value']:.1f}\u2009% accuracy", self.text("#verdict"))
        self.assertIn(f"{expected['lia']['gain']:.1f} points better than alone", self.text("#verdict"))

    def test_perplexity_is_better_when_it_is_lower(self):
        made = results(metric="perplexity", strategies=("lia", "local", "fedavg"))
        self.show(made)
        shown, expected = self.check_table(made)
        self.assertGreater(expected["lia"]["gain"], 0)
        best = min(expected, key=lambda name: expected[name]["value"])
        self.assertEqual([name for name in shown if shown[name]["value"]["best"]], [best])

    def test_baseline_of_kith_stands_for_training_alone(self):
        made = results(strategies=("lia", "fedavg"), seeds=(1,))
        self.show(made)
        (run,) = (run for run in made["runs"] if run["strategy"] == "lia")
        alone = statistics.fmean(report["models"]["baseline"]["test"]["accuracy"] for node in run["nodes"] for report in node["rounds"][-5:])
        shown = self.cells()
        self.assertAlmostEqual(shown["local"]["value"]["value"], 100 * alone, places=6)
        self.assertAlmostEqual(shown["lia"]["gain"]["value"], result(run, "accuracy") - 100 * alone, places=6)

    def test_heat_map_shows_the_chosen_round(self):
        made = results(nodes=9, groups=3, seeds=(1, 2), rounds=6)
        self.show(made)
        self.assertEqual(self.count("#influence .cell"), 81)
        runs = [run for run in made["runs"] if run["strategy"] == "lia"]
        for seed, number in ((0, 6), (0, 1), (1, 1), (1, 4)):
            self.run_js(f"""(() => {{ const seed = document.querySelector("#influence select"); seed.value = {seed}; seed.dispatchEvent(new Event("change"));
                const slider = document.querySelector("#round"); slider.value = {number}; slider.dispatchEvent(new Event("input")); }})()""")
            self.assertEqual(self.text("#influence output"), f"{number} of 6")
            reports = {node["name"]: node["rounds"][number - 1] for node in runs[seed]["nodes"]}
            order = [fact["name"] for fact in sorted(runs[seed]["world"], key=lambda fact: (fact["group"], fact["name"]))]
            marked = self.run_js("[...document.querySelectorAll('#influence .averaged')].map(dot => dot.getAttribute('visibility') === 'visible')")
            self.assertEqual(marked, [j in {m["name"] for m in reports[i]["members"]} for i in order for j in order])
            colours = self.run_js("[...document.querySelectorAll('#influence .cell')].map(cell => [cell.getAttribute('fill'), Number(cell.getAttribute('fill-opacity'))])")
            for k, (fill, opacity) in enumerate(colours):
                i, j = order[k // 9], order[k % 9]
                opinion = reports[i]["opinions"].get(j)
                if i != j and opinion:
                    self.assertEqual(fill, "var(--bad)" if opinion["rho"] < 0 else "var(--good)")
                    self.assertAlmostEqual(opacity, min(1, abs(opinion["rho"])), delta=0.006)
                elif i != j:
                    self.assertEqual(fill, "url(#unscored)")

    def test_play_goes_from_the_first_round_to_the_last(self):
        self.show(results(rounds=3))
        seen = self.run_js("""new Promise(done => { const seen = [], output = document.querySelector("#influence output");
            new MutationObserver(() => seen.push(output.textContent)).observe(output, {childList: true});
            const play = [...document.querySelectorAll("#influence button")].at(-1); play.click();
            const wait = setInterval(() => { if (play.textContent.includes("play")) { clearInterval(wait); done(seen); } }, 50); })""")
        self.assertEqual(seen, ["1 of 3", "2 of 3", "3 of 3"])

    def test_keys_and_pointer_show_numbers(self):
        self.show(results(strategies=("lia", "local")))
        self.run_js("document.querySelector('#rounds .chart svg').focus()")
        self.assertEqual(self.text("#tip div"), "round 1")
        self.browser.press("ArrowRight")
        self.assertEqual(self.text("#tip div"), "round 2")
        self.assertRegex(self.text("#tip"), r"\d\.\d\u2009%.*Kith .*\d\.\d\u2009%.*alone ")
        self.run_js("document.activeElement.blur()")
        self.assertTrue(self.run_js("document.querySelector('#tip').hidden"))
        x, y = self.run_js("""(() => { const chart = document.querySelector("#gains svg"); chart.scrollIntoView({block: "center"});
            const box = chart.querySelector(".node").getBoundingClientRect(); return [box.x + 3, box.y + 3]; })()""")
        self.browser.point(x, y)
        self.assertRegex(self.text("#tip"), r"node-\d.*points over training alone")

    def test_buttons_show_and_hide_strategies_in_all_charts(self):
        self.show(results())
        charts = 3  # accuracy, and two of the clusters
        self.assertEqual(self.count("path[data-strategy=lia]"), charts)
        self.run_js("document.querySelector('.chips button[data-strategy=lia]').click()")
        self.assertEqual(self.count("path[data-strategy=lia]"), 0)
        self.assertEqual(self.count(".chips button[data-strategy=lia][aria-pressed=false]"), 2)
        self.run_js("document.querySelector('.chips button[data-strategy=lia]').click()")
        self.assertEqual(self.count("path[data-strategy=lia]"), charts)

    def test_sections_without_data_are_left_out(self):
        self.show(results(attackers=1, drift=6))
        self.assertEqual(self.sections(), ["summary", "rounds", "gains", "influence", "clusters", "costs", "scenario"])
        self.assertEqual(self.count("#clusters .drift"), 3)
        self.show(results(groups=0, strategies=("fedavg", "pens")))
        self.assertEqual(self.sections(), ["summary", "rounds", "costs", "scenario"])
        self.assertEqual(self.count("td[data-key=gain], td[data-key=right]"), 0)

    def test_smallest_and_largest(self):
        self.show(results(nodes=2, groups=1, strategies=("lia",), seeds=(1,), rounds=1))
        self.assertEqual((self.count("#influence .cell"), self.count("#rounds circle")), (4, 2))
        self.show(results(nodes=64, groups=4, strategies=("lia", "fedavg"), seeds=(1,), rounds=5))
        self.assertEqual((self.count("#influence .cell"), self.count("#gains .node")), (64 * 64, 64))
        self.show(results(nodes=3, groups=1, strategies=(*ALL, "a-new-one"), seeds=range(1, 11), rounds=3))
        self.assertEqual(self.count("tbody tr"), 10)

    def test_names_of_others_are_only_text(self):
        names = [HOSTILE, "<b>bold</b>", "a & b \"quoted\" 'twice'", "__proto__", "x" * 300, "\u202egnirts"]
        self.show(results(nodes=6, names=names, name=HOSTILE, strategies=("lia", "local", "<i>new</i>", "constructor")))
        self.assertEqual(self.text("h1"), HOSTILE)
        self.assertEqual((self.count("img"), self.count("b"), self.count("i"), self.count("script")), (0, 0, 0, 2))
        self.assertIn("<i>new</i>", self.text("#summary"))
        self.assertEqual(self.count("#influence .cell"), 36)

    def test_results_it_cannot_show_are_named(self):
        self.show(results() | {"format": 2, "runs": "other"} | {"runs": []})
        self.assertIn("format 2", self.text("#verdict"))
        self.show(results() | {"runs": []})
        self.assertIn("no finished run", self.text("#verdict"))

    def test_fits_a_phone_and_follows_the_colour_scheme(self):
        self.show(results(nodes=16, groups=4, strategies=ALL, attackers=2))
        background = self.run_js("getComputedStyle(document.body).backgroundColor")
        self.browser.look(360, 740, dark=True)
        self.browser.settle()
        self.browser.settle()
        self.assertEqual(self.run_js("document.documentElement.scrollWidth"), 360)
        self.assertLessEqual(self.run_js("Math.max(...[...document.querySelectorAll('svg')].map(one => one.getBoundingClientRect().right))"), 360)
        self.assertNotEqual(self.run_js("getComputedStyle(document.body).backgroundColor"), background)


if __name__ == "__main__":
    if not os.access(REPORT_PAGE, os.X_OK):
        sys.exit("set the environment variable KITH_REPORT_PAGE to the program report_page; ctest does")
    if not browser.installed():
        print("SKIPPED: there is no chromium; install Debian's package chromium")
        sys.exit(77)
    unittest.main(verbosity=2)
