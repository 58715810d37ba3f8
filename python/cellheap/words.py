"""The words of the magics' lines, for parsing, help texts and Tab. Knows nothing of what they do."""

import sys

#: Words that take names or expressions of the user's.
QUESTIONS = ("vars", "why", "watch", "unwatch", "compare")
#: What a line of `%memtrace` can begin with.
WORDS = (
    "report",
    "live",
    *QUESTIONS,
    "flame",
    "last",
    "export",
    "limit",
    "on",
    "off",
    "stop",
    "start",
    "reset",
)
#: What can follow `limit`, for example.
LIMITS = ("off", "50%", "80%", "1G", "2G", "4G", "8G")
#: Of these, what is a result by itself; nothing is the overview.
RESULTS = ("", "live", "report")
#: What `--generation` means to this version's collector.
GENERATION = (
    "Collect the young objects (0), also an increment of the old (1), or everything (2, the default)."
    if (3, 14, 0) <= sys.version_info[:3] < (3, 14, 5)
    else "Collect generations 0 to N only; 2, the default, is everything."
)


def asked(line: str) -> tuple[str, str] | None:
    """The word and what follows it, if a line of `%memtrace` begins with one that asks a question."""
    word, _, rest = line.strip().partition(" ")
    return (word, rest.strip()) if word in QUESTIONS else None
