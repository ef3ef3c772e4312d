"""The model: replace this file. worker.py and kith_worker.py know of it only what is said here."""

import math
import random

import numpy as np

from kith_worker import Refused


class Model:
    """Random features and a linear head: a kernel machine, cut short.

    An example x becomes cos(W x + b), with W and b drawn once from the task's seed and frozen; only the head on top of
    these features is trained. So the loss is convex, what travels is small, and averages of heads are heads.

    What a model of your own must have:

      tensors            name, shape and role of each tensor, sorted by name. A role is "shared" (trained, and averaged with
                         peers) or "frozen" (as it was drawn, at every member). The last layer's names begin with "output.".
      initial(seed)      their first values, by name: the same to the last bit at every member
      answers(t, x)      what the tensors t, by name, say to a batch x (float32, a row an example): a row of numbers each
      gradient(t, x, s)  how the loss rises with each shared tensor, by name, if it rises with the answers as s says
    """

    def __init__(self, task, inputs):
        """`task` as `open` has it; `inputs` is how many numbers an example has."""
        if len(task["sizes"]) != 1:
            raise Refused("config", "task.sizes must be one number, of the random features: sizes = [200]")
        self.features, self.inputs = task["sizes"][0], inputs
        self.answered = 1 if task["classes"] == 1 else task["classes"]
        self.tensors = [
            ("features.bias", (self.features,), "frozen"),
            ("features.weight", (self.features, inputs), "frozen"),
            ("output.bias", (self.answered,), "shared"),
            ("output.weight", (self.answered, self.features), "shared"),
        ]
        # cos() is 1/2 on average when squared: so features have the length 4, and the usual learning rates suit.
        self.scale = np.float32(math.sqrt(32 / self.features))

    def initial(self, seed):
        # Sums, products and roots only: sine, logarithm and NumPy's normal() differ in the last bit from machine to machine.
        draw = random.Random(seed).random
        normal = lambda count: [sum(draw() for _ in range(12)) - 6 for _ in range(count)]
        width = math.sqrt(self.inputs) / 4  # of the kernel: inputs are from -1 to 1, and distances grow with their number
        weights = np.array(normal(self.features * self.inputs), np.float32) / np.float32(width)
        phases = np.array([6.283185307179586 * draw() for _ in range(self.features)], np.float32)
        return {
            "features.bias": phases,
            "features.weight": weights.reshape(self.features, self.inputs),
            "output.bias": np.zeros(self.answered, np.float32),
            "output.weight": np.zeros((self.answered, self.features), np.float32),
        }

    def _features(self, tensors, x):
        return self.scale * np.cos(x @ tensors["features.weight"].T + tensors["features.bias"])

    def answers(self, tensors, x):
        return self._features(tensors, x) @ tensors["output.weight"].T + tensors["output.bias"]

    def gradient(self, tensors, x, slopes):
        return {"output.bias": slopes.sum(0), "output.weight": slopes.T @ self._features(tensors, x)}
