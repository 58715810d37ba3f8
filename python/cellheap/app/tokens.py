"""IPython reads each cell token by token to find its own syntax, and each that has a result to find a `;` at
its end: milliseconds for a long one, and 25 KiB of the cell's peak. Owns the question whether that can find
anything.
"""

import re
from typing import Any

from IPython.core import inputtransformer2 as input2
from IPython.core.displayhook import DisplayHook

# `x?`, `x = %magic` and `x = !command` over any gap, and a line that begins with an escape. Where a line may
# end otherwise than by "\n", or the text is none that can be compiled, IPython is to look.
_MAY_BE_SYNTAX = re.compile(
    r"\?|=[\s\\]*[%!]|(?:\A|\n)[^\S\n]*[!%,;/]|[\0\r\v\f\x1c-\x1e\x85\u2028\u2029\ud800-\udfff]"
).search
_KNOWN = [input2.MagicAssign, input2.SystemAssign, input2.EscapedCommand, input2.HelpEnd]


def adopt(shell: Any) -> None:
    """Have this shell read cells so only where that may find something."""
    adopt_manager(shell.input_transformer_manager)
    adopt_display(shell.displayhook, shell.history_manager)


def adopt_display(hook: Any, history: Any) -> None:
    """A result is not shown where the cell ends in `;`."""
    if type(hook).quiet is not DisplayHook.quiet:
        return
    look = hook.quiet

    def quiet() -> bool:
        cells = history.input_hist_parsed
        return bool(cells) and ";" in cells[-1] and bool(look())

    vars(hook)["quiet"] = quiet


def adopt_manager(manager: Any) -> None:
    """Others add what finds their syntax to its `token_transformers`."""
    if type(manager) is not input2.TransformerManager:
        return
    look = manager.do_token_transforms
    # The first cell is read in any case: what that leaves in the cache of `re` is no later cell's then.
    has_looked = False

    def do_token_transforms(lines: list[str]) -> list[str]:
        nonlocal has_looked
        if has_looked and manager.token_transformers == _KNOWN and not _MAY_BE_SYNTAX("".join(lines)):
            return lines
        has_looked = True
        looked: list[str] = look(lines)
        return looked

    vars(manager)["do_token_transforms"] = do_token_transforms
