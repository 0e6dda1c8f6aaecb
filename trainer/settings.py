"""Settings of the model, the training and the schedule: one TOML file in the home, overridden by the environment.

Parsed once at the edge and passed on as small frozen dataclasses; no module below reads a file or a variable for
itself. The bot's settings extend these with what concerns Discord, which this file does not know.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from model.config import GenerationConfig, MemoryConfig, ModelConfig
from storage.files.home import Home
from storage.origins import LEARNED_BY_DEFAULT
from storage.reply_records import Origin
from trainer.canaries import read_canaries
from trainer.data_settings import QuarantineConfig, SnapshotConfig
from trainer.errors import SettingsInvalid
from trainer.gate_settings import GateConfig
from trainer.setting_kinds import Seed, Share, Tolerance
from trainer.setting_names import capital, refuse_unknown, refuse_unknown_variables, sentence_of

__all__ = [
    "GateConfig",
    "ScheduleConfig",
    "ServerId",
    "StorageConfig",
    "TrainerSettings",
    "TrainingConfig",
    "load_settings_as",
    "load_trainer_settings",
]

MIN_SLOTS = 2
"""Of the bank where each server has a voice: one for servers in turns, one for the voice of all."""

BOT_SECTIONS = ("discord", "privacy", "backup", "log", "api", "metrics", "engine")
"""Sections of the same file that are read by the bot alone."""

Rate = Annotated[float, Field(ge=1e-9, le=1.0)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Number = Annotated[int, Field(ge=0, le=1_000_000)]
Rank = Annotated[int, Field(ge=1, le=256)]


def _by_id(given: object) -> object:
    """A server's id, as a number or in quotes. Raises ValueError for a name, which any other server can take."""
    if isinstance(given, str) and not given.strip().isdecimal():
        raise ValueError(
            "a server is set by its id, since another server can take its name; switch on Developer Mode in Discord's "
            "settings (Advanced), right-click the server and choose Copy Server ID"
        )
    return given


def _listed(given: object) -> object:
    """A list as a variable of the environment has it: names or ids with commas between, or JSON; one id is a number."""
    if isinstance(given, int) and not isinstance(given, bool):
        return (given,)
    if not isinstance(given, str):
        return given
    return tuple(one for one in re.split(r'[\s,"\[\]]+', given) if one)


ServerId = Annotated[int, BeforeValidator(_by_id), Field(gt=0, lt=2**63)]
"""The id of a Discord server; its name is refused with the way to the id."""


