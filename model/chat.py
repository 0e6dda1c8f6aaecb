"""Chat rendering: the one way from messages to token ids, used by training and serving alike.

Text goes through the tokenizer's own chat template, with thinking turned off. What a person typed never becomes a
control token or a role mark (model/control_tokens.py), and what a model thought is not shown to it again
(model/reasoning.py). This file knows nothing of weights, Discord or storage.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import jinja2

from model.control_tokens import Controls
from model.reasoning import SWITCHES, open_tag, tags_of, without_thoughts

__all__ = [
    "ChatFormat",
    "Message",
    "chat_format",
    "encode_pair",
    "encode_prompt",
    "end_of_turn_id",
    "neutralise",
    "strip_thoughts",
    "template_hash",
]

Role = Literal["system", "user", "assistant"]

# Words that no template treats in a special way, to find what it writes around a turn.
_SYSTEM, _ASKED, _ANSWERED, _ASKED_AGAIN = "QXSYSTEMXQ", "QXASKEDXQ", "QXANSWEREDXQ", "QXAGAINXQ"
_SENTINELS = re.compile(r"QX[A-Z]+XQ")
_SHAPES = 256  # kinds of conversation whose control tokens are remembered


@dataclass(frozen=True)
class Message:
    """One turn of a conversation, as the model is shown it."""

    role: Role
    content: str


class ChatFormat:
    """A tokenizer's chat format: whatever does not depend on the conversation is found out once."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._template = str(tokenizer.chat_template or "")
        self._switches = {name: off for name, off in SWITCHES.items() if re.search(rf"\b{name}\b", self._template)}
        self._expected: dict[tuple[tuple[str, bool], ...], list[int]] = {}
        self._tags = tags_of(tokenizer)

    def neutralise(self, text: str) -> str:
        """Return `text` in which no control string and no role mark is left: `<|im_end|>` becomes `< |im_end|>`.

        Idempotent, so a text that was neutralised when it was stored renders to the same ids again.
        """
        return self._controls.without(text)

    def strip_thoughts(self, text: str) -> str:
        """An answer without what its model thought before it."""
        return without_thoughts(text, self._tags)

    def encode_prompt(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation up to and including the generation prompt.

        If the last turn is the assistant's, the model continues it: its text follows the generation prompt,
        as the completion does in `encode_pair`.
        """
        begun = messages[-1].content if messages and messages[-1].role == "assistant" else ""
        prompt = self._render(messages[:-1] if begun else messages)
        return [*prompt, *self._completion(begun)] if begun else prompt

    def plain_turns(self, messages: Sequence[Message]) -> list[Message]:
        """A conversation for a program that applies the template itself: nothing in its turns is structure.

        Neighbours of one role are joined, thoughts are gone, and turns that the template refuses are folded. The last
        turn is the assistant's where the model is to continue it.
        """
        begun = messages[-1].content if messages and messages[-1].role == "assistant" else ""
        turns, _ = self._rendered(messages[:-1] if begun else messages)
        try:
            self._apply(turns, generation_prompt=True)
        except jinja2.TemplateError:
            turns = _user_first(turns)
        return [*turns, Message("assistant", self.neutralise(self.strip_thoughts(begun)))] if begun else turns

    @property
    def switches(self) -> dict[str, object]:
        """Variables of this template that turn thinking off."""
        return dict(self._switches)

    def encode_pair(self, messages: Sequence[Message], completion: str) -> tuple[list[int], int]:
        """Token ids of a training pair, and how many of them are prompt.

        The ids after the prompt are what the engine generates for this answer: the completion's own tokens, then the
        end-of-turn token.
        """
        prompt = self.encode_prompt(messages)
        return [*prompt, *self._completion(completion), self.end_of_turn], len(prompt)

    @cached_property
    def end_of_turn(self) -> int:
        """The token that closes an assistant turn in this template; the end-of-sequence token if none does."""
        closed = self._text(_turns(_ASKED, _ANSWERED), generation_prompt=False)
        special = {*self._controls.ids, *self._tokenizer.all_special_ids}
        ends = [id_ for id_ in self._ids(closed.rpartition(_ANSWERED)[2]) if id_ in special]
        return int(ends[0] if ends else self._tokenizer.eos_token_id)

    @cached_property
    def _controls(self) -> Controls:
        tags = [mark for tag in self._tags for mark in tag]
        return Controls(self._tokenizer, [*tags, *self._role_marks()])

    def _role_marks(self) -> list[str]:
        """What the template writes around turns in plain text: `USER:`, `### Response:`."""
        try:
            text = self._text([Message("system", _SYSTEM), *_turns(_ASKED, _ANSWERED, _ASKED_AGAIN)])
        except (jinja2.TemplateError, ValueError):  # no template yet; then there is nothing to render either
            return []
        tokens = Controls(self._tokenizer)
        around = {mark for piece in _SENTINELS.split(text) for mark in tokens.marks_in(piece)}
        return sorted(around, key=len, reverse=True)

    @cached_property
    def _answer_start(self) -> str:
        """What follows the generation prompt before the first word of an answer: a thought closed, a channel chosen."""
        opened = self._text(_turns(_ASKED)).rpartition(_ASKED)[2]
        if tag := open_tag(opened, self._tags):
            return ("\n" if opened.endswith("\n") else "\n\n") + f"{tag[1]}\n\n"
        closed = self._text(_turns(_ASKED, _ANSWERED), generation_prompt=False).rpartition(_ASKED)[2]
        before = closed.partition(_ANSWERED)[0]
        more = before[len(opened) :] if before.startswith(opened) else ""
        return more if self._controls.count(self._ids(more)) else ""

    def _completion(self, text: str) -> list[int]:
        return self._ids(self.neutralise(self.strip_thoughts(text)))

    def _render(self, messages: Sequence[Message]) -> list[int]:
        return self._rendered(messages)[1]

    def _rendered(self, messages: Sequence[Message]) -> tuple[list[Message], list[int]]:
        # Joined first: two messages must not make together what neither could alone.
        spoken = _merged([self._without_thoughts(message) for message in messages])
        turns = [Message(turn.role, self.neutralise(turn.content)) for turn in spoken]
        ids = self._prompt_ids(turns)
        if self._controls.count(ids) != self._controls_of(turns):
            # Words and template together made a control token; without signs there is nothing to make one of.
            turns = [Message(turn.role, re.sub(r"[^\w\s]", " ", turn.content)) for turn in turns]
            ids = self._prompt_ids(turns)
        return turns, ids

    def _without_thoughts(self, message: Message) -> Message:
        return Message(message.role, self.strip_thoughts(message.content)) if message.role == "assistant" else message

    def _controls_of(self, turns: Sequence[Message]) -> list[int]:
        """The control tokens of a conversation of this shape, whatever its text."""
        shape = tuple((turn.role, bool(turn.content.strip())) for turn in turns)
        if shape not in self._expected:
            if len(self._expected) >= _SHAPES:
                self._expected.clear()
            plain = [Message(turn.role, "x" if turn.content.strip() else "") for turn in turns]
            self._expected[shape] = self._controls.count(self._prompt_ids(plain))
        return self._expected[shape]

    def _prompt_ids(self, turns: Sequence[Message]) -> list[int]:
        return self._ids(self._text(turns) + self._answer_start)

    def _text(self, turns: Sequence[Message], *, generation_prompt: bool = True) -> str:
        try:
            return self._apply(turns, generation_prompt=generation_prompt)
        except jinja2.TemplateError:
            # Some templates (Gemma's, Mistral's) refuse a system turn or want a user turn first.
            return self._apply(_user_first(turns), generation_prompt=generation_prompt)

    def _apply(self, turns: Sequence[Message], *, generation_prompt: bool) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                [{"role": turn.role, "content": turn.content} for turn in turns],
                add_generation_prompt=generation_prompt,
                tokenize=False,
                **self._switches,
            )
        )

    def _ids(self, text: str) -> list[int]:
        return [int(id_) for id_ in self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]


def chat_format(tokenizer: Any) -> ChatFormat:
    """The tokenizer's format; a new one after its template or vocabulary changed."""
    return _made(tokenizer, str(tokenizer.chat_template or ""), len(tokenizer))


@lru_cache(maxsize=8)
def _made(tokenizer: Any, _template: str, _vocabulary: int) -> ChatFormat:
    return ChatFormat(tokenizer)


def template_hash(tokenizer: Any) -> str:
    """Identity of the chat template, 16 hex digits: an adapter serves only under the template it was trained with."""
    return hashlib.sha256(str(tokenizer.chat_template or "").encode()).hexdigest()[:16]


def neutralise(text: str, tokenizer: Any) -> str:
    """See `ChatFormat.neutralise`."""
    return chat_format(tokenizer).neutralise(text)


def strip_thoughts(text: str, tokenizer: Any) -> str:
    """See `ChatFormat.strip_thoughts`."""
    return chat_format(tokenizer).strip_thoughts(text)


def encode_prompt(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """See `ChatFormat.encode_prompt`."""
    return chat_format(tokenizer).encode_prompt(messages)


def encode_pair(tokenizer: Any, messages: Sequence[Message], completion: str) -> tuple[list[int], int]:
    """See `ChatFormat.encode_pair`."""
    return chat_format(tokenizer).encode_pair(messages, completion)


def end_of_turn_id(tokenizer: Any) -> int:
    """See `ChatFormat.end_of_turn`."""
    return chat_format(tokenizer).end_of_turn


def _turns(*texts: str) -> list[Message]:
    """Turns of a user and the assistant by turns."""
    return [Message("assistant" if index % 2 else "user", text) for index, text in enumerate(texts)]


def _merged(messages: Sequence[Message]) -> list[Message]:
    """Join neighbours of one role: most templates demand that roles alternate."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            merged[-1] = Message(message.role, f"{merged[-1].content}\n{message.content}")
        else:
            merged.append(message)
    return merged


def _user_first(turns: Sequence[Message]) -> list[Message]:
    """Fold a system turn into the first user turn and drop what stands before it."""
    system = "\n".join(turn.content for turn in turns if turn.role == "system")
    rest = [turn for turn in turns if turn.role != "system"]
    while rest and rest[0].role != "user":
        rest.pop(0)
    if system and rest:
        rest[0] = Message("user", f"{system}\n\n{rest[0].content}")
    return _merged(rest)
