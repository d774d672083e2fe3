"""Thresholds are chosen on validation images, and the score that is told was not chosen on."""

from types import SimpleNamespace

import numpy as np
import pytest

from twodints_lib.inference import segment, thresholds
from twodints_lib.targets import heads

GRID = {"foreground": (0.5, 0.4, 0.6), "h": (0.2, 0.1)}


ALIKE = np.array(["a"] * 4)
EVERY = np.ones(4, bool)


def planted(table):
    """Trials whose F1 the test says: table(image, setting)."""
    return lambda setting: np.array([table(i, setting) for i in range(4)])


def test_the_best_setting_is_found_and_the_defaults_win_ties():
    f1 = planted(lambda i, s: 0.5 + (s["foreground"] == 0.4) / 4)
    assert thresholds.choose(f1, GRID, ALIKE, EVERY) == {"foreground": 0.4, "h": 0.2}
    f1 = planted(lambda i, s: 0.5)
    assert thresholds.choose(f1, GRID, ALIKE, EVERY) == {"foreground": 0.5, "h": 0.2}


def test_no_image_is_scored_with_thresholds_it_helped_to_choose():
    # each half does well with a threshold of its own, and badly with the other half's
    lucky = {0: 0.4, 2: 0.4, 1: 0.6, 3: 0.6}
    f1 = planted(lambda i, s: 1.0 if s["foreground"] == lucky[i] else 0.1)
    assert thresholds.alternate(ALIKE).tolist() == [False, True, False, True]
    mixed = np.array(["a", "b", "b", "a", "b"])
    assert thresholds.alternate(mixed).tolist() == [False, False, True, True, False]
    assert thresholds.cross_fitted(f1, GRID, ALIKE).tolist() == [0.1] * 4


def test_modalities_count_alike():
    f1 = planted(lambda i, s: float((s["h"] == 0.1) == (i == 3)))
    many = np.array(["many"] * 3 + ["a"])
    assert thresholds.choose(f1, {"h": (0.2, 0.1)}, many, EVERY) == {"h": 0.2}  # a tie: 1 of 2
    few = np.array(["few", "few", "many", "a"])
    chosen = np.array([0, 0, 1, 1], bool)
    assert thresholds.choose(f1, {"h": (0.1, 0.2)}, few, chosen) == {"h": 0.1}


def test_each_setting_is_decoded_once_and_scored_by_the_challenges_rules():
    labels, calls = np.zeros((40, 40), np.int32), []
    labels[5:15, 5:15] = 1
    samples = [SimpleNamespace(labels=labels), SimpleNamespace(labels=0 * labels)]

    def decode(maps, cut):
        calls.append(cut)
        return (maps[0] > cut).astype(np.int32)

    decoder = heads.Decoder(("foreground",), decode, {"cut": (0.5, 2)})
    f1 = thresholds.trials(decoder, [s.labels[None] for s in samples], samples)
    assert f1({"cut": 0.5}).tolist() == f1({"cut": 0.5}).tolist() == [1, 0]  # nothing scores 0
    assert f1({"cut": 2}).tolist() == [0, 0] and calls == [0.5, 0.5, 2, 2]


@pytest.mark.parametrize("head", ["distance", "flow", "ladder"])
def test_the_report_has_every_decoder_of_the_head(head):
    labels = np.zeros((64, 64), np.int32)
    labels[4:24, 4:24], labels[4:24, 24:44], labels[40:60, 10:30] = 1, 2, 3
    samples = [SimpleNamespace(modality=m, labels=labels) for m in ("a", "b", "a")]
    maps = [heads.HEADS[head].encode(labels)] * 3
    scores, settings = thresholds.try_decoders(head, maps, samples)
    plain = heads.HEADS[head].decoders
    assert list(plain) == (list(heads.DECODERS) if head == "ladder" else [head])
    tuned = [n for n, decoder in plain.items() if decoder.grid]
    assert set(scores) == {*plain, *(f"{n}, tuned" for n in tuned)}
    assert all(len(s["f1"]) == 3 and set(s["per_modality"]) == {"a", "b"} for s in scores.values())
    assert set(settings) == set(tuned)
    assert scores["flow" if head == "ladder" else head]["mean_f1"] == 1


def test_the_best_representation_goes_with_its_network():
    f1 = {"distance": 0.5, "distance, tuned": 0.6, "flow": 0.4, "flow, tuned": 0.7, "classes": 0.65}
    scores = {name: {"modality_mean_f1": value} for name, value in f1.items()}
    settings = {"distance": {"h": 0.1}, "flow": {"spread": 2, "error": 0.3}}
    found = thresholds.best_decoder(scores, settings)
    assert found == {"representation": "flow", "decoder": settings["flow"]}
    assert thresholds.best_decoder({"classes": scores["classes"]}, {})["decoder"] == {}
    labels = np.zeros((40, 40), np.int32)
    labels[5:15, 5:15], labels[20:35, 20:30] = 1, 2
    maps = heads.HEADS["ladder"].encode(labels)
    maps[3:5] = 0  # whoever decodes the distance finds nothing
    maps[3] = labels > 0
    record = {"parameters": {"spec": {"kind": "unet", "head": "ladder"}}} | found
    assert segment.decoder_of(record)(maps).max() == 2
    assert (
        segment.decoder_of(record | {"representation": "distance", "decoder": {}})(maps).max() < 2
    )
