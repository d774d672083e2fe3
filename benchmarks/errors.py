"""`make bench-errors`: which errors cost a 3-class network its F1, counted on trained rows.

    python benchmarks/errors.py --preset quarter --data micro4

Every finished row of that scale is found among the runs (nothing is trained), its validation
images are segmented by the official recipe, and each missed cell's error is named
(scoring/scores.py). Writes records/bench-errors.json.
"""

import argparse
from functools import partial

from twodints_lib import files
from twodints_lib.inference import predict
from twodints_lib.reproduction import results, table4
from twodints_lib.runs import environment, paper, store
from twodints_lib.scoring import scores
from twodints_lib.targets.classes import decode_three_class
from twodints_lib.training.patches import load_samples


def errors_of(folder, samples) -> dict[str, int]:
    """{kind of error: cells} of one trained network over all samples."""
    net, record = predict.load_network(folder)
    segmented = partial(predict.probabilities, net, patch=record["parameters"]["recipe"]["patch"])
    decode = decode_three_class
    found = [
        {"name": s.name, "modality": s.modality}
        | scores.score(s.labels, decode(segmented(s.image)))
        for s in samples
    ]
    return scores.summarise(found)["errors"]


def stored() -> dict:
    """The folders of all runs by when and with which seed they were made."""
    paths = (store.runs_dir() / "store").glob("*/record.json")
    found = ((files.read_json(p), p.parent) for p in paths)
    return {(r["finished"], r["seed"]): folder for r, folder in found}


def main():
    """Count the errors of every finished row of a scale."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="quarter")
    parser.add_argument("--data", default="micro4")
    args = parser.parse_args()
    setup = table4.row_setup(paper.ROWS[0].name, args.preset, args.data, 1)
    samples, found, folders = load_samples(setup.val()), [], stored()
    for row, records in results.load_rows(table4.folder_of(setup)).items():
        for record in records:
            folder = folders.get((record["finished"], record["seed"]))
            if folder is None:
                print(f"{row}, seed {record['seed']}: its weights are not among the runs")
                continue
            counts = errors_of(folder, samples)
            found.append({"row": row, "seed": record["seed"], "errors": counts})
            print(row, record["seed"], counts, flush=True)
    keep = {"preset": args.preset, "data": setup.dataset.name, "data_hash": setup.dataset.hash}
    keep |= {"commit": environment.commit(), "hardware": environment.hardware(), "rows": found}
    files.write_json(files.ROOT / "records" / "bench-errors.json", {"benchmark": "errors"} | keep)


if __name__ == "__main__":
    main()