@dataclass(frozen=True)
class TrainingConfig:
    """How a run trains. None is chosen by `trainer.training.recipe` from the size of data and model."""

    servers: Annotated[tuple[ServerId, ...], BeforeValidator(_listed), Field(max_length=1000)] = ()
    """Ids of the Discord servers whose pairs are learned from; none: the first server that the bot joined."""
    learn_from: Annotated[tuple[Origin, ...], BeforeValidator(_listed), Field(max_length=100)] = LEARNED_BY_DEFAULT
    """Origins of the words that are learned from: "message", "direct_message", "discord_export", "command", "import",
    "moderator", "bot". The first three are message content, which Discord lets no application train on without its
    express permission."""
    shared_imports: bool = True
    """With `voices = "server"`: whether what the operator imports teaches every server's voice, or none."""
    min_pairs: Annotated[int, Field(ge=2, le=1_000_000)] = 50
    """Fewer eligible pairs than this and the run is skipped."""
    min_new_pairs: Number = 5
    """Fewer new pairs since the last run and the run is skipped, unless forced or something was withdrawn."""
    holdout_share: Annotated[float, Field(ge=0.001, lt=0.5)] = 0.15
    """Share of conversations never trained on. Changing it later moves pairs between the two sides: do not."""
    min_holdout: Count = 4
    """Fewer held-out pairs than this cannot judge an adapter, so the run is skipped."""
    max_holdout: Count = 500
    """Held-out pairs that are scored; the others are still never trained on."""
    max_tokens: Annotated[int, Field(ge=16, le=1 << 20)] = 1024
    """Longest training example in tokens; older turns are dropped from the front until it fits."""
    rank: Rank | None = None
    """Rank of the adapter."""
    alpha: Annotated[int, Field(ge=1, le=4096)] | None = None
    """The adapter's alpha: its scale is alpha / rank."""
    dropout: Annotated[float, Field(ge=0.0, le=0.95)] | None = None
    """Share of the adapter's inputs that training drops."""
    learning_rate: Rate | None = None
    """Highest learning rate."""
    epochs: Annotated[float, Field(ge=0.01, le=100_000.0)] | None = None
    """Times that each pair is trained on."""
    batch: Count | None = None
    """Pairs in one optimizer step (the effective batch)."""
    micro_batch: Count | None = None
    """Most pairs in one forward pass; the batch is gathered from several when this is smaller."""
    pass_tokens: Annotated[int, Field(ge=16, le=1 << 24)] | None = None
    """Most tokens in one forward pass, padding included; by default what the memory estimate allows."""
    warmup: Share | None = None
    """Share of the steps in which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0.0, le=10.0)] | None = None
    """Weight decay of the optimizer."""
    max_grad_norm: Annotated[float, Field(ge=1e-6, le=1e6)] | None = None
    """Gradients are clipped to this norm."""
    evaluations_per_epoch: Count | None = None
    """Times per epoch that the hold-out loss is measured."""
    patience: Count | None = None
    """Evaluations without an improvement before training stops."""
    neftune: Annotated[float, Field(ge=0.0, le=1000.0)] | None = None
    """Noise on the embeddings in training (NEFTune's alpha, 5 is usual); off by default."""
    rslora: bool | None = None
    """Scale adapters by alpha / sqrt(rank) instead of alpha / rank; off by default."""
    checkpointing: Literal["auto", "on", "off"] = "auto"
    """Activation checkpointing: less memory for about a third more time."""
    checkpoint_minutes: Annotated[float, Field(ge=0.0, le=10_000.0)] = 3.0
    """Minutes between two checkpoints, from which a killed run resumes; 0 writes one at every step."""
    example_share: Share = 0.25
    """Share of the training prompts that show what the bot looks up, as in answers; never the pair itself."""
    preferences: bool = True
    """Train on by what people preferred (edits, rejections, regenerated answers, votes), if the extra `dpo` is
    installed."""
    preference_pairs: Count = 200
    """With fewer preferences than this, the supervised adapter is kept."""
    preference_beta: Annotated[float, Field(ge=1e-4, le=100.0)] = 0.1
    """DPO's beta: how much a step away from the supervised adapter counts."""
    preference_noise: Annotated[float, Field(ge=0.0, le=0.45)] = 0.1
    """Share of preferences that may be wrong; counted in (robust DPO) from twice `preference_pairs` on."""
    preference_learning_rate: Rate | None = None
    """None: a fifth of the supervised default, 1e-4 for a base under a billion parameters, else 4e-5."""
    preference_tolerance: Tolerance = 0.01
    """Share by which the hold-out loss may rise for the sake of preferences."""
    seed: Seed = 1
    """Seed of the training."""


@dataclass(frozen=True)
class ScheduleConfig:
    """When the nightly run starts: a crontab expression on the wall clock of a time zone ("" is the machine's)."""

    cron: str = "0 4 * * *"
    """When a run starts: minute, hour, day of the month, month, day of the week."""
    timezone: str = ""
    """Name of the time zone, such as Europe/Berlin."""
    enabled: bool = True
    """Whether the schedule starts runs."""
    night_hours: Annotated[float, Field(ge=0.1, le=24.0)] = 6.0
    """With `voices = "server"`: hours after its start in which runs may end; what is left goes first the next night."""


@dataclass(frozen=True)
class StorageConfig:
    """How the database is kept. `storage.encryption` reads this itself, since every process needs the key."""

    key_file: str = ""
    """File with the key that encrypts the database (`nightshift storage encrypt` makes it); none: not encrypted."""


class TrainerSettings(BaseSettings):
    """Everything the trainer and the model need to know. Sections unknown here belong to the bot."""

    model_config = SettingsConfigDict(
        env_prefix="NIGHTSHIFT_", env_nested_delimiter="__", extra="ignore", frozen=True, protected_namespaces=()
    )

    model: ModelConfig = field(default_factory=ModelConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    training: TrainingConfig = TrainingConfig()
    snapshot: SnapshotConfig = SnapshotConfig()
    quarantine: QuarantineConfig = QuarantineConfig()
    gate: GateConfig = GateConfig()
    generation: GenerationConfig = GenerationConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    storage: StorageConfig = StorageConfig()
    voices: Literal["one", "server"] = "one"
    """One voice for all servers, or "server": each server's pairs teach a voice of its own, and no other server's."""
    consent: Literal["members", "operator"] = "members"
    """Whose permission a pair needs: everyone's in it (`/privacy opt-in`), or the operator has it by other means."""
    persona: Annotated[str, Field(max_length=20_000)] = ""
    """What the model is told before every conversation, on servers that set no other."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_names(cls, values: Any) -> Any:
        """A misspelt name would otherwise be a setting silently at its default."""
        refuse_unknown(cls, values, BOT_SECTIONS)
        return values

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        """Values that are each possible and leave nothing to do together."""
        if self.training.min_holdout > self.training.max_holdout:
            raise ValueError(
                "the setting training.min_holdout is above training.max_holdout, so no run could be judged"
            )
        if self.voices == "server" and self.model.adapter_slots < MIN_SLOTS:
            raise ValueError(f'the setting voices = "server" needs {MIN_SLOTS} or more of model.adapter_slots')
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, the environment over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


SettingsT = TypeVar("SettingsT", bound=TrainerSettings)


def load_settings_as(kind: type[SettingsT], home: Home) -> SettingsT:
    """Read `kind` (these settings or a class that extends them) for one home.

    Raises:
        SettingsInvalid: a value cannot be used, a key is misspelt, or the file is not TOML.
    """
    # pydantic-settings takes the path of the file from the class, so the home gets a class of its own.
    at_home: type[SettingsT] = type(
        kind.__name__,
        (kind,),
        {"model_config": SettingsConfigDict(toml_file=home.config), "__module__": kind.__module__},
    )
    try:
        refuse_unknown_variables(kind, os.environ, BOT_SECTIONS)
    except ValueError as error:
        raise SettingsInvalid(f"{capital(str(error))}; correct the environment.") from None
    try:
        return _with_canaries(at_home(), home)
    except ValidationError as error:
        raise SettingsInvalid(f"{sentence_of(error)}; correct {home.config} or the environment.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"{home.config} is not valid TOML: {error}.") from None
    except (SettingsError, UnicodeDecodeError, OSError) as error:
        raise SettingsInvalid(f"The settings cannot be read: {error}; look at {home.config}.") from None


def load_trainer_settings(home: Home) -> TrainerSettings:
    """Read the settings of the model, the training and the schedule for one home. Raises SettingsInvalid."""
    return load_settings_as(TrainerSettings, home)


def _with_canaries(settings: SettingsT, home: Home) -> SettingsT:
    """The settings with the operator's canary prompts read from their file, where a file is named."""
    named = settings.gate.canaries
    if not isinstance(named, str):
        return settings
    path = home.config.resolve().parent / Path(named).expanduser()
    try:
        prompts = read_canaries(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SettingsInvalid(f"The setting gate.canaries names {path}, which cannot be used: {why}.") from None
    return settings.model_copy(update={"gate": dataclasses.replace(settings.gate, canaries=prompts)})
