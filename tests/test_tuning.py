"""Thresholds are chosen on validation images, and the score that is told was not chosen on."""

from types import SimpleNamespace

import numpy as np
import pytest

from twodints_lib.inference import segment, thresholds
from twodints_lib.targets import heads

GRID = {"foreground": (0.5, 0.4, 0.6), "h": (0.2, 0.1)}


def planted(monkeypatch, table):
    """Tried decodes whose F1 the test says: table(image, setting)."""
    samples = [SimpleNamespace(modality="a", labels=i) for i in range(4)]
    monkeypatch.setattr(thresholds, "score", lambda i, setting, rules: {"f1": table(i, setting)})
    return thresholds.Tried(list(range(4)), samples, lambda m, **setting: setting)


def test_the_best_setting_is_found_and_the_defaults_win_ties(monkeypatch):
    tried = planted(monkeypatch, lambda i, s: 0.5 + (s["foreground"] == 0.4) / 4)
    everything = np.ones(4, bool)
    assert thresholds.choose(tried, GRID, everything) == {"foreground": 0.4, "h": 0.2}
    tried = planted(monkeypatch, lambda i, s: 0.5)
    assert thresholds.choose(tried, GRID, everything) == {"foreground": 0.5, "h": 0.2}


def test_no_image_is_scored_with_thresholds_it_helped_to_choose(monkeypatch):
    # each half does well with a threshold of its own, and badly with the other half's
    lucky = {0: 0.4, 2: 0.4, 1: 0.6, 3: 0.6}
    tried = planted(monkeypatch, lambda i, s: 1.0 if s["foreground"] == lucky[i] else 0.1)
    assert thresholds.halves(tried.samples).tolist() == [False, True, False, True]
    assert thresholds.cross_fitted(tried, GRID).tolist() == [0.1] * 4


def test_modalities_count_alike(monkeypatch):
    tried = planted(monkeypatch, lambda i, s: float((s["h"] == 0.1) == (i == 3)))
    for sample in tried.samples[:3]:
        sample.modality = "many"
    assert thresholds.choose(tried, {"h": (0.2, 0.1)}, np.ones(4, bool)) == {
        "h": 0.2
    }  # a tie: 1 of 2
    tried.samples[0].modality = tried.samples[1].modality = "few"
    assert thresholds.choose(tried, {"h": (0.1, 0.2)}, np.array([0, 0, 1, 1], bool)) == {"h": 0.1}


@pytest.mark.parametrize("head", ["distance", "flow", "ladder"])
def test_the_report_has_every_decoder_of_the_head(head):
    labels = np.zeros((64, 64), np.int32)
    labels[4:24, 4:24], labels[4:24, 24:44], labels[40:60, 10:30] = 1, 2, 3
    samples = [SimpleNamespace(modality=m, labels=labels) for m in ("a", "b", "a")]
    maps = [heads.HEADS[head].encode(labels)] * 3
    scores, settings = thresholds.report(head, maps, samples)
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
    found = thresholds.best(scores, settings)
    assert found == {"representation": "flow", "decoder": settings["flow"]}
    assert thresholds.best({"classes": scores["classes"]}, {})["decoder"] == {}
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
