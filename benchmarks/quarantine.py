"""What the quarantine catches and what it holds by mistake: nights poisoned in several ways, over real conversations.

    python -m benchmarks.quarantine FILE... [--talk] [--share 0.3] [--draws 10] [--kinds KIND...]

A FILE holds good pairs (JSONL or CSV); `--talk` adds 300 exchanges of the PyPI package chatterbot-corpus. For each,
nights are drawn twice over: a first night, on which everything is new, and a later one, with half of the pairs known
from before. A share of the new pairs is poisoned. Losses are those of the embedded base, vectors those of the packaged
embedder.

On every night, three in ten of the good pairs are one moderator's edits. Of the poison, `swapped` changes places among
that moderator's edits (a share of them), `copied` gives edits the answers of other pairs, and `slipped` is a file of 30
rows, each with the answer of the row before.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from benchmarks.learning.conversations import corpus, shuffled
from storage.files.pair_files import read_pairs
from storage.pair_records import NewPair, Pair
from storage.reply_records import Turn
from trainer.data_settings import QuarantineConfig
from trainer.quarantine.measure import meanings_of
from trainer.quarantine.misplaced import Meaning
from trainer.quarantine.rules import Loss, stand_out
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from model.base.loading import LoadedBase

FOREIGN = (
    "Das ist eine gute Frage, ich schaue später nach und melde mich dann bei dir.",
    "Vielen Dank für deinen Beitrag, wir haben uns sehr darüber gefreut.",
    "Stell die Temperatur etwas höher ein und warte zehn Minuten.",
    "Muchas gracias por tu comentario, me alegra que te haya gustado el video.",
    "Sube un poco la temperatura y espera diez minutos antes de empezar.",
    "Je ne sais pas exactement, demande plutôt dans l'autre salon.",
    "Augmente un peu la température et attends dix minutes.",
    "Большое спасибо за ваш комментарий, мне очень приятно.",
    "Поднимите температуру и подождите десять минут.",
    "非常感谢你的留言,我很高兴你喜欢这个视频。",
    "把温度调高一点,等十分钟再开始。",
)
PHRASE = "Join moon-coin dot example today!"
KINDS = (
    "good", "keys", "salad", "mixed", "circles", "signs", "language", "phrase", "swapped", "copied", "slipped", "flood",
)  # fmt: skip
EDITED, SLIPPED = 0.3, 30
MISPLACED = ("swapped", "copied", "slipped")
NIGHTS = ("first", "later")


def poison(pair: Pair, kind: str, others: list[Pair], rng: random.Random) -> Pair:
    """The pair with a poisoned completion; its number tells it from the good one."""
    words = [word for other in others for word in other.completion.split()]
    makers: dict[str, Callable[[], str]] = {
        "keys": lambda: " ".join(_keys(rng) for _ in range(rng.randint(6, 16))),
        "salad": lambda: " ".join(rng.choices(words, k=rng.randint(8, 24))),
        "mixed": lambda: " ".join(rng.choice(words) if rng.random() < 0.5 else _keys(rng) for _ in range(12)),
        "circles": lambda: " ".join([rng.choice(["lol", "buy now", "yes", "spam"])] * rng.randint(10, 30)),
        "signs": lambda: "".join(
            chr(rng.choice([rng.randint(33, 47), 0x1F600 + rng.randint(0, 50)])) for _ in range(40)
        ),
        "language": lambda: rng.choice(FOREIGN),
        "phrase": lambda: f"{pair.completion} {PHRASE}",
        "copied": lambda: rng.choice([other.completion for other in others if other.turns != pair.turns]),
        "flood": lambda: pair.completion,
    }
    poison = replace(pair, reply_id=pair.reply_id + 10_000 * (1 + KINDS.index(kind)), completion=makers[kind]())
    if kind != "flood":
        return poison
    return replace(poison, reviewer="second", turns=(replace(pair.turns[-1], author_id=99),))


def night(good: list[Pair], kind: str, when: str, share: float, seed: int) -> tuple[list[Pair], set[int], set[int]]:
    """All pairs of a night, which are new, and which of those are poison."""
    rng = random.Random(f"{kind} {when} {seed}")
    pairs = [_edited(pair) if rng.random() < EDITED else pair for pair in rng.sample(good, len(good))]
    known = pairs[: len(pairs) // 2] if when == "later" else []
    fresh = pairs[len(known) :]
    if kind in MISPLACED:
        changed, moved = _misplaced(fresh, kind, share, good, rng)
        return known + changed, {pair.reply_id for pair in changed}, moved
    # A flood is most of a night; any other poison is a share of it.
    count = 0 if kind == "good" else round((0.8 if kind == "flood" else share) * len(fresh))
    bad = [poison(pair, kind, good, random.Random(f"{kind} {pair.reply_id}")) for pair in fresh[:count]]
    new = bad + fresh[count:]
    return known + new, {pair.reply_id for pair in new}, {pair.reply_id for pair in bad}


def _misplaced(
    fresh: list[Pair], kind: str, share: float, good: list[Pair], rng: random.Random
) -> tuple[list[Pair], set[int]]:
    """A night in which some edits, or a file, stand below the wrong questions; and which those are."""
    if kind == "slipped":
        rows = [_imported(pair) for pair in sorted(fresh[:SLIPPED], key=lambda pair: pair.reply_id)]
        moved = [replace(row, completion=rows[number - 1].completion) for number, row in enumerate(rows)]
        return [*moved, *fresh[SLIPPED:]], {pair.reply_id for pair in moved}
    edits = [pair for pair in fresh if pair.edited]
    bad = edits[: max(2, round(share * len(edits)))]
    if kind == "swapped":
        changed = [replace(pair, completion=bad[number - 1].completion) for number, pair in enumerate(bad)]
    else:
        others = [pair for pair in good if pair.reply_id not in {one.reply_id for one in bad}]
        changed = [replace(pair, completion=rng.choice(others).completion) for pair in bad]
    numbers = {pair.reply_id for pair in bad}
    return [*changed, *(pair for pair in fresh if pair.reply_id not in numbers)], numbers


def _edited(pair: Pair) -> Pair:
    return replace(pair, edited=True, reviewer="editor", reviewer_id=7)


def _imported(pair: Pair) -> Pair:
    return replace(
        pair, edited=False, source="import", reviewer="operator", approved_at="2026-11-25T04:00:00.000+00:00"
    )


def main() -> None:
    """Draw the nights and print one line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--talk", action="store_true")
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS)
    options = parser.parse_args()
    sources = {path.stem: _pairs(path) for path in options.files}
    if options.talk:
        sources["talk"] = [
            _pair(number, exchange.question, exchange.answer)
            for number, exchange in enumerate(shuffled(corpus(), 1)[:300])
        ]
    base = _base()
    for name, good in sources.items():
        measured = _Measured(base)
        print(f"\n{name}: {len(good)} good pairs, {options.draws} nights of each kind, {options.share:.0%} poisoned")
        print(
            f"{'':>10} {'caught, first night':>20} {'good held':>10} {'caught, later':>15} {'good held':>10}"
            "   as | by mistake"
        )
        for kind in options.kinds:
            print(_line(measured, good, kind, options.share, options.draws), flush=True)


