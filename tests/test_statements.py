"""Every sentence of a notebook that states something of a result is checked, or says why not.

A sentence that follows a result and holds a word like "all", "none" or "larger" stands above the
test that computes it (test_facts.py, test_record_facts.py), among those that another test holds,
or among those that state no fact about an output. A new one fails until it is entered, or asks
instead of stating.
"""

import nbformat
import pytest
import test_facts  # noqa: F401  it enters its sentences
import test_record_facts  # noqa: F401
from notebook_text import BOOKS, CHECKED, CLAIMS, ROOT, sentences, statements

ELSEWHERE = {  # held by another test
    "search_space": {
        "In the U-Net the long dashed lines are its skip connections: they are paths that stay and "
        "choose the skip operation.":
            "test_topology.py::test_the_unet_goes_down_and_up_with_skips_between",
        "The random code was drawn so that every fitting topology had the same chance.":
            "test_topology.py::test_samples_follow_the_alphas_exactly",
        "Follow any path from the left: it never ends in a node that nothing leaves, and never "
        "starts from one that nothing enters.":
            "test_topology.py::test_any_finite_logit_is_decoded_and_sampled",
    },
    "supernet_search": {
        "So the decode itself is held to a budget: of the codes that cost at most a share of the "
        "full grid, it takes the most probable one, paths and operations chosen together.":
            "test_budget.py::test_the_decode_is_the_best_that_the_budget_allows",
        "During the warm-up no path moves.":
            "test_search.py::test_alphas_rest_during_the_warm_up_and_weights_never_see_the_other_"
            "half",
    },
    "derived_network": {
        "The third is the ceiling that follows: even a ranking without any noise meets the noise "
        "of the table once, so it reaches the square root of the table's agreement with its like, "
        "and no more.":
            "test_statistics.py::test_reliability_of_a_mean_and_the_ceiling_of_agreement",
    },
    "instance_evaluation": {
        "Tuned means that the decoder's thresholds were chosen on the other half of the validation "
        "images (twodints_lib/inference/thresholds.py), so no image is scored with thresholds that "
        "it helped to choose.":
            "test_tuning.py::test_no_image_is_scored_with_thresholds_it_helped_to_choose",
        "F1 counts a cell only when half of its union is shared; every error has a name, and "
        "growing back the boundary that the recipe takes away needs no training.":
            "test_evaluation.py::test_every_unmatched_cell_is_named_once",
    },
    "the_papers_tables": {
        "Part of the distance is the decoder's (notebook 02): it caps F1 before any network is "
        "trained.": "test_representations.py::test_small_cells_are_lost_as_shipped_and_won_by_"
            "growing",
        "Every claim has a line in the ledger, and a status that follows from records and sums.":
            "test_claims.py::test_no_line_is_open",
    },
}  # fmt: skip
MEANING = {  # no fact about an output: what a word means, how to read, what follows from what
    "start_here": [
        "Package versions other than the tested ones usually work; the numbers may differ in the "
        "last digits.",
    ],
    "the_data": [
        "When micro4 is on this machine (twodints data fetch micro4, or data set to its folder), "
        "the next cell lays real images beside generated ones of the same modality.",
    ],
    "targets_and_back": [
        "A network has to learn to draw the richer map first: a ceiling is a promise, not a score.",
    ],
    "baselines": [
        "The library's loop also validates, keeps the best weights and survives an interruption.",
        "Its first epoch has to be ours: same seed, same patches, same loss.",
        "A steep end means that more epochs would still help.",
        "One seed is one draw: small differences between networks mean nothing here.",
        "One short loop trains them all; what differs between a laptop and the paper is how long "
        "it runs.",
    ],
    "supernet_search": [
        "Nothing in this objective asks a path to decide for 0 or 1.",
        "A line that stays near one half is a path that the supernet uses at half strength.",
        "We move the untouched path logits all alike, as the memory target does, and decode.",
        "A small margin means that the next best network was nearly as likely: read such a code as "
        "one of many.",
    ],
    "derived_network": [
        "A preset may give it more epochs, so compare the curves at the same epoch.",
        "The fall from the first to the second number is the discretisation gap: the weights had "
        "learned to live in a mixture.",
        "The paper's Table 4 speaks of the first number; a user who wants a small network gets the "
        "third.",
        "An interval that holds zero is no evidence either way.",
        "Dice is the mean of interior and boundary, and a network that misses the thin boundary "
        "loses half of it, whatever cells it finds.",
        '"Search helped" beside one control is not enough: untouched alphas and the full grid were '
        "never searched.",
        "A search has earned something where it beats every control, and the line all controls "
        "tells whether it does.",
        "The Dice is that of the retrained network, the only fair one: a sampled supernet has no "
        "mixture to score.",
        "Three numbers belong to a search; the first is the paper's, the third is a user's.",
        "Evidence needs controls on the same budget, several seeds and intervals; one good score "
        "is none.",
    ],
    "why_search": [
        "At equal parameters is what is left of a proxy when size is taken out.",
        "Before any training size alone is a rival to be beaten, and above it stands the ceiling "
        "that noise sets.",
    ],
    "instance_evaluation": [
        "Who keeps the weights with the best Dice may keep other weights than the best F1's: both "
        "epochs are printed.",
        "An interval to the right of zero is a gain that a change of backbone would have to match "
        "first.",
        "Every row is read off one forward pass of one network.",
        "The classes came trained, distance and flow had only these few epochs to be learned: a "
        "rung that promises more (notebook 02) also asks for more training.",
        "Another last layer asks for cells instead of classes; whether it gains depends on the "
        "decoder, the modality and the training it got.",
    ],
    "the_papers_tables": [
        "Compare a row with the UNet of the same column, never a Dice of ours with a printed one.",
        "Dots above the diagonal are images on which the derived network finds more cells.",
        "What the paper says of orders and effects is tested at a smaller scale, and where the "
        "interval holds zero it stays undecided: that is no contradiction.",
        "The inconsistencies need no experiment: two places of the paper say different things.",
    ],
    "one_row": [
        "Where the two columns differ, so do the networks: nothing below can be the printed "
        "number.",
        "A Dice curve that still rises at the end says that the row was stopped, not finished: a "
        "longer training would give another number.",
        "Other images, another size, another length: only rows of one scale can be compared with "
        "each other, over several seeds (notebook 09).",
    ],
}


