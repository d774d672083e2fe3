"""The table of the study `transfer`, from its records alone. No torch."""

from twodints_lib.reproduction.results import Records
from twodints_lib.runs import records
from twodints_lib.scoring.statistics import Difference, paired_difference

HEADER = ("modality left out", "labelled images", "F1 on its other images", "gain", "seeds")


def counts(study: Records) -> list[int]:
    """The numbers of labelled images that were tried, 0 among them."""
    return sorted({record["job"]["count"] for record in study.values()})


def gains(study: Records, modality: str) -> dict[int, Difference | None]:
    """{labelled images: F1 with them minus F1 without}, paired by seed and image."""
    every = {
        n: records.scores_by_seed(
            [r for r in study.values() if r["job"] == {"modality": modality, "count": n}], "f1"
        )
        for n in counts(study)
    }
    return {n: paired_difference(every[n], every[0], least=1) for n in every if n}


def rows(study: Records) -> list[tuple]:
    """Every modality left out and every number of labelled images, under HEADER."""
    found = []
    for modality in dict.fromkeys(r["job"]["modality"] for r in study.values()):
        gained = gains(study, modality)
        for n in counts(study):
            told = {"modality": modality, "count": n}
            some = [r for r in study.values() if r["job"] == told]
            gain = gained.get(n)
            f1 = f"{records.mean_score(some, 'f1'):.3f}" if some else ""
            found.append((modality, n, f1, "" if gain is None else str(gain), len(some)))
    return found
