"""Results as kith simulate writes them, made up: plausible ones, and awkward ones."""

import math
import random

PLAUSIBLE = {"lia": 0.78, "local": 0.66, "fedavg": 0.55, "oracle": 0.785, "pens": 0.74, "dac": 0.68, "fedfomo": 0.70,
             "ifca": 0.72, "lia-sign": 0.71}


def results(nodes=8, groups=2, strategies=("lia", "local", "fedavg", "oracle"), seeds=(1, 2), rounds=12, attackers=0,
            drift=0, metric="accuracy", names=None, name="made up"):
    """Made-up results; groups = 0: nobody knows any."""
    names = names or [f"node-{i + 1}" for i in range(nodes)]
    world = []
    for i in range(nodes):
        fact = {"name": names[i], "group": i % groups if groups else None,
                "attack": "sign-flip" if i >= nodes - attackers else None}
        if drift:
            fact["group_after_drift"] = (fact["group"] + (i < nodes // 4)) % groups
        world.append(fact)
    runs = [run(strategy, seed, world, rounds, drift) for seed in seeds for strategy in strategies]
    return {"format": 1, "name": name, "version": "0.1.0", "scenario": f"[simulation]\nname = \"{name}\"\n",
            "metric": metric, "rounds": rounds, "drift_round": drift, "runs": runs}


def run(strategy, seed, world, rounds, drift):
    chance = random.Random(f"{strategy} {seed}")
    skill = {fact["name"]: random.Random(f"{seed} {fact['name']}").gauss(0, 0.03) for fact in world}
    received = dict.fromkeys(skill, 0)
    nodes = [{"name": fact["name"], "rounds": []} for fact in world]
    for number in range(1, rounds + 1):
        group = {fact["name"]: fact["group_after_drift" if drift and number >= drift else "group"] for fact in world}
        for node, fact in zip(nodes, world):
            node["rounds"].append(report(strategy, number, rounds, node["name"], world, group, skill, received, chance))
    return {"strategy": strategy, "seed": seed, "seconds": round(20 + 10 * chance.random(), 2),
            "virtual_seconds": 140.2, "world": world, "nodes": nodes}


def report(strategy, number, rounds, own, world, group, skill, received, chance):
    def level(final):
        return final * (1 - 0.7 * math.exp(-3 * number / max(rounds, 6))) + skill[own] + chance.gauss(0, 0.012)

    attack = {fact["name"]: fact["attack"] for fact in world}
    members, opinions = [], {}
    for peer in (fact["name"] for fact in world if fact["name"] != own):
        alike = group[peer] == group[own] and not attack[peer]
        rho = (0.9 if alike else -0.8 if attack[peer] else 0.1) + chance.gauss(0, 0.8 / number)
        chosen = {"fedavg": True, "local": False, "oracle": alike}.get(strategy, rho > 0.5)
        if chosen:
            members.append({"id": peer, "name": peer, "weight": 0.5})
        if strategy == "lia" and (len(world) < 6 or chance.random() < 0.9):
            opinions[peer] = {"admitted": chosen, "rho": rho, "low": rho - 0.2, "high": rho + 0.2, "scores": number,
                              "since": 1, "scored": number, "reason": "made up", "own": {"mean": 1.0}}
        elif strategy == "pens":
            opinions[peer] = {"chosen": 3, "expected": 2.5, "neighbour": chosen}
    received[own] += 400_000 * (len(members) + (strategy == "lia"))
    accuracy = level(PLAUSIBLE.get(strategy, 0.6))
    alone = level(PLAUSIBLE["local"])
    test = {"loss": 3 - 2 * alone, "accuracy": alone, "examples": 500}
    models = {"baseline": {"validation": None, "test": test}} if strategy == "lia" else {}
    return {"round": number, "time": 10.2 * number, "accuracy": accuracy, "loss": 3 - 2 * accuracy,
            "bytes_in": received[own], "served": "averaged", "served_reason": "made up", "examples": 150,
            "models": models, "members": members, "opinions": opinions,
            "seconds": {"train": 0.5, "gather": 0.02, "load": 0.1, "choose": 0.2 * (strategy == "lia"), "test": 0.1}}