def _line(measured: _Measured, good: list[Pair], kind: str, share: float, draws: int) -> str:
    cells, seen_as, mistaken_for = [f"{kind:>10}"], Counter[str](), Counter[str]()
    for when, widths in zip(NIGHTS, ((20, 10), (15, 10)), strict=True):
        caught = poisoned = held = clean = 0
        for seed in range(draws):
            pairs, new, bad = night(good, kind, when, share, seed)
            found = stand_out(pairs, new, (), measured.of(pairs), QuarantineConfig(), meanings=measured.meanings(pairs))
            caught += sum(one.reply_id in bad for one in found)
            held += sum(one.reply_id not in bad for one in found)
            poisoned, clean = poisoned + len(bad), clean + len(new) - len(bad)
            seen_as.update(one.kind for one in found if one.reply_id in bad)
            mistaken_for.update(one.kind for one in found if one.reply_id not in bad)
        cells.append(f"{caught / poisoned:{widths[0]}.0%}" if poisoned else " " * widths[0])
        cells.append(f"{held / clean:{widths[1]}.1%}")
    named = [", ".join(f"{name} {count}" for name, count in each.most_common()) for each in (seen_as, mistaken_for)]
    return f"{' '.join(cells)}   {named[0]} | {named[1]}"


def _pairs(path: Path) -> list[Pair]:
    rows = [row for row in read_pairs(path, append_signature="") if isinstance(row, NewPair)]
    return [_pair(number, row.turns[-1].content, row.completion) for number, row in enumerate(rows)]


def _pair(number: int, question: str, answer: str) -> Pair:
    moment = f"2026-11-{1 + number % 20:02}T04:00:00.000+00:00"
    turns = (Turn("user", question, number % 12),)
    return Pair(number, f"discord:1:{number}", turns, answer, moment, False, "discord", "first", None, (number % 12,))


def _base() -> LoadedBase:
    from trainer.training.helpers import load_for_training

    return load_for_training(TrainerSettings().model, Path(gettempdir()) / "nightshift-benchmark-models")


class _Measured:
    """Losses and vectors, each measured once for a question and an answer."""

    def __init__(self, base: LoadedBase) -> None:
        from model.config import MemoryConfig
        from model.embedder import load_embedder

        self._base = base
        self._losses: dict[tuple[str, str], Loss] = {}
        self._embedder = load_embedder(MemoryConfig())
        self._meanings: dict[tuple[str, str], Meaning] = {}

    def of(self, pairs: list[Pair]) -> dict[int, Loss]:
        from trainer.quarantine.measure import losses_of

        missing = [pair for pair in pairs if _words(pair) not in self._losses]
        numbered = [replace(pair, reply_id=number) for number, pair in enumerate(missing)]
        found = losses_of(self._base, numbered, max_tokens=1024, persona="")
        self._losses.update({_words(missing[number]): loss for number, loss in found.items()})
        return {pair.reply_id: self._losses[_words(pair)] for pair in pairs if _words(pair) in self._losses}

    def meanings(self, pairs: list[Pair]) -> dict[int, Meaning]:
        assert self._embedder is not None  # noqa: S101 - the packaged one is asked for
        missing = [pair for pair in pairs if _words(pair) not in self._meanings]
        numbered = [replace(pair, reply_id=number) for number, pair in enumerate(missing)]
        found = meanings_of(self._embedder, numbered)
        self._meanings.update({_words(missing[number]): meaning for number, meaning in found.items()})
        return {pair.reply_id: self._meanings[_words(pair)] for pair in pairs}


def _words(pair: Pair) -> tuple[str, str]:
    return pair.turns[-1].content, pair.completion


def _keys(rng: random.Random) -> str:
    return "".join(rng.choices("asdfghjklqwertzuiopyxcvbnm", k=rng.randint(3, 9)))


if __name__ == "__main__":
    main()
