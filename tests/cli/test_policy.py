"""`nightshift policy`: what it says follows from what is set."""

from __future__ import annotations

import pytest

from bot.settings import DiscordConfig
from storage.origins import RULE


def test_it_says_what_holds_by_default(nightshift, home):
    """Thirty days, not encrypted, nothing of messages trained on, and how to have it deleted."""
    said = nightshift("policy", "--name", "Owl", "--contact", "owl@example.org").out
    for words in (
        "# Privacy policy of Owl",
        "deleted after 30 days",
        "The database itself is not encrypted.",
        "never used for training",
        RULE,
        "`/privacy forget`",
        "owl@example.org",
        f"up to {DiscordConfig().context_messages} messages before it",
        "only if everyone in it opted in",
        "# Answers for Discord's review of the Message Content intent",
        "up to 4 approved answers of conversations in which everyone opted in",
        "up to 3 parts of them are shown to the model",
        "(with `/ask`, the question alone on servers that the bot learns from)",
        "no legal advice",
        "long texts that Discord turned into the file message.txt",
    ):
        assert words in said
    assert "[name" not in said


@pytest.mark.parametrize(
    ("setting", "there", "gone"),
    [
        ('[training]\nlearn_from = ["message", "bot"]', "express permission. [Say when", "never used for training"),
        ("[privacy]\nretention_days = 7", "deleted after 7 days", "after 30 days"),
        ("[privacy]\nretention_days = 0", "kept until somebody in them", "days, unless"),
        ("[discord]\nmessage_content = false", "does not ask for this intent", "To read the"),
        ("[discord]\ncontext_messages = 0", "the question and the reply chain", "messages before it in"),
        ("[discord]\ncontext_messages = 0", "the messages that a question replies to", "the 0 messages"),
        ("[discord]\ncontext_messages = 7", "up to 7 messages before a question", "the messages that a question"),
        ("[discord]\ndirect_messages = false", "not answered and not stored", "or written to directly"),
        ('consent = "operator"', "Members are not asked one by one", "everyone in it opted in. Nobody"),
        ('[discord]\nask_history = "always"', "in the same channel.", "the question alone"),
        ('[training]\nlearn_from = ["message"]', "in the same channel.", "the question alone"),
        ("[memory]\nexamples = 0\nchunks = 0", "The Discord ids", "shown to the model with a question"),
        ("[memory]\nexamples = 0", "up to 3 parts of them", "up to 4 approved answers"),
        ('[backup]\ndirectory = "b"\nkeep_days = 5', "each deleted after 5 days", "after 14 days"),
        ('[backup]\ndirectory = "b"', "backups that are not encrypted, each deleted after 14 days", "encrypted (AES"),
    ],
)
def test_each_setting_changes_what_is_said(nightshift, home, setting, there, gone):
    """And nothing is said that no longer holds."""
    home.ensure()
    home.config.write_text(f"{setting}\n")
    said = nightshift("policy").out
    assert there in said
    assert gone not in said


def test_an_encrypted_database_is_called_so_and_its_backups_too(nightshift, home):
    """Adapters and logs are ordinary files all the same."""
    home.ensure()
    home.config.write_text('[storage]\nkey_file = "key"\n[backup]\ndirectory = "b"\n')
    nightshift("storage", "encrypt")
    said = nightshift("policy").out
    assert "The database is encrypted (AES-256). Trained adapters and log files are not." in said
    assert "backups in which the database is encrypted" in said
    assert "not encrypted, each" not in said


def test_the_choice_made_in_setup_counts(nightshift, store):
    """It is in the store, not in the file."""
    store.permit_message_content(on=True)
    assert "messages in channels, direct messages" in nightshift("policy").out


def test_it_writes_a_file(nightshift, tmp_path):
    """The same text; a folder that is not there is said in a sentence."""
    path = tmp_path / "PRIVACY.md"
    assert nightshift("policy", "--out", path).out == f"wrote {path}\n"
    assert path.read_text(encoding="utf-8") == nightshift("policy").out
    nightshift("policy", "--out", tmp_path / "nowhere" / "PRIVACY.md").fails_with(1, "cannot be written")
