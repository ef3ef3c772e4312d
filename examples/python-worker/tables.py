"""Reads a node's tables, by the columns that the task declares: numbers for the model, and what it should answer."""

import csv
import datetime
import gzip
import hashlib
import math

import numpy as np

from kith_worker import Refused

USUAL_MISSING = set(
    "|?|-|.|--|---|NA|<NA>|N/A|n/a|na|#N/A|#NA|NaN|nan|-nan|-NaN|NAN|NaT|NULL|null|Null|None|#NV|#DIV/0!|#VALUE!|#NUM!|#WERT!|#REF!".split("|")
)
USUAL_YES_NO = [
    ["no", "n", "0", "0.0", "false", "f", "nein", "non", "falsch", "faux"],
    ["yes", "y", "1", "1.0", "true", "t", "ja", "oui", "wahr", "vrai"],
]


class Examples:
    """Some rows: `x`, float32, a row each; `y`, classes (int64) or numbers (float32); and which belong together."""

    def __init__(self, x, y, groups):
        self.x, self.y, self.groups = x, y, groups

    def __len__(self):
        return len(self.y)

    def some(self, which):
        return Examples(self.x[which], self.y[which], [self.groups[i] for i in which])


def features(column):
    """How many inputs a column makes."""
    if column["kind"] == "ignored" or column.get("target") or column.get("time"):
        return 0
    return len(column["values"]) + 1 if column["kind"] == "category" else 2


def inputs(task):
    if not task["columns"]:
        raise Refused("config", "this worker learns from tables; declare their columns: [[task.column]]")
    return sum(features(column) for column in task["columns"])


def read(paths, task):
    """All rows of these CSV files that have a target. UTF-8, numbers with a point, and .gz or not."""
    wanted = [column for column in task["columns"] if column["kind"] != "ignored" or column.get("group")]
    whole = task["classes"] > 1
    x, y, groups, times = [], [], [], []
    for path in paths:
        try:
            with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8-sig", newline="") as file:
                lines = csv.reader(file)
                header = [name.strip() for name in next(lines, [])]
                for column in wanted:
                    if column["name"] not in header:
                        raise Refused("data", f"{path} has no column {column['name']}; correct its first line or the task")
                places = [header.index(column["name"]) for column in wanted]
                for cells in lines:
                    if not cells:
                        continue
                    where = f"{path}, line {lines.line_num}"
                    if len(cells) <= max(places):
                        raise Refused("data", f"{where} has {len(cells)} cells and lacks some; correct it")
                    row, target, group, time = [], None, None, math.nan
                    for column, place in zip(wanted, places):
                        value = value_of(column, cells[place].strip(), where)
                        if column.get("group"):
                            group = cells[place].strip()
                        if column.get("time"):
                            time = math.nan if value is None else value
                        elif column.get("target"):
                            target = None if value is None else value if whole else scaled(column, value)
                        elif column["kind"] != "ignored":
                            row += encoded(column, value)
                    if target is not None and group != "":
                        x.append(row), y.append(target), groups.append(group), times.append(time)
        except PermissionError as error:
            raise Refused("permission", f"{path} cannot be read: {error.strerror}; let kith's user read it")
        except (OSError, EOFError) as error:
            raise Refused("data", f"{path} cannot be read: {error}; name another file, or mend this one")
        except (UnicodeDecodeError, csv.Error) as error:
            raise Refused("data", f"{path} is not CSV in UTF-8: {error}; convert it")
    kind = np.int64 if whole else np.float32
    rows = Examples(np.array(x, np.float32).reshape(len(y), inputs(task)), np.array(y, kind), groups)
    return rows, np.array(times)


def value_of(column, cell, where):
    """A number; of values the place among them; or None if it is missing."""
    kind = column["kind"]
    if kind == "ignored":
        return None
    if kind in ("category", "ordinal", "yes-no"):
        usual = kind == "yes-no" and not column.get("values")
        for place, spellings in enumerate(USUAL_YES_NO if usual else column["values"]):
            if (cell.lower() if usual else cell) in spellings:
                return place
    if cell in USUAL_MISSING or cell in column.get("missing", []):
        return None
    try:
        if kind == "number":
            value = float(cell)
            if math.isfinite(value) and (column.get("scale") != "log" or value > 0):
                return value
        if kind == "date":
            moment = datetime.datetime.fromisoformat(cell).replace(tzinfo=None)
            return (moment - datetime.datetime(1970, 1, 1)).total_seconds() / 86400
    except ValueError:
        pass
    if column.get("unknown") == "missing":
        return None
    raise Refused("data", f"{where}: {column['name']} is {cell!r}, which the task does not know; correct the cell or the task")


def scaled(column, value):
    """From low..high to -1..1, and on beyond."""
    low, high = column.get("low", 0), column.get("high", 0)
    if column.get("scale") == "log":
        low, high, value = math.log(low), math.log(high), math.log(value)
    return 2 * (value - low) / (high - low) - 1


def encoded(column, value):
    """The inputs that it makes."""
    if column["kind"] == "category":
        return [float(i == (len(column["values"]) if value is None else value)) for i in range(len(column["values"]) + 1)]
    if value is None:
        return [0.0, 1.0]
    if column["kind"] in ("number", "date"):
        return [min(max(scaled(column, value), -1), 1), 0.0]
    return [2 * value / (len(column.get("values") or USUAL_YES_NO) - 1) - 1, 0.0]


def divide(rows, times, data):
    """Training and validation examples, each in an order of its own; the same at every start."""
    key = hashlib.blake2b(data["split_key"].encode(), digest_size=32).digest()
    tag = lambda content: hashlib.blake2b(content, digest_size=8, key=key).digest()
    contents = [rows.x[i].tobytes() + rows.y[i].tobytes() for i in range(len(rows))]
    own = [tag(content) for content in contents]
    order = sorted(range(len(rows)), key=lambda i: (own[i], i))
    # Copies of an example, and all of a group, are on one side.
    unit = [own[i] if rows.groups[i] is None else tag(b"group " + rows.groups[i].encode()) for i in range(len(rows))]
    if data["split"] == "time":
        last = sorted(range(len(rows)), key=lambda i: (math.isnan(times[i]), times[i] if not math.isnan(times[i]) else 0, i))
        aside = {unit[i] for i in last[len(rows) - round(data["validation"] * len(rows)) :]}
    else:
        aside = {each for each in unit if int.from_bytes(each, "big") < data["validation"] * 2**64}
    return rows.some([i for i in order if unit[i] not in aside]), rows.some([i for i in order if unit[i] in aside])


def fingerprint(rows):
    """One text for a set of examples, whatever their order."""
    digest = lambda i: hashlib.blake2b(rows.x[i].tobytes() + rows.y[i].tobytes(), digest_size=8).digest()
    total = sum(int.from_bytes(digest(i), "big") for i in range(len(rows))) % 2**64
    return f"{len(rows)} {total:x}"
