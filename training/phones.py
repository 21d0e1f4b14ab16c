"""Where a sentence needs closed lips: the bilabials /b m p/ of the GRID corpus.

GRID gives times of words. Its vocabulary is 51 words, so a lexicon fits on a page: phones are put
into their word by typical relative lengths (Crystal and House 1988: a stop consonant takes about
half as long as a vowel).
"""

from collections.abc import Sequence
from typing import NamedTuple

BILABIALS = frozenset("bmp")
_VOWELS = frozenset("aeiouAIEOU")
_VOWEL_LENGTH, _CONSONANT_LENGTH = 2.0, 1.0

#: word:phones, one letter a phone; capitals are diphthongs and long vowels, T is "th", C "ch".
_LEXICON_TEXT = """
bin:bin lay:lA place:plAs set:set blue:blU green:grEn red:red white:wIt at:at by:bI in:in with:wiT
a:A b:bE c:sE d:dE e:E f:ef g:jE h:AC i:I j:jA k:kA l:el m:em n:en o:O p:pE q:kyU r:ar s:es t:tE
u:yU v:vE x:eks y:wI z:zed zero:zErO one:wun two:tU three:TrE four:fOr five:fIv six:siks
seven:sevun eight:At nine:nIn again:ugen now:nOw please:plEz soon:sUn
"""
LEXICON = dict(entry.split(":") for entry in _LEXICON_TEXT.split())


class Phone(NamedTuple):
    """One phone and when it is said, in seconds."""

    symbol: str
    start_s: float
    end_s: float


def phones(words: Sequence[tuple[float, float, str]]) -> list[Phone]:
    """Spread the phones of words over the words' times; unknown words and silence give none."""
    found: list[Phone] = []
    for start, end, word in words:
        symbols = LEXICON.get(word, "")
        lengths = [_VOWEL_LENGTH if s in _VOWELS else _CONSONANT_LENGTH for s in symbols]
        scale = (end - start) / max(sum(lengths), 1.0)
        for symbol, length in zip(symbols, lengths, strict=True):
            found.append(Phone(symbol, start, start + length * scale))
            start += length * scale
    return found


def bilabials(words: Sequence[tuple[float, float, str]]) -> list[Phone]:
    """Give the phones of ``words`` during which lips meet."""
    return [phone for phone in phones(words) if phone.symbol in BILABIALS]


def silences(words: Sequence[tuple[float, float, str]]) -> list[tuple[float, float]]:
    """Give begin and end of the pauses, in seconds."""
    return [(start, end) for start, end, word in words if word in {"sil", "sp"}]
