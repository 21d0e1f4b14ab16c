from itertools import pairwise

import pytest

from training.phones import LEXICON, bilabials, phones, silences

PLEASE = [(0.0, 0.5, "sil"), (0.5, 1.0, "please"), (1.0, 1.2, "sil")]


def test_the_lexicon_holds_all_words_of_the_corpus() -> None:
    assert len(LEXICON) == 51


def test_phones_fill_their_word_without_gaps() -> None:
    spoken = phones(PLEASE)
    assert [phone.symbol for phone in spoken] == list("plEz")
    assert spoken[0].start_s == 0.5
    assert spoken[-1].end_s == pytest.approx(1.0)
    assert all(before.end_s == after.start_s for before, after in pairwise(spoken))


def test_only_b_m_and_p_need_closed_lips() -> None:
    words = [(0.0, 0.3, "bin"), (0.3, 0.6, "green"), (0.6, 0.9, "m")]
    assert [phone.symbol for phone in bilabials(words)] == ["b", "m"]


def test_pauses_are_not_words() -> None:
    assert silences(PLEASE) == [(0.0, 0.5), (1.0, 1.2)]
    assert phones([(0.0, 1.0, "unheard-of")]) == []
