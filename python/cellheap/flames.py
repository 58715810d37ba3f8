"""`Flame`: memory by stack, as a flame graph, as text and as collapsed stacks for other viewers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any, Literal, Self, get_args

from cellheap import _core, recorder, sentences
from cellheap.display import Bundle, Drawn, Part, Picture, Zoomable
from cellheap.records import Stack, Words, frames_of
from cellheap.results import NoSources, Result, Sources, beside, file_names
from cellheap.units import bytes_text

Measure = Literal["peak", "live", "allocated"]

#: Frames that a drawing in a notebook has; fewer where they do not fit the limit of an output.
_FRAMES = (60, 40, 25, 12)
#: Rows that a terminal gets.
_ROWS = 24
#: Frames that a file has.
_FRAMES_OF_FILE = 400
#: Stacks that go into the raw numbers of an output; the result has all.
_RAW_STACKS = 12


def flame(cell: int | None, measure: Measure) -> Flame:
    """The stacks of a cell by our own id, or of the whole notebook. KeyError for an unknown id."""
    with _core.own():
        return Flame.from_json(_core.stacks(cell), measure, recorder.known_sources())


@dataclass(frozen=True, repr=False)
class Flame(Result):
    """Memory by stack: of a cell at its peak, or of what is live, or of all that was allocated."""

    #: The cell, `In[5]`; empty for the whole notebook.
    label: str = ""
    measure: Measure = "peak"
    stacks: tuple[Stack, ...] = ()
    notes: tuple[str, ...] = ()
    #: How the files are named: `In[2]`, `json/decoder.py`.
    names: Mapping[str, str] = field(default_factory=dict)

    #: What `_core.stacks()` said: what is drawn.
    text: str = "{}"

    @classmethod
    def from_json(cls, text: str, measure: Measure, sources: Sources | None = None) -> Self:
        """From `_core.stacks()`."""
        if measure not in get_args(Measure):
            raise ValueError(f"a measure is 'peak', 'live' or 'allocated', not {measure!r}")
        data, words = json.loads(text), Words()
        frames = frames_of(data, words)
        words.share(data["stacks"], "origin", "allocator", "object")
        for stack in data["stacks"]:
            stack["frames"] = tuple(frames[place] for place in stack["frames"])
        return cls(
            label=data["label"],
            measure=measure,
            stacks=tuple(Stack(**stack) for stack in data["stacks"]),
            notes=tuple(data["notes"]),
            names=file_names((frame.file for frame in frames), sources or NoSources()),
            text=text,
        )

    @cached_property
    def total(self) -> int:
        """Bytes of all stacks together."""
        return sum(map(attrgetter(self.measure), self.stacks))

    def bytes_of(self, stack: Stack) -> int:
        """The bytes of a stack that count here."""
        return int(getattr(stack, self.measure))

    @property
    def subject(self) -> str:
        """What this is of: `In[5]`, `The notebook`."""
        return self.label or "The notebook"

    @property
    def title(self) -> str:
        words = {"peak": "at peak", "live": "live", "allocated": "allocated"}[self.measure]
        return f"{self.subject}: {bytes_text(self.total)} {words}, by stack"

    def __repr__(self) -> str:
        return f"<Flame of {self.title}>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "flame", "measure": self.measure, "names": dict(self.names), **json.loads(self.text)}

    def folded(self) -> str:
        """Collapsed stacks: `frame;frame;frame bytes`, one line each, as flamegraph.pl and speedscope read
        them."""
        return _core.folded_stacks(self.text, json.dumps(dict(self.names)), self.measure)

    def svg(self, most: int = _FRAMES_OF_FILE) -> str:
        """The graph as a picture, with at most about `most` frames."""
        return self._drawn(most, page=False)

    def page(self, most: int = _FRAMES_OF_FILE) -> str:
        """The graph as SVG that brings its own script: a click looks closer at a frame."""
        return self._drawn(most, page=True)

    def _drawn(self, most: int, page: bool) -> str:
        names = json.dumps(dict(self.names))
        return _core.chart_flame(self.text, names, self.measure, self.title, most, page)

    @cached_property
    def _for_terminal(self) -> str:
        return _core.flame_text(self.text, json.dumps(dict(self.names)), self.measure, _ROWS)

    def bundle(self) -> Bundle:
        """As many frames as fit are drawn."""
        bundles = (self._bundle(most) for most in _FRAMES)
        return next(
            (one for one in bundles if one.is_whole()),
            self._bundle(_FRAMES[-1]),
        )

    def _bundle(self, most: int) -> Bundle:
        parts: list[Part] = []
        if self.total:
            page = self.page(most)
            parts.append(Zoomable(self.svg(most), sentences.of_flame_chart(self), page))
            parts.append(Drawn(self._for_terminal))
        return Bundle(sentences.of_flame(self), [*parts, *beside(self.notes)], self._raw())

    def _raw(self) -> dict[str, Any]:
        most = sorted(self.stacks, key=self.bytes_of, reverse=True)[:_RAW_STACKS]
        return {
            "kind": "flame",
            "label": self.label,
            "measure": self.measure,
            "total": self.total,
            "stacks": [asdict(stack) for stack in most],
            "left_out": len(self.stacks) - len(most),
        }

    def pictures(self) -> list[Picture]:
        return [Picture(self.svg(), sentences.of_flame_chart(self))]

    columns = ("origin", "frames", "allocator", "object", "allocated", "peak", "live", "blocks")

    def rows(self) -> Iterator[dict[str, Any]]:
        for stack in self.stacks:
            frames = ";".join(sentences.where(frame, self.names) for frame in stack.frames)
            yield {**asdict(stack), "frames": frames}
