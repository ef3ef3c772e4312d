#!/usr/bin/env python3
"""Runs the scenarios under tests/bench/scenarios and writes what came out into docs/results.md.

    tests/bench/scenarios.py                       all that need no other data than Fashion-MNIST
    tests/bench/scenarios.py --data DIR            all; DIR holds cifar100/, nordic/ and heart/, as the scenarios say
    tests/bench/scenarios.py rotation 'attack-*'   only these; the others keep their lines

What this program finished in build/scenarios is not done again; with --any-program, nor is what another build did: remove
a folder there, or one strategy's file, to have that anew.
"""

import argparse
import fnmatch
import json
import pathlib
import statistics
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "bench" / "scenarios"
RESULTS = ROOT / "docs" / "results.md"
BEGIN, END = "<!-- scenarios: written by tests/bench/scenarios.py -->", "<!-- end of scenarios -->"
SOURCES = {"superclass": "cifar100", "language": "nordic", "language-family": "nordic", "hospital": "heart"}
MARK = " (earlier)"
# In the order of the table.
NAMES = ["rotation", "label-permutation", "hard-rotation", "superclass", "language", "hospital", "iid", "dirichlet-0.1",
         "dirichlet-0.5", "drift"]  # fmt: skip


def scenarios():
    all_there = {file.stem for file in FOLDER.glob("*.toml") if not file.stem.startswith("natural-")}  # of board.py
    return [name for name in NAMES if name in all_there] + sorted(all_there - set(NAMES))


def run(kith, name, out, data, only):
    """The results of a scenario; None if its data are not here.  `only`: more arguments."""
    command = [kith, "simulate", FOLDER / f"{name}.toml", "--out", out / name, *only]
    if name in SOURCES:
        if data is None or not (data / SOURCES[name]).is_dir():
            print(f"{name}: skipped; it needs --data with a folder {SOURCES[name]}", file=sys.stderr)
            return None
        command += ["--source", data / SOURCES[name]]
    print(f"{name}:", file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=sys.stderr)
    return json.loads((out / name / "results.json").read_text())


# --- What came out -------------------------------------------------------------------------------


def values(results, strategy, key):
    found = [line[key] for line in results["summary"] if line["strategy"] == strategy]
    return [value for value in found if value is not None]


def spread(numbers, factor=1.0, digits=1, sign=""):
    """'77.4 ± 0.3'"""
    if not numbers:
        return "-"
    text = f"{factor * statistics.mean(numbers):{sign}.{digits}f}"
    return text if len(numbers) < 2 else text + f" ± {factor * statistics.stdev(numbers):.{digits}f}"


def mean(results, strategy, key):
    numbers = values(results, strategy, key)
    return statistics.mean(numbers) if numbers else None


def earlier_section(document, title):
    """The lines of a scenario's section as the document has it, without the title; none if it has not."""
    _, _, rest = document.partition(BEGIN)[2].partition(END)[0].partition(f"\n### {title}\n")
    return rest.partition("\n### ")[0].splitlines()


def earlier_rows(document, title):
    """The rows of that section's table, by strategy, without what marks them."""
    rows = [line for line in earlier_section(document, title) if line.startswith("| `")]
    return {row.split("`")[1]: row.replace(MARK, "") for row in rows}


def quality(results, strategy, key):
    """Mean accuracy or perplexity over the seeds; of a row that is kept, as it says."""
    numbers = values(results, strategy, key)
    if numbers or strategy not in results["earlier"]:
        return statistics.mean(numbers) if numbers else None
    number = float(results["earlier"][strategy].split("|")[2].split()[0])
    return number if key == "perplexity" else number / 100


def table(results):
    text = results["metric"] == "perplexity"
    yield ("| strategy | " + ("perplexity | top-1 %" if text else "accuracy %") +
           " | worst node % | worst node's gain over alone | right partners % | MiB received a node | seconds a run |")
    yield "| --- |" + " ---: |" * (7 if text else 6)
    for strategy in dict.fromkeys(line["strategy"] for line in results["summary"]):
        of = lambda key: values(results, strategy, key)
        quality = [spread(of("perplexity"), digits=2)] if text else []
        gain = spread(of("worst_gain"), 1 if text else 100, 3 if text else 1, "+")
        cells = [f"`{strategy}`", *quality, spread(of("accuracy"), 100), spread(of("worst_node"), 100), gain,
                 spread(of("right_partners"), 100), f"{mean(results, strategy, 'bytes_in') / 2**20:.1f}",
                 f"{mean(results, strategy, 'seconds'):.0f}"]
        yield "| " + " | ".join(cells) + " |"
    for strategy, row in results["earlier"].items():
        yield row.replace(f"`{strategy}`", f"`{strategy}`{MARK}", 1)


