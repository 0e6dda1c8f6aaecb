"""The shape of a base model in numbers: what its layers and its adapters weigh. Plain arithmetic, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.training.experts import Experts

__all__ = ["EMBEDDED_SHAPE", "ModelShape"]


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a Llama-like decoder (gated feed-forward, grouped key/value heads), in elements.

    Attributes:
        intermediate: width of the feed-forward that a token goes through; with experts, of all of its experts together.
        tied: input and output embeddings are one matrix.
        expert_parameters: weights of all experts and their routers, which stay in 16 bits and are not adapted.
        dense_parameters: weights of feed-forwards beside the experts (shared ones, layers without experts).
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int
    tied: bool = False
    expert_parameters: int = 0
    dense_parameters: int = 0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ModelShape:
        """Read a Hugging Face `config.json`. Raises KeyError for a model that is not of this family."""
        if "hidden_size" not in config and isinstance(config.get("text_config"), Mapping):
            config = config["text_config"]  # a model of text and more
        hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        experts = Experts.from_config(config)
        return cls(
            hidden=hidden,
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_size=int(config.get("head_dim") or hidden // heads),
            intermediate=experts.active_width if experts else int(config["intermediate_size"]),
            vocabulary=int(config["vocab_size"]),
            tied=bool(config.get("tie_word_embeddings", False)),
            expert_parameters=experts.parameters(hidden) if experts else 0,
            dense_parameters=experts.dense_parameters(hidden) if experts else 0,
        )

    @property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """(in, out) of the layers of one decoder layer that adapters sit on: q, k, v, o, gate, up, down."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        attention = ((self.hidden, queries), (self.hidden, keys), (self.hidden, keys), (queries, self.hidden))
        if self.expert_parameters:
            return attention
        up = (self.hidden, self.intermediate)
        return (*attention, up, up, (self.intermediate, self.hidden))

    @property
    def linear_parameters(self) -> int:
        """Weights that 4-bit quantisation packs."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.linears) + self.dense_parameters

    @property
    def other_parameters(self) -> int:
        """Embeddings, output head, norms and experts, which stay in 16 bits."""
        embeddings = (1 if self.tied else 2) * self.vocabulary * self.hidden
        return embeddings + (2 * self.layers + 1) * self.hidden + self.expert_parameters

    @property
    def parameters(self) -> int:
        """All weights of the base model."""
        return self.linear_parameters + self.other_parameters

    def adapter_parameters(self, rank: int) -> int:
        """Weights of a LoRA adapter of this rank on every linear layer: A is rank x in, B is out x rank."""
        return self.layers * rank * sum(inputs + outputs for inputs, outputs in self.linears)


EMBEDDED_SHAPE = ModelShape(
    hidden=576, layers=30, heads=9, kv_heads=3, head_size=64, intermediate=1536, vocabulary=49_152, tied=True
)
"""SmolLM2-135M-Instruct."""
