"""The line under a notebook's title: its level, what comes before it, its time and memory.

Level and what comes before are in the notebook's metadata (`level`, and `needs`, their names);
seconds and memory are those of a recorded course.
"""

from pathlib import Path

from twodints_lib.runs import notebooks

MARK = "*Level: "  # how the line begins


def line(metadata: dict, took: dict, folder: Path) -> str:
    """The line of a notebook with this metadata that a course's record says `took` so long:
    {"seconds", "peak_gib"}. `folder` holds the notebooks."""
    needs = [notebooks.find(name, folder).name for name in metadata["needs"]]
    before = " and ".join(f"[{name[:2]}]({name})" for name in needs) or "nothing"
    seconds = took["seconds"]
    time = f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"
    return (
        f"{MARK}{metadata['level']}. Before it: {before}. In the order of the course it takes "
        f"{time} and {took['peak_gib']:.1f} GB of memory (preset laptop, 2 cores).*"
    )


def renewed(source: str, told: str) -> str:
    """The text of a notebook's first cell with this line under the title, older ones left out."""
    title, *others = source.split("\n\n")
    others = [text for text in others if not text.startswith(MARK)]
    return "\n\n".join([title, told, *others])