def worst_groups(results):
    """Of each strategy, the accuracy of its worst group, mean over seeds."""
    worst = {}
    for one in results["runs"]:
        groups = {}
        for node, of in zip(one["nodes"], one["world"]):
            if of["attack"] is None and of["group"] is not None:
                accuracy = statistics.mean(report["accuracy"] for report in node["rounds"][-5:])
                groups.setdefault(of["group"], []).append(accuracy)
        if groups:
            worst.setdefault(one["strategy"], []).append(min(map(statistics.mean, groups.values())))
    return {strategy: statistics.mean(numbers) for strategy, numbers in worst.items()}


def node_gains(results):
    """Of each node, what lia gains over alone: one number a seed."""
    accuracies = {}
    for one in results["runs"]:
        for node in one["nodes"]:
            accuracies[one["strategy"], one["seed"], node["name"]] = statistics.mean(
                report["accuracy"] for report in node["rounds"][-5:])
    gains = {}
    for (strategy, seed, node), accuracy in accuracies.items():
        alone = accuracies.get(("local", seed, node))
        if strategy == "lia" and alone is not None:
            gains.setdefault(node, []).append(accuracy - alone)
    return gains


def with_error(numbers, factor=100.0):
    """'+1.2 ± 0.3', the standard error of the mean."""
    error = statistics.stdev(numbers) / len(numbers) ** 0.5 if len(numbers) > 1 else float("nan")
    return f"{factor * statistics.mean(numbers):+.1f} ± {factor * error:.1f}"


def facts(name, results, found):
    """Sentences about lia; `found` are the results of all scenarios."""
    text = results["metric"] == "perplexity"
    key = "perplexity" if text else "accuracy"
    lia, oracle, fedavg = (quality(results, strategy, key) for strategy in ("lia", "oracle", "fedavg"))
    if oracle:
        yield f"{lia / oracle:.3f} of the true groups' {key}"
    if name == "language" and "language-family" in found:
        family = quality(found["language-family"], "oracle", key)
        yield f"told the families of languages, `oracle` comes to {family:.1f}"
    if name == "hospital":
        gains = node_gains(results)
        hospitals = ", ".join(f"{hospital} {with_error(numbers)}" for hospital, numbers in gains.items())
        yield f"gain over alone, with its standard error over {len(next(iter(gains.values())))} seeds: {hospitals}"
        yield f"all together {with_error([statistics.mean(of_seed) for of_seed in zip(*gains.values())])}"
    if fedavg:
        yield f"{100 * (lia / fedavg - 1):+.1f} % relative to one global model"
    rivals = ({line["strategy"] for line in results["summary"]} | set(results["earlier"])) - {"lia", "oracle"}
    reached = {rival: quality(results, rival, key) for rival in sorted(rivals)}
    if reached:
        best = (min if text else max)(reached, key=reached.get)
        factor = 1 if text else 100
        yield f"the best of the others is `{best}` at {factor * reached[best]:.1f}, lia is at {factor * lia:.1f}"
    if name == "hard-rotation":
        worst = worst_groups(results)
        others = {strategy: value for strategy, value in worst.items() if strategy not in ("lia", "oracle")}
        best = max(others, key=others.get)
        yield f"worst group: lia {100 * worst['lia']:.1f}, `{best}` {100 * others[best]:.1f}, the best of the others"
    if name == "iid":
        yield f"holds {100 * mean(results, 'lia', 'admitted'):.0f} % of its peers admitted"
    if name == "drift":
        yield f"right again after {', '.join(map(str, (line['recovery'] for line in results['summary'] if line['strategy'] == 'lia')))} rounds"
    scoring = values(results, "lia", "scoring")
    yield (f"scoring a peer took {100 * statistics.mean(s['of_an_epoch'] for s in scoring):.1f} % of a local epoch, on "
           f"{100 * statistics.mean(s['of_examples'] for s in scoring):.0f} % of the examples")


def title_of(name):
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())["simulation"]["name"]


def overview(found, document):
    """One line a scenario: what training alone, one global model, the best of the other strategies, lia and the true groups reach."""
    kept = {row.split(" | ")[0].removeprefix("| "): row for row in earlier_section(document, "At a glance")}
    yield "### At a glance"
    yield ""
    yield "Accuracy in %, of the language perplexity (lower is better); means over the seeds of the tables below."
    yield ""
    yield "| scenario | alone | one global model | best of the others | Kith (`lia`) | told the true groups |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name in NAMES:
        if name not in found:
            if row := kept.get(title_of(name)):
                yield row
            continue
        results = found[name]
        text = results["metric"] == "perplexity"
        key, factor = ("perplexity", 1) if text else ("accuracy", 100)
        strategies = dict.fromkeys([line["strategy"] for line in results["summary"]] + list(results["earlier"]))
        reached = {strategy: factor * quality(results, strategy, key) for strategy in strategies}
        shown = lambda strategy: f"{reached[strategy]:.1f}" if strategy in reached else "-"
        others = set(reached) - {"lia", "local", "fedavg", "oracle"}
        best = (min if text else max)(sorted(others), key=reached.get, default=None)
        other = f"`{best}` {shown(best)}" if best else "-"
        yield f"| {results['name']} | {shown('local')} | {shown('fedavg')} | {other} | **{shown('lia')}** | {shown('oracle')} |"
    yield ""


