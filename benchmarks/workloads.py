"""Set 2, what the tracer's cost is measured on besides `suite.py`, and two rows of numpy. Frozen: sources and
sizes stay, or old numbers mean nothing.

Each is the source of a notebook cell that defines `work()`; one call is one measurement.
"""

# Loops that do little but allocate.
LOOPS = {
    "ints": """
def work():
    for _ in range(20):
        x = [i * 1000 for i in range(50_000)]
        y = sum([i + 70_000 for i in x])
""",
    "floats": """
def work():
    for _ in range(25):
        x = [i * 0.5 for i in range(50_000)]
        y = [a + 1.5 for a in x]
""",
    "strings": """
def work():
    for _ in range(12):
        x = ["%d:%d" % (i, i) for i in range(20_000)]
        y = [a.upper() + "!" for a in x]
        z = ",".join(y).split(",")
""",
    "trees": """
def tree(depth):
    if depth == 0:
        return [None, None]
    return [tree(depth - 1), tree(depth - 1)]

def count(node):
    left, right = node
    return 1 if left is None else 1 + count(left) + count(right)

def work():
    for _ in range(10):
        count(tree(13))
""",
    "objects": """
class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

def work():
    for _ in range(12):
        x = [Point(i, -i) for i in range(20_000)]
        y = {id(p): (p.x, p.y) for p in x}
""",
    "json": """
import json
data = [{"id": i, "name": "n%d" % i, "tags": ["a", "b", str(i)], "x": i / 7} for i in range(3_000)]

def work():
    for _ in range(8):
        json.loads(json.dumps(data))
""",
    "small numpy": """
import numpy
base = numpy.arange(16.0)

def work():
    x = base
    for _ in range(60_000):
        x = base + 1.0
        y = x[2:10] * 2.0
""",
}

# Where the line that asked lies under many frames of library code.
DEEP = {
    "deepcopy, 250 deep": """
import copy, sys
sys.setrecursionlimit(5_000)
data = []
for i in range(250):
    data = [data, i, str(i)]

def work():
    for _ in range(60):
        copy.deepcopy(data)
""",
    "nested JSON encoder": """
import json
data = 1.5
for i in range(40):
    data = {"depth": i, "items": [i, i + 0.5, "x" * 9], "next": data}

def work():
    encoder = json.JSONEncoder(indent=1)
    for _ in range(250):
        "".join(encoder.iterencode(data))
""",
}

# numpy, where the tracer must not be felt.
NUMPY = {
    "numpy, 250,000 small operations": """
import numpy
a, b = numpy.arange(100.0), numpy.ones(100)

def work():
    for _ in range(50_000):
        c = a + b
        d = c * 2.0
        e = numpy.sqrt(d)
        f = e[10:60]
        g = f.max()
""",
    "numpy, large arrays": """
import numpy
base = numpy.random.default_rng(0).random(1_000_000)

def work():
    for _ in range(10):
        a = base * 2.0 + 1.0
        b = numpy.sqrt(a)
        c = numpy.cumsum(b).reshape(1_000, 1_000)
        d = c.T.copy()
        e = numpy.concatenate([a, b])
        f = numpy.sort(a[:100_000])
        g = d.astype("float32").sum(axis=0)
""",
}
