"""A modality left out: what is trained on, what is scored, and records that are found again."""

from twodints_lib.reproduction import results, study, transfer, transfer_table
from twodints_lib.runs import records
from twodints_lib.runs.setup import begin
from twodints_lib.training import finetune


def test_what_is_scored_is_the_same_and_never_trained_on(tiny_folder):
    kind, setups = "fluorescence", [begin("smoke", str(tiny_folder), s) for s in (1, 2)]
    taken = {(s.seed, n): finetune.few(s, kind, n, 3).dataset for s in setups for n in (0, 2, 3)}
    rest = {tuple(i.name for i in d.items if i.split == "val") for d in taken.values()}
    assert len(rest) == 1 and len(*rest) == 3
    train = {k: {i.name for i in d.items if i.split == "train"} for k, d in taken.items()}
    assert all(not names & set(*rest) for names in train.values())
    assert train[1, 2] < train[1, 3] == train[2, 3] and train[1, 2] != train[2, 2]
    left = finetune.without(setups[0], kind).dataset
    assert left.modalities == ("brightfield",) and left.hash != setups[0].dataset.hash


def test_the_study_finds_its_records_again(tiny_folder, own_runs, tmp_path, monkeypatch, said):
    small = {"patch": 32, "num_blocks": 2, "num_depths": 2, "channel_mul": 0.0625, "val_start": 1}
    monkeypatch.setattr(transfer, "SCALE", small | {"derived_epochs": 1})
    monkeypatch.setattr(transfer, "COUNTS", (1,))
    monkeypatch.setattr(finetune, "STEPS", 2)
    monkeypatch.setattr(finetune.fine_tune, "__defaults__", (2, 1e-3))
    monkeypatch.setattr(records, "STUDIES", tmp_path / "records")
    study.run(str(tiny_folder), ["transfer"], [1])
    said.clear()
    study.run(str(tiny_folder), ["transfer"], [1])
    assert not said
    rows = transfer_table.rows(results.load_study("transfer", tiny_folder.name))
    assert [row[:2] for row in rows] == [
        ("brightfield", 0), ("brightfield", 1), ("fluorescence", 0), ("fluorescence", 1),
    ]  # fmt: skip
    assert all(row[3] and row[4] == 1 for row in rows[1::2])
