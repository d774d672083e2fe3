"""A slice of the corpus of odd and bad files: each is read rightly, or refused in a sentence."""

import corpus
import pytest

EVERY = corpus.every()


@pytest.mark.parametrize("case", EVERY[::9], ids=lambda c: f"{c.door}-{c.name}")
def test_a_door_holds(case, own_runs):
    assert not corpus.fault(case)


def test_the_corpus_is_large_and_most_of_it_is_to_be_read():
    assert len(EVERY) >= 300 and sum(not c.refused for c in EVERY) >= len(EVERY) / 2


@pytest.mark.parametrize("name", [f"zip {n}" for n in range(12)])
def test_a_pack_that_lists_no_results_is_refused(name, own_runs):
    (case,) = (c for c in EVERY if (c.door, c.name) == ("packs", name))
    assert not corpus.fault(case)