def section(name, results, found):
    yield f"### {results['name']}"
    yield ""
    seeds = {}
    for line in results["summary"]:
        seeds.setdefault(line["strategy"], set()).add(line["seed"])
    few = {strategy: sorted(of) for strategy, of in seeds.items() if len(of) < 3}
    if few:
        yield "Fewer than three seeds: " + ", ".join(f"`{strategy}` {', '.join(map(str, of))}" for strategy, of in few.items()) + "."
        yield ""
    if results["earlier"]:
        yield "Rows marked *earlier* are of an earlier build, and were not run again."
        yield ""
    yield f"    tests/bench/scenarios.py {'--data DIR ' if name in SOURCES else ''}{name}"
    yield ""
    yield from table(results)
    yield ""
    yield "`lia`: " + "; ".join(facts(name, results, found)) + "."
    yield ""


def honest_accuracy(run, honest):
    """Of these nodes, a run's mean accuracy over the last five rounds."""
    return statistics.mean(statistics.mean(report["accuracy"] for report in node["rounds"][-5:])
                           for node in run["nodes"] if node["name"] in honest)


def honest_of(results):
    return {node["name"] for node in results["runs"][0]["world"] if node["attack"] is None}


def calm_of(results, found):
    """The scenario in which the same honest nodes learn as long without attackers; None if it was not run."""
    calm = (one for name, one in found.items() if name.startswith("calm-") and one["rounds"] == results["rounds"])
    return next((one for one in calm if honest_of(one) == honest_of(results)), None)


def partners(run, honest, since):
    """How many honest and how many other nodes an honest one averages with in a round, from a round on."""
    counts = [[sum((member["name"] in honest) == good for member in report["members"]) for good in (True, False)]
              for node in run["nodes"] if node["name"] in honest for report in node["rounds"] if report["round"] >= since]
    return [statistics.mean(count[kind] for count in counts) for kind in (0, 1)]


def colluding(found, document):
    """One table of the attacks within a circle, for each strategy; what was not run again is kept."""
    kept = earlier_section(document, "Members that collude")
    lines = {tuple(row.split(" | ")[:3]): row for row in kept if row.startswith("| ") and " of 8 | " in row}
    for name, results in found.items():
        calm = calm_of(results, found)
        if not name.startswith("attack-") or calm is None or len(results["runs"][0]["world"]) != 8:
            continue
        honest = honest_of(results)
        since = max(6, results.get("attack_round", 1))
        for strategy in ("lia", "fedavg", "trimmed-mean", "median"):
            of = lambda one: {run["seed"]: run for run in one["runs"] if run["strategy"] == strategy}
            attacked, without = of(results), of(calm)
            seeds = sorted(attacked)
            if not seeds:
                continue
            accuracy = {seed: 100 * honest_accuracy(attacked[seed], honest) for seed in seeds}
            free = {seed: 100 * honest_accuracy(without[seed], honest) for seed in seeds if seed in without}
            good, bad = zip(*(partners(attacked[seed], honest, since) for seed in seeds))
            fooled = [line["backdoor"] for line in results["summary"]
                      if line["strategy"] == strategy and line.get("backdoor") is not None]
            row = (f"| {name.removeprefix('attack-')} | {8 - len(honest)} of 8 | `{strategy}` | {spread(list(accuracy.values()))} | "
                   f"{spread(list(free.values()))} | {spread([accuracy[s] - free[s] for s in free], sign='+')} | "
                   f"{statistics.mean(good):.1f} of {len(honest) - 1} | {statistics.mean(bad):.1f} | "
                   f"{spread(fooled, 100)} | {len(seeds)} |")
            lines[tuple(row.split(" | ")[:3])] = row
    if not lines:
        return
    yield "### Members that collude"
    yield ""
    yield "    tests/bench/scenarios.py 'attack-*' 'calm-*'"
    yield ""
    yield ("Fashion-MNIST, eight nodes that are alike, of 120 pictures each, 12 rounds of 3 epochs (15 where the attack begins in round "
           "11). Accuracy is of the honest nodes; *without* is theirs where the attackers do not exist. *Partners* are how many honest and "
           "how many attackers an honest node averages with in a round, after round 5 and once they attack. `fedavg`, `trimmed-mean` and "
           "`median` take everybody, which here is the circle. *Backdoor* is the share of pictures with the trigger that an honest node "
           "takes for what the attackers want, after the last round.")
    yield ""
    yield "| attack | attackers | strategy | accuracy % | without | difference | honest partners | attackers | backdoor % | seeds |"
    yield "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    yield from (lines[key] for key in sorted(lines))
    yield ""


