"""The form in which administrators write the persona."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot.discord_io.components import Interaction, TextForm
from bot.i18n.en import settings as texts

__all__ = ["persona_form"]

_LIMIT = 2000  # characters; it is in every prompt, so it leaves less of the context for the conversation


def persona_form(text: str, save: Callable[[Interaction, str], Awaitable[None]]) -> TextForm:
    """A form that shows the present persona. `save` gets the new one; an empty one goes back to the default."""
    return TextForm(
        save,
        title=texts.PERSONA_TITLE,
        label=texts.PERSONA_LABEL,
        custom_id="persona",
        default=text[:_LIMIT],
        placeholder=texts.PERSONA_HINT,
        max_length=_LIMIT,
        required=False,
    )
