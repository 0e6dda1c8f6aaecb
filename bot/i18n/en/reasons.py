"""Why a training run ended as it did, in English: the trainer's own words."""

from bot.i18n.language import in_every_language
from trainer import reasons

WORDS = reasons.ENGLISH
DECIMAL = "."

in_every_language(__name__)
