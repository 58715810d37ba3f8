"""What the kernel remembers for ipykernel and IPython, or leaves out, is what they would have worked out."""

import logging
import random
import tokenize
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from cellheap import _core
from cellheap.app import quiet, remembered, tokens
from ipykernel import compiler, kernelbase
from IPython.core.displayhook import DisplayHook
from IPython.core.inputtransformer2 import TransformerManager

from tests.notebook.front import Front

NAMES = ["cell_id", "cell_meta"]


class Shell:
    def run(self, code: str, *, cell_id: str = "") -> None: ...

    def run_any(self, code: str, **options: Any) -> None: ...


@pytest.mark.parametrize("name", ["run", "run_any"])
def test_what_a_method_takes(name: str) -> None:
    for shell in (Shell(), Shell()):
        method = getattr(shell, name)
        anew = kernelbase._accepts_parameters(method, NAMES)  # type: ignore[no-untyped-call]
        assert remembered.accepts_parameters(method, NAMES) == anew


def test_a_function_that_took_its_place_is_asked_itself() -> None:
    shell = Shell()
    assert remembered.accepts_parameters(shell.run, NAMES) == {"cell_id": True, "cell_meta": False}
    shell.run = lambda code, cell_meta=None: None  # type: ignore[method-assign, assignment, misc]
    assert remembered.accepts_parameters(shell.run, NAMES)["cell_meta"]


def test_cells_have_the_file_names_that_a_debugger_computes(shared: Front) -> None:
    code = "import inspect; inspect.currentframe().f_code.co_filename  # gr\u00fc\u00df dich"
    hashed = compiler.murmur2_x86(code, compiler.get_tmp_hash_seed())  # type: ignore[no-untyped-call]
    for _ in range(2):
        name = shared.run(code).result
        assert name.strip("'").endswith(f"/{hashed}.py")


def test_the_hash_is_ipykernels() -> None:
    chosen = random.Random(1)
    for length in [*range(12), 1000, 1001, 1002, 1003]:
        for seed in (0, 0xC70F6907, 0xFFFFFFFF):
            text = "".join(chosen.choices("ab\0\n \u00fc\u20ac\U0001f980", k=length))
            assert _core.murmur2(text, seed) == compiler.murmur2_x86(text, seed)  # type: ignore[no-untyped-call]
    with pytest.raises(UnicodeEncodeError):
        _core.murmur2("\ud800", 0)


def outcome(manager: TransformerManager, cell: str) -> str:
    try:
        return manager.transform_cell(cell)
    except Exception as error:
        return type(error).__name__


PIECES = [
    *"abx=!%?,;/\\()[]#'\"\n\n\n\t\r\f\0\u2028",
    *["  ", "==", "!=", "if x:", "'''", "%time", "ls", "\\\n", "f'{x=!r}'", "=\t%", "\u00a0", "\ud800"],
]


@pytest.mark.filterwarnings("ignore:`make_tokens_by_line`")
def test_what_is_not_read_by_tokens_holds_nothing_to_transform() -> None:
    plain, quick = TransformerManager(), TransformerManager()
    looks: list[object] = []
    looked, do = [], quick.do_token_transforms

    def do_token_transforms(lines: list[str]) -> list[str]:
        looks.append(lines)
        return do(lines)  # type: ignore[no-any-return, no-untyped-call]

    vars(quick)["do_token_transforms"] = do_token_transforms
    tokens.adopt_manager(quick)
    chosen = random.Random(1)
    for _ in range(20_000):
        cell = "".join(chosen.choices(PIECES, k=chosen.randint(1, 12)))
        looks.clear()
        expected, found = outcome(plain, cell), outcome(quick, cell)
        # A cell that is indented wrongly is refused a step later, when it is compiled.
        assert found == expected or expected in {"IndentationError", "TabError"}, repr(cell)
        looked.append(bool(looks))
    assert 2_000 < sum(looked) < 18_000


def test_a_semicolon_at_the_end_of_a_cell_is_found_as_by_its_tokens() -> None:
    history = SimpleNamespace(input_hist_parsed=[""])

    class Hook(DisplayHook):
        shell: Any = SimpleNamespace(history_manager=history)

    plain: Any = Hook.__new__(Hook)
    quick: Any = Hook.__new__(Hook)
    tokens.adopt_display(quick, history)
    chosen, found = random.Random(1), []
    for _ in range(5_000):
        history.input_hist_parsed[-1] = "".join(chosen.choices([*"a;b\n'# ", "1;", "; \n"], k=6))
        try:
            expected = bool(plain.quiet())
        except (tokenize.TokenError, SyntaxError):
            continue  # IPython cannot tell: such a cell was never run
        assert quick.quiet() == expected, history
        found.append(expected)
    assert 500 < sum(found) < 4_000
    history.input_hist_parsed.clear()
    assert not quick.quiet()


def test_what_looks_for_a_semicolon_costs_no_cell(shared: Front) -> None:
    shared.run("def small(): return list(range(100))\nsum(small())")
    number = shared.run("sum(small())").reply["content"]["execution_count"]
    peak = shared.run(f"print(__import__('cellheap').cells[{number}].cell.peak)")
    assert 0 < int(peak.text()) < 16_000  # what shows it takes some; its tokens alone took more
    assert shared.run("sum(small());").of("execute_result") == []


def test_transformers_of_others_see_every_cell() -> None:
    manager = TransformerManager()
    tokens.adopt_manager(manager)
    seen = []

    class Others:
        @classmethod
        def find(cls, lines: list[Any]) -> None:
            seen.append(lines)

    manager.transform_cell("first = 1")
    manager.transform_cell("plain = 1")
    assert not seen
    manager.token_transformers.append(Others)
    assert manager.transform_cell("plain = 1") == "plain = 1\n"
    assert seen


@pytest.fixture
def logger() -> logging.Logger:
    name = "cellheap-test"
    logging.Logger.manager.loggerDict.pop(name, None)
    return logging.getLogger(name)


class Heard(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of all records that are made."""
    texts: list[str] = []
    make: Callable[..., logging.LogRecord] = logging.getLogRecordFactory()

    def note(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        texts.append(record.getMessage())
        return record

    monkeypatch.setattr(logging, "_logRecordFactory", note)
    return texts


def test_a_record_that_nobody_takes_is_not_made(logger: logging.Logger, made: list[str]) -> None:
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(warnings := Heard(logging.WARNING))
    quiet.adopt(logging.LoggerAdapter(logger))
    logger.debug("nobody")
    logger.warning("shown")
    assert made == warnings.texts == ["shown"]
    logger.addHandler(everything := Heard(logging.DEBUG))
    logger.debug("heard now")
    assert made == ["shown", *everything.texts] == ["shown", "heard now"]


def test_a_record_that_an_ancestor_or_a_filter_may_take_is_made(
    logger: logging.Logger, made: list[str]
) -> None:
    logger.setLevel(logging.DEBUG)
    logger.addHandler(Heard(logging.ERROR))
    quiet.adopt(logger)
    root = logging.getLogger()
    root.addHandler(above := Heard(logging.DEBUG))
    try:
        logger.debug("above")
    finally:
        root.removeHandler(above)
    assert above.texts == ["above"]
    logger.propagate = False
    logger.addFilter(lambda record: not made.append("filtered"))  # type: ignore[func-returns-value]
    logger.debug("for the filter")
    assert made == ["above", "for the filter", "filtered"]