def attacks(found, document):
    """One table of all attacks, each beside the same honest nodes without the attackers; what was not run again is kept."""
    cells = lambda row: tuple(row.split(" | ")[:2])
    lines = {cells(row): row for row in earlier_section(document, "Attacks") if row.endswith(" |") and " times | " in row}
    for name, results in found.items():
        world = results["runs"][0]["world"]
        attackers = sum(node["attack"] is not None for node in world)
        calm = calm_of(results, found)
        if not name.startswith("attack-") or calm is None or len(world) == 8:
            continue
        kinds = {node["attack"] for node in world} - {None}
        honest = {node["name"] for node in world if node["attack"] is None}
        without = {run["seed"]: 100 * honest_accuracy(run, honest) for run in calm["runs"]}
        attacked = {run["seed"]: 100 * honest_accuracy(run, honest) for run in results["runs"]}
        seeds = sorted(without.keys() & attacked.keys())
        row = (f"| {', '.join(kinds)} | {attackers} of {len(world)} | {spread([attacked[s] for s in seeds])} | "
               f"{spread([without[s] for s in seeds])} | {spread([attacked[s] - without[s] for s in seeds], sign='+')} | "
               f"{sum(values(results, 'lia', 'attackers')):.0f} times | {len(seeds)} |")
        lines[cells(row)] = row
    if not lines:
        return
    yield "### Attacks"
    yield ""
    yield "    tests/bench/scenarios.py 'attack-*' 'calm-*'"
    yield ""
    yield ("Fashion-MNIST, 4 rotations, 16 nodes, `lia`, 12 rounds. Accuracy is of the honest nodes; *without* is theirs where the "
           "attackers do not exist.")
    yield ""
    yield "| attack | attackers | accuracy % | without | difference | averaged with an attacker after round 5 | seeds |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    yield from (lines[key] for key in sorted(lines))
    yield ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", help="the name of a file there, without .toml")
    parser.add_argument("--kith", default=ROOT / "build" / "release" / "bin" / "kith", type=pathlib.Path)
    parser.add_argument("--out", default=ROOT / "build" / "scenarios", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--seeds", help="only these, with commas between; what is finished of others is kept for another time")
    parser.add_argument("--strategies", help="only these, with commas between")
    parser.add_argument("--any-program", action="store_true", help="take what another build of kith finished, too")
    parser.add_argument("--run-only", action="store_true", help="do not touch docs/results.md")
    parser.add_argument("--no-run", action="store_true", help="only write what was finished before")
    options = parser.parse_args()
    wanted = []
    for pattern in options.scenario or ["*"]:
        matching = fnmatch.filter(scenarios(), pattern)
        if not matching:
            parser.error(f"no such scenario: {pattern}; there are {', '.join(scenarios())}")
        wanted += matching
    only = [f"--{key}={value}" for key, value in (("seeds", options.seeds), ("strategies", options.strategies)) if value]
    only += ["--any-program"] * options.any_program
    for name in dict.fromkeys(wanted if not options.no_run else []):
        run(options.kith, name, options.out, options.data, only)
    if options.run_only:
        return
    files = {name: options.out / name / "results.json" for name in scenarios()}  # also those of an earlier time
    found = {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}
    document = RESULTS.read_text()
    for results in found.values():
        new = {line["strategy"] for line in results["summary"]}
        results["earlier"] = {key: row for key, row in earlier_rows(document, results["name"]).items() if key not in new}
    lines = list(overview(found, document))
    for name in scenarios():
        if name.startswith(("attack-", "calm-", "language-family")):
            continue
        if name in found:
            lines += section(name, found[name], found)
            continue
        title = title_of(name)
        if kept := earlier_section(document, title):
            note = ["", "*All of an earlier build.*"] if "*All of an earlier build.*" not in kept else []
            lines += [f"### {title}", *note, *kept, ""]
    lines += attacks(found, document)
    lines += colluding(found, document)
    before, rest = document.split(BEGIN)
    RESULTS.write_text(before + BEGIN + "\n\n" + "\n".join(lines) + END + rest.split(END)[1])
    print(f"written to {RESULTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
