"""What training makes small, and how good that is: from a model's answers and the targets."""

import math

import numpy as np

from kith_worker import Refused


def goal_of(task):
    if task["loss"] == "binary-cross-entropy" or sum(bool(each.get("target")) for each in task["columns"]) > 1:
        raise Refused("config", "this worker answers one question at a time; name one target column")
    return Number(task) if task["classes"] == 1 else Classes(task)


class Classes:
    """Cross entropy, weighted by class if the task says so."""

    def __init__(self, task):
        self.classes, self.smoothing = task["classes"], task["label_smoothing"]
        weights = np.array(task["class_weights"] or [1.0] * self.classes)
        self.weights = (weights / weights.mean()).astype(np.float32)

    def _logarithms(self, answers):
        above = answers - answers.max(1, keepdims=True)
        return above - np.log(np.exp(above).sum(1, keepdims=True))

    def losses(self, answers, wanted):
        """Of each example, not weighted."""
        return -self._logarithms(answers)[np.arange(len(wanted)), wanted]

    def weights_of(self, wanted):
        return self.weights[wanted]

    def slopes(self, answers, wanted):
        """How the mean loss of a batch, in training, rises with each answer; and that loss."""
        truth = np.full(answers.shape, self.smoothing / self.classes, np.float32)
        truth[np.arange(len(wanted)), wanted] += 1 - self.smoothing
        logarithms = self._logarithms(answers)
        share = self.weights[wanted] / self.weights[wanted].sum()
        return (np.exp(logarithms) - truth) * share[:, None], float(-(logarithms * truth).sum(1) @ share)

    def scores(self, losses, wanted):
        k = 99 * self.classes
        chances = np.exp(-np.where(losses >= 0, losses, np.inf))  # what is not a number counts as the worst
        return ((math.log1p(k) - np.log1p(k * chances)) * self.weights_of(wanted)).astype("<f4")

    def said(self, answers):
        return np.exp(self._logarithms(answers))

    def right(self, answers, wanted):
        """Of each example, what its metric is the mean of."""
        return (answers.argmax(1) == wanted).astype("<f4")

    def metrics(self, answers, wanted):
        """By name; and how often each class was taken for each."""
        counts = np.zeros((self.classes, self.classes), int)
        np.add.at(counts, (wanted, answers.argmax(1)), 1)
        occurs, said, hits = counts.sum(1), counts.sum(0), counts.diagonal()
        metrics = {
            "accuracy": hits.sum() / len(wanted),
            "balanced_accuracy": (hits[occurs > 0] / occurs[occurs > 0]).mean(),
            "macro_f1": (2 * hits / np.maximum(occurs + said, 1))[occurs + said > 0].mean(),
        }
        if self.classes == 2 and occurs.all():
            metrics |= ranking(answers[:, 1] - answers[:, 0], wanted)
        return metrics, counts.ravel().tolist() if self.classes <= 32 else []


def ranking(scores, wanted):
    """Area under the ROC curve and average precision; examples with the same score count as one step."""
    values, places = np.unique(-scores, return_inverse=True)
    hits = np.bincount(places, weights=wanted, minlength=len(values))
    seen = np.bincount(places, minlength=len(values))
    misses, found = seen - hits, np.cumsum(hits)
    return {
        "auroc": float((misses * (found - hits / 2)).sum() / (hits.sum() * misses.sum())),
        "average_precision": float((hits / hits.sum() * found / np.cumsum(seen)).sum()),
    }


class Number:
    """A number, scaled so that the target's range is -1 to 1."""

    def __init__(self, task):
        self.kind = task["loss"] or "squared"
        self.most = 4 if self.kind == "squared" else 2
        target = next((each for each in task["columns"] if each.get("target")), None)
        self.low, self.high = (target.get("low", 0), target.get("high", 0)) if target else task["target_range"]
        self.log = bool(target) and target.get("scale") == "log"

    def _in_unit(self, scaled):
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = low + (np.asarray(scaled, float) + 1) / 2 * (high - low)
        return np.exp(value) if self.log else value

    def losses(self, answers, wanted):
        error = np.abs(answers[:, 0] - wanted)
        if self.kind == "absolute":
            return error
        return error**2 if self.kind == "squared" else np.where(error < 0.2, error**2 / 2, 0.2 * (error - 0.1))

    def weights_of(self, wanted):
        return np.ones(len(wanted), np.float32)

    def slopes(self, answers, wanted):
        error = answers[:, 0] - wanted
        slope = {"absolute": np.sign(error), "squared": 2 * error}.get(self.kind, np.clip(error, -0.2, 0.2))
        return slope[:, None] / np.float32(len(wanted)), float(self.losses(answers, wanted).mean())

    def scores(self, losses, wanted):
        return np.where(losses < self.most, losses, self.most).astype("<f4")

    def said(self, answers):
        return answers

    def right(self, answers, wanted):
        truth, said = self._in_unit(wanted), self._in_unit(answers[:, 0])
        return (1 - (said - truth) ** 2 / max(truth.var(), 1e-30)).astype("<f4")

    def metrics(self, answers, wanted):
        truth, said = self._in_unit(wanted), self._in_unit(answers[:, 0])
        metrics = {"mae": np.abs(said - truth).mean(), "rmse": ((said - truth) ** 2).mean() ** 0.5}
        if truth.var() > 0:
            metrics["r2"] = 1 - ((said - truth) ** 2).mean() / truth.var()
        return metrics, []
