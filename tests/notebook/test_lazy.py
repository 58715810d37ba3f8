"""Modules that wait for their first use: nobody but a clock can tell them from modules that ran at once."""

import ast
import importlib
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import IPython
import pytest
from cellheap.app import lazily, lazy, standins

from tests.notebook.front import Front

# Older ones ask for more: a start is slower with them.
NEW = IPython.version_info >= (9, 18)
WAITING = (
    "jupyter_client.manager",
    "zmq.backend",
    "zmq.constants",
    "_ssl",
    "dateutil.parser._parser",
    "packaging._structures",
    "psutil",
    "_hashlib",
    "_curses",
    *(["_pickle"] if NEW else []),
    *(["html.entities"] if NEW else []),
    *(["ipaddress"] if sys.version_info >= (3, 13) else []),  # Before, pathlib asks for what asks for it.
    "platformdirs.api",
    "readline",
)


@pytest.fixture(scope="module")
def at_start(shared: Front) -> list[str]:
    """What is imported when the kernel has answered its first cell."""
    modules = ast.literal_eval(shared.run("import sys; sorted(sys.modules)").result)
    assert isinstance(modules, list)
    return modules


def test_a_start_needs_none_of_them(at_start: list[str]) -> None:
    assert {"jupyter_client.session", "asyncio", "IPython"} <= set(at_start)
    assert set(WAITING) & set(at_start) == set()


@pytest.mark.parametrize("module", lazily.LAZY)
def test_a_kernels_module_has_what_a_plain_pythons_has(
    module: str, shared: Front, at_start: list[str]
) -> None:
    names = f"import {module} as m; sorted(n for n in vars(m) if n not in ('__builtins__', '__cached__'))"
    assert module in at_start
    ours = ast.literal_eval(shared.run(names).result)
    statement, expression = names.split("; ")
    # jupyter_client has what of its submodules was imported by others too.
    plain = f"import ipykernel.kernelapp, asyncio; {statement}; print({expression})"
    theirs = subprocess.run([sys.executable, "-c", plain], capture_output=True, text=True, check=True).stdout
    assert set(ast.literal_eval(theirs)) <= set(ours)
    assert shared.run("type(m).__name__, m.__spec__.loader is m.__loader__").result == "('module', True)"