@pytest.mark.parametrize("page", [name for name in CHECKED if name not in BOOKS])
def test_a_checked_sentence_stands_on_its_page(page):
    text = " ".join((ROOT / page).read_text().split())
    assert not [sentence for sentence in CHECKED[page] if sentence not in text]


@pytest.mark.parametrize("notebook", BOOKS)
def test_every_statement_about_a_result_is_checked(notebook):
    known = {*CHECKED.get(notebook, ()), *ELSEWHERE.get(notebook, ()), *MEANING.get(notebook, ())}
    new = [s for s in statements(notebook) if s not in known]
    assert not new, "compute it in test_facts.py, ask instead of stating, or enter it here"
    said = {s for cell in BOOKS[notebook].cells for s in sentences(cell)}
    gone = known - said - {s for s in known if any(s in c.source for c in BOOKS[notebook].cells)}
    assert not gone, "no longer in the notebook: take it out"


@pytest.mark.parametrize("place", [p for some in ELSEWHERE.values() for p in some.values()])
def test_the_test_that_holds_a_statement_is_there(place):
    name, test = place.split("::")
    assert f"def {test}(" in (ROOT / "tests" / name).read_text()


def test_a_new_sentence_about_a_result_would_be_seen():
    said = (
        "**What to see.** All *cells* are found. Is it so? Here it (`x`) is.\n\n"
        "* **It** wins, never more.\n\n## References\n\n* All of them."
    )
    cell = nbformat.v4.new_markdown_cell(said)
    found = [s for s in sentences(cell) if CLAIMS.search(s) and not s.endswith("?")]
    assert found == ["All cells are found.", "It wins, never more."]
