"""IPython reads each cell token by token to find its own syntax: milliseconds for a long one. Owns the
question whether that can find anything.
"""

import re
from typing import Any

from IPython.core import inputtransformer2 as input2

# `x?`, `x = %magic` and `x = !command` over any gap, and a line that begins with an escape. Where a line may
# end otherwise than by "\n", or the text is none that can be compiled, IPython is to look.
_MAY_BE_SYNTAX = re.compile(
    r"\?|=[\s\\]*[%!]|(?:\A|\n)[^\S\n]*[!%,;/]|[\0\r\v\f\x1c-\x1e\x85\u2028\u2029\ud800-\udfff]"
).search
_KNOWN = [input2.MagicAssign, input2.SystemAssign, input2.EscapedCommand, input2.HelpEnd]


def adopt(shell: Any) -> None:
    """Have this shell's transformer manager read only what may hold syntax of IPython's. Others add theirs to
    its `token_transformers`.
    """
    manager = shell.input_transformer_manager
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