USES = {
    "a client": "import jupyter_client, jupyter_client.blocking.client as b\n"
    "jupyter_client.BlockingKernelClient is b.BlockingKernelClient",
    "the kernel's own client": "c = get_ipython().kernel.parent.blocking_client()\n"
    "type(c).__name__ == 'BlockingKernelClient'",
    "a star": "from jupyter_client import *\nKernelManager.__module__ == 'jupyter_client.manager'",
    "sockets": "import zmq\nwith zmq.Context() as c, c.socket(zmq.PAIR) as s: closed = s.closed\nclosed is False",
    "a class that was kept": "import ipykernel.kernelbase as b, zmq.eventloop.zmqstream as z\n"
    "b.ZMQStream is z.ZMQStream",
    "a class that a trait names": "k = b.Kernel.shell_stream.klass\n"
    "c = zmq.Context(); s = z.ZMQStream(c.socket(zmq.PAIR))\n"
    "both = isinstance(s, k), issubclass(z.ZMQStream, k), isinstance(1, k); s.close(); c.term()\n"
    "both == (True, True, False)",
    "a tracker": "import jupyter_client.session as s\n"
    "s.DONE.done and type(s.DONE) is zmq.MessageTracker and s.Session().send(\n"
    "    get_ipython().kernel.iopub_socket, 'x')['tracker'].done",
    "a Session's default": "import inspect\n"
    "inspect.signature(s.Session.recv).parameters['mode'].default is zmq.NOBLOCK",
    "TLS": "import ssl, asyncio\nssl.create_default_context().check_hostname and asyncio.sslproto.ssl is ssl",
    "asyncio's TLS": "import asyncio.sslproto as p, ssl\nissubclass(p.SSLAgainErrors[0], ssl.SSLError)",
    "dates": "from jupyter_client.jsonutil import parse_date\n"
    "str(parse_date('2020-02-03T04:05:06Z')) == '2020-02-03 04:05:06+00:00'",
    "a date of nowhere": "import warnings; warnings.simplefilter('ignore')\n"
    "type(parse_date('2020-02-03T04:05:06').tzinfo).__module__ == 'dateutil.tz.tz'",
    "dateutil": "from dateutil.parser import isoparse\nisoparse.__module__ == 'dateutil.parser.isoparser'",
    "versions": "from packaging.version import Version\nVersion('1.10') > Version('1.9')",
    "a gui": "from ipykernel.eventloops import V\nV('1.10') > V('1.9')",
    "hashes": "import hashlib, _blake2\n"
    "hashlib.blake2b is _blake2.blake2b and hashlib.new('sha256', b'1').name == 'sha256'",
    "signatures": "import hmac\n"
    "a = get_ipython().kernel.session\n"
    "same = a.sign([b'1']) == hmac.new(a.key, b'1', 'sha256').hexdigest().encode()\n"
    "same and type(a.auth) is hmac.HMAC and s.compare_digest is hmac.compare_digest",
    "another key": "b = type(a)(key=b'1'); first = b.sign([b'x']); b.key = b'2'; second = b.sign([b'x'])\n"
    "b.key = b''; (first != second, b.auth, b.sign([b'x'])) == (True, None, b'')",
    "a default": "type(s.Session.recv.__defaults__[0]) is zmq.Flag",
    "kinds of sockets": "import jupyter_client.connect as c\n"
    "all(kind is zmq.SocketType(kind) for kind in c.channel_socket_types.values()) and "
    "[kind.name for kind in c.channel_socket_types.values()][:2] == ['REQ', 'DEALER']",
    "pickles": "import pickle\n"
    "s.PICKLE_PROTOCOL == pickle.DEFAULT_PROTOCOL and s.pickle_unpacker is pickle.loads",
    "a server": "import logging.config as c, socketserver\nc.ThreadingTCPServer is socketserver.ThreadingTCPServer",
    "a formatter": "import argparse\nargparse.HelpFormatter('x', width=40)._width == 40",
    "addresses": "import urllib.parse\nurllib.parse.urlsplit('http://[::1]:80/x').port == 80",
    "escapes": "import html, tornado.escape\nhtml.unescape('&gt;') + tornado.escape.xhtml_escape('<') == '>&lt;'",
    "old messages": "s.adapt({'header': {'version': '5.0', 'msg_type': 'x'}}, 5)['header']['msg_type'] == 'x'",
    "a subclass": "import pdb, IPython.core.debugger\nclass P(pdb.Pdb): pass\nissubclass(P, IPython.core.debugger.InterruptiblePdb)",
    "a patch": "import platform\nfrom unittest import mock\n"
    "with mock.patch('platform.node', lambda: 'of nobody'): patched = platform.node()\n"
    "patched == 'of nobody' != platform.node()",
    "a module's text": "import shutil\nshutil.__doc__.startswith('Utility functions')",
    "a module's source": "import inspect, pprint\n'def pprint(' in inspect.getsource(pprint)",
    "reload": "import importlib\nimportlib.reload(ssl) is ssl and importlib.reload(jupyter_client) is not None",
    "a pickle": "import pickle\npickle.loads(pickle.dumps(ssl.SSLError)) is ssl.SSLError",
}


@pytest.mark.parametrize("code", USES.values(), ids=USES)
def test_it_does_what_it_did(code: str, shared: Front) -> None:
    assert shared.run(code).result == "True"


