#!/usr/bin/env python3
"""Compares strategies on data whose sites are real, and writes the board into docs/results.md.

    tests/bench/board.py                       every scenario natural-*.toml, all its strategies and seeds: a night
    tests/bench/board.py --short               one seed, the strategies that matter: half an hour
    tests/bench/board.py --short mitdb oulad   only these sets
    tests/bench/board.py --show                what is there already, without running anything

The data are in KITH_DATA (../shared/data), or where --data says.  What this program finished in build/board is not done again;
with --any-program, nor is what another build did.

The gain of a site is by how much better it predicts its held-out rows than with `local`, in points of accuracy (of R2 where
a number is predicted), as the mean over the last rounds and all seeds.  A site is harmed if it is worse by more than two
standard errors of the difference on its rows, the seeds' mean of each row being one observation.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tomllib

import har_blocks

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "bench" / "scenarios"
RESULTS = ROOT / "docs" / "results.md"
BEGIN, END = "<!-- board: written by tests/bench/board.py -->", "<!-- end of board -->"
MOST = 100.0  # points that a site can gain or lose: R2 has no end below
SHORT = ["local", "fedavg", "fedavg-ft", "ditto", "fedala", "fedfomo", "dpfl", "look-ahead", "lia"]


@dataclasses.dataclass
class Site:
    """What a strategy comes to at a site, beside `local`: in points, and in standard errors of its rows."""

    gain: float
    error: float

    def harmed(self):
        return self.gain < -2 * self.error


# --- From the results ----------------------------------------------------------------------------


def rows_of(results, strategy):
    """For each site its held-out rows, each the mean over the seeds of what the strategy makes of it."""
    runs = [run for run in results["runs"] if run["strategy"] == strategy]
    sites = {}
    for run in runs:
        for node in run["nodes"]:
            sites.setdefault(node["name"], []).append(node["outcomes"])
    return {name: [statistics.fmean(row) for row in zip(*seeds, strict=True)] for name, seeds in sites.items()}


def sites_of(results, strategy):
    """A Site for each node."""
    own, alone = rows_of(results, strategy), rows_of(results, "local")
    found = []
    for name, rows in own.items():
        differences = [100 * (mine - other) for mine, other in zip(rows, alone[name], strict=True)]
        count = len(differences)
        error = statistics.stdev(differences) / count**0.5 if count > 1 else 0.0
        found.append(Site(max(-MOST, min(MOST, statistics.fmean(differences))), error))
    return found


def ranks(gains):
    """Of each strategy, 1 for the highest gain; those of equal gain share the mean of their places."""
    return {
        name: 1 + sum(other > gain for other in gains.values()) + (list(gains.values()).count(gain) - 1) / 2
        for name, gain in gains.items()
    }


def mean_and_error(values):
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return statistics.fmean(values), error


# --- The board -----------------------------------------------------------------------------------


def board(all_results):
    """The lines of the board.  `all_results`: by the name of the set."""
    strategies = [run["strategy"] for run in next(iter(all_results.values()))["runs"]]
    strategies = [s for s in dict.fromkeys(strategies)
                  if all(any(run["strategy"] == s for run in results["runs"]) for results in all_results.values())]  # fmt: skip
    sites = {s: {name: sites_of(results, s) for name, results in all_results.items()} for s in strategies}
    gains = {s: {name: mean_and_error([site.gain for site in found]) for name, found in of.items()}
             for s, of in sites.items()}  # fmt: skip
    places = {name: ranks({s: round(gains[s][name][0], 6) for s in strategies}) for name in all_results}
    order = sorted(strategies, key=lambda s: statistics.fmean(places[name][s] for name in all_results))

    lines = ["| strategy | mean gain over alone | average rank | sites harmed | by, points | worst site | seconds a run |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for s in order:
        every = [site for found in sites[s].values() for site in found]
        harmed = [site for site in every if site.harmed()]
        by = f"{statistics.fmean(site.gain for site in harmed):.1f}" if harmed else "-"
        seconds = [run["seconds"] for results in all_results.values() for run in results["runs"] if run["strategy"] == s]
        lines.append(
            f"| `{s}` | {statistics.fmean(gain for gain, _ in gains[s].values()):+.2f} |"
            f" {statistics.fmean(places[name][s] for name in all_results):.1f} |"
            f" {100 * len(harmed) / len(every):.1f} % of {len(every)} | {by} | {min(site.gain for site in every):+.1f} |"
            f" {statistics.fmean(seconds):.0f} |"
        )
    lines += ["", "Gain of each set, mean over its sites ± standard error, and how many of them are harmed:", "",
              "| set (sites) | " + " | ".join(f"`{s}`" for s in order if s != "local") + " |",
              "| --- |" + " ---: |" * (len(order) - 1)]  # fmt: skip
    for name in all_results:
        cells = []
        best = max(gains[s][name][0] for s in order)
        for s in order:
            if s == "local":
                continue
            gain, error = gains[s][name]
            text = f"{gain:+.1f} ± {error:.1f}"
            harmed = sum(site.harmed() for site in sites[s][name])
            cells.append((f"**{text}**" if gain == best else text) + (f" ({harmed})" if harmed else ""))
        lines.append(f"| {name} ({len(sites['local'][name])}) | " + " | ".join(cells) + " |")
    return lines


# --- Running -------------------------------------------------------------------------------------


def folder_of(scenario, data):
    """Where the data of a scenario lie: what follows "shared/data" in it, below `data`."""
    directory = tomllib.loads(scenario.read_text())["data"]["directory"]
    return data / directory.split("shared/data/")[-1]


def run(kith, scenario, out, data, only):
    """False if the data are not here."""
    source = folder_of(scenario, data)
    if not source.is_dir():
        print(f"{scenario.stem}: skipped; there is no folder {source}; set KITH_DATA", file=sys.stderr)
        return False
    if scenario.stem == "natural-har":
        har_blocks.split(source, out.parent / "har-blocks")
        source = out.parent / "har-blocks"
    print(f"{scenario.stem}:", file=sys.stderr, flush=True)
    command = [kith, "simulate", scenario, "--out", out, "--source", source, *only]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return True


def write(lines):
    text = RESULTS.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    RESULTS.write_text(text[:begin] + "\n\n" + "\n".join(lines) + "\n\n" + text[end:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help="only these, without natural-")
    parser.add_argument("--short", action="store_true", help="one seed, the strategies that matter")
    parser.add_argument("--show", action="store_true", help="run nothing")
    parser.add_argument("--seeds", help="only these, with commas between")
    parser.add_argument("--strategies", help="only these, with commas between; local must be one")
    parser.add_argument("--data", type=pathlib.Path,
                        default=pathlib.Path(os.environ.get("KITH_DATA", ROOT.parent / "shared" / "data")))  # fmt: skip
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "board")
    parser.add_argument("--kith", default=ROOT / "build" / "release" / "bin" / "kith")
    parser.add_argument("--any-program", action="store_true")
    parser.add_argument("--write", action="store_true", help="into docs/results.md")
    options = parser.parse_args()

    scenarios = {file.stem.removeprefix("natural-"): file for file in sorted(FOLDER.glob("natural-*.toml"))}
    if unknown := set(options.sets) - set(scenarios):
        parser.error(f"there is no set {', '.join(sorted(unknown))}; there are {', '.join(scenarios)}")
    only = ["--any-program"] if options.any_program else []
    seeds = options.seeds or ("1" if options.short else None)
    strategies = options.strategies or (",".join(SHORT) if options.short else None)
    only += ["--seeds", seeds] if seeds else []
    only += ["--strategies", strategies] if strategies else []
    done = {}
    for name in options.sets or scenarios:
        out = options.out / name
        if options.show or run(options.kith, scenarios[name], out, options.data, only):
            if (out / "results.json").exists():
                done[name] = json.loads((out / "results.json").read_text())
    if not done:
        sys.exit("nothing to show")
    lines = board(done)
    print("\n".join(lines))
    if options.write:
        write(lines)


if __name__ == "__main__":
    main()