class TestModules:
    """A module of the test's own, made lazy."""

    @pytest.fixture
    def source(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setattr(lazily, "LAZY", ("drowsy",))
        yield tmp_path / "drowsy.py"
        sys.modules.pop("drowsy", None)

    def imported(self) -> ModuleType:
        with lazy.waiting():
            return importlib.import_module("drowsy")

    def test_it_runs_once_at_first_use(self, source: Path) -> None:
        source.write_text("import sys\nsys.ran = getattr(sys, 'ran', 0) + 1\nx = 1\n")
        module = self.imported()
        assert not hasattr(sys, "ran")
        assert module is importlib.import_module("drowsy")
        assert (module.x, module.x, sys.ran) == (1, 1, 1)  # type: ignore[attr-defined]
        del sys.ran  # type: ignore[attr-defined]
        with pytest.raises(AttributeError, match="no attribute 'y'"):
            _ = module.y

    @pytest.mark.parametrize("look", [vars, dir, lambda module: module.__dict__])
    def test_a_look_at_all_names_runs_it(self, look: object, source: Path) -> None:
        source.write_text("x = 1\n")
        assert callable(look)
        assert "x" in look(self.imported())

    def test_threads_wait_until_it_has_run(self, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source.write_text("import sys\nsys.begun.set(); sys.go.wait(60)\nx = 1\n")
        module = self.imported()
        begun, go = threading.Event(), threading.Event()
        monkeypatch.setattr(sys, "begun", begun, raising=False)
        monkeypatch.setattr(sys, "go", go, raising=False)
        seen: list[int] = []
        threads = [threading.Thread(target=lambda: seen.append(module.x)) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert begun.wait(60)
        assert seen == []
        go.set()
        for thread in threads:
            thread.join(60)
        assert seen == [1, 1, 1]

    def test_who_asks_again_after_an_error_hears_it_again(self, source: Path) -> None:
        source.write_text("1 / 0\n")
        module = self.imported()
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                _ = module.x
        source.write_text("x = 'better now'\n")
        assert module.x == "better now"

    def test_it_is_sent_to_other_processes_by_its_name(self, source: Path) -> None:
        source.write_text("x = 1\n")
        module = self.imported()
        assert pickle.loads(pickle.dumps(module)) is module
        assert type(module) is lazy._Lazy

    def test_a_home_that_is_not_there_is_done_without(
        self, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source.write_text("x = y = 1\n")
        monkeypatch.setattr(lazily, "ELSEWHERE", {("drowsy", "x"): "no_such_module", ("drowsy", "y"): "math"})
        module = self.imported()
        assert (module.x, module.y) == (1, 1)

    def test_what_is_put_in_the_place_of_a_name_stays_there(self, source: Path) -> None:
        source.write_text("x = y = z = 1\n")
        module = self.imported()
        module.x = 2  # type: ignore[attr-defined]
        del module.y
        assert (module.x, hasattr(module, "y"), module.z) == (2, False, 1)

    def test_a_submodule_runs_and_its_package_waits(self, source: Path) -> None:
        package = source.with_suffix("")
        package.mkdir()
        (package / "__init__.py").write_text("x = 1\n")
        (package / "part.py").write_text("y = 2\n")
        module = self.imported()
        part = importlib.import_module("drowsy.part")
        del sys.modules["drowsy.part"]
        assert (part.y, type(module)) == (2, lazy._Lazy)
        assert (module.part, module.x) == (part, 1)

    def test_its_text_is_its_own(self, source: Path) -> None:
        source.write_text("'What it is.'\n")
        assert self.imported().__doc__ == "What it is."

    def test_what_is_to_follow_follows_once_or_at_once(self, source: Path) -> None:
        source.write_text("x = 1\n")
        module, seen = self.imported(), list[int]()
        lazy.afterwards("drowsy", lambda: seen.append(module.x))
        assert seen == []
        lazy.run("drowsy")
        lazy.run("drowsy")
        assert seen == [1]
        lazy.afterwards("drowsy", lambda: seen.append(2))
        assert seen == [1, 2]

    def test_a_module_that_lacks_an_extension_is_imported_at_once(
        self, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source.write_text("import _drowsy\n")
        monkeypatch.setattr(lazily, "NEEDS", {"drowsy": "_drowsy"})
        with pytest.raises(ModuleNotFoundError, match="_drowsy"):
            self.imported()

    def test_outside_of_a_start_nothing_waits(self, source: Path) -> None:
        source.write_text("x = 1\n")
        assert type(importlib.import_module("drowsy")) is ModuleType


#: Imports a module that takes names from one that waits: their sources, and what of `lazily` names these.
Keep = Callable[..., ModuleType]


@pytest.fixture
def keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keep]:
    def imported(drowsy: str, keeper: str, **names: object) -> ModuleType:
        (tmp_path / "drowsy.py").write_text(drowsy)
        (tmp_path / "keeper.py").write_text(keeper)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setattr(lazily, "LAZY", ("drowsy",))
        monkeypatch.setattr(standins, "_KEEPERS", ("keeper",))
        for table, value in names.items():
            monkeypatch.setattr(lazily, table, value)
        with lazy.waiting():
            return importlib.import_module("keeper")

    yield imported
    for name in ("drowsy", "keeper"):
        sys.modules.pop(name, None)


class TestClasses:
    """A class of a module of the test's own, named while that waits."""

    @pytest.fixture
    def keeper(self, keep: Keep) -> Iterator[ModuleType]:
        keeper = keep(
            "class Box:\n    lid = 'shut'\n    def __init__(self, *things):\n        self.things = things\n",
            "import drowsy\nfrom drowsy import Box\nmade = Box()\nkept = Box\n"
            "def look(box: drowsy.Box[int]): ...\n",
            CLASSES={("drowsy", "Box")},
        )
        with lazy.waiting():
            yield keeper

    def has_run(self) -> bool:
        return type(sys.modules["drowsy"]) is ModuleType

    def test_naming_it_and_asking_for_its_instances_runs_nothing(self, keeper: ModuleType) -> None:
        assert keeper.Box is keeper.kept
        assert not isinstance(1, keeper.Box)
        assert not issubclass(int, keeper.Box)
        assert (keeper.Box.__name__, keeper.Box.__module__) == ("Box", "drowsy")
        assert not self.has_run()

    @pytest.mark.parametrize(
        "use",
        [lambda keeper: keeper.made.things, lambda keeper: keeper.Box.lid, lambda keeper: keeper.Box(1)],
    )
    def test_a_use_of_it_gives_its_place_to_the_class(self, use: object, keeper: ModuleType) -> None:
        before = keeper.Box
        assert callable(use)
        use(keeper)
        assert self.has_run()
        real = vars(sys.modules["drowsy"])["Box"]
        assert keeper.Box is keeper.kept is real
        assert type(keeper.made) is real
        assert isinstance(real(), before)
        assert issubclass(real, before)
        assert before(1, 2).things == (1, 2)


def test_a_function_that_was_taken_gives_its_place_to_the_real_one(keep: Keep) -> None:
    keeper = keep(
        "def twice(x):\n    return 2 * x\n", "from drowsy import twice\n", CALLED={("drowsy", "twice")}
    )
    drowsy, taken = sys.modules["drowsy"], keeper.twice
    assert (type(drowsy), taken(4), taken.__name__) == (lazy._Lazy, 8, "twice")
    assert keeper.twice is drowsy.twice is not taken
    assert taken(x=5) == 10


@pytest.mark.parametrize("first", ["pdb", "IPython.core.debugger"])
def test_whichever_debugger_is_used_first_pdb_is_ipythons(first: str, fresh: Front) -> None:
    assert fresh.run("import sys; 'cmd' in sys.modules").result == "False" or not NEW
    fresh.run(f"import {first} as first; first.Pdb")
    assert (
        fresh.run("import pdb, IPython.core.debugger as d\npdb.Pdb is d.Pdb is d.InterruptiblePdb").result
        == "True"
    )
    assert fresh.run("pdb.set_trace is d.set_trace, d.InterruptiblePdb in d.OldPdb.__mro__").result == (
        "(True, False)"
    )


def test_a_number_that_was_taken_is_one_and_gives_its_place_to_the_constant(keep: Keep) -> None:
    keeper = keep(
        "from enum import IntEnum\nclass Lid(IntEnum):\n    SHUT = 3\nSHUT = Lid.SHUT\n",
        "from drowsy import SHUT\nlids = {'box': SHUT}\nclass Box:\n    def close(self, lid=SHUT): return lid\n",
        CONSTANTS={("drowsy", "SHUT"): 3},
    )
    drowsy, taken = sys.modules["drowsy"], keeper.SHUT
    assert (taken, taken | 4, keeper.lids, type(drowsy)) == (3, 7, {"box": 3}, lazy._Lazy)
    assert (taken.name, repr(taken)) == ("SHUT", "<Lid.SHUT: 3>")
    assert keeper.SHUT is keeper.lids["box"] is keeper.Box().close() is drowsy.SHUT is not taken


def test_numbers_are_what_their_modules_say() -> None:
    for (module, name), value in (lazily.VALUES | lazily.CONSTANTS).items():
        assert getattr(importlib.import_module(module), name) == value
