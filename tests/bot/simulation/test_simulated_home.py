"""The playground's home: kept apart from what was said on Discord, and learned from without exception."""

from __future__ import annotations

from bot.settings import load_settings
from bot.simulation.server import simulated, simulated_home, train_in_simulation
from storage.origins import ORIGINS
from storage.reply_records import NewReply, Turn
from storage.store import Store
from trainer.reasons import excluded, in_english


def said(store: Store) -> None:
    turns = (Turn("user", "Is ash hard?", 7, 1, "message"),)
    reply = NewReply(
        source="discord", conversation="discord:1:1", turns=turns, text="Aye.", adapter=None, base_model="embedded",
        asker_id=7,
    )  # fmt: skip
    store.set_consent(7, opted_in=True)
    store.add_review(store.add_reply(reply), "approve", reviewer="mo")


def test_settings_and_models_are_shared_and_words_are_not(home):
    """A file written later counts, too."""
    place = simulated_home(home, "playground")
    assert place.db != home.db
    home.config.write_text("[training]\nmin_pairs = 7\n")
    again = simulated_home(home, "playground")
    assert load_settings(again).training.min_pairs == 7
    assert again.models.resolve() == home.models.resolve()
    assert simulated(load_settings(again)).training.learn_from == ORIGINS


def test_the_bot_s_backups_ports_and_servers_are_left_alone(home, tmp_path):
    """A simulation would write its own words there, delete old backups, find ports taken, and load its adapters."""
    ports = "[api]\nport = 8001\n[metrics]\nport = 9001\n"
    server = '[engine]\nurl = "http://10.0.0.5:8000/v1"\n'
    home.config.write_text(f'[backup]\ndirectory = "{tmp_path}"\n{ports}{server}')
    settings = simulated(load_settings(home))
    assert (settings.backup.directory, settings.api.port, settings.metrics.port) == ("", 0, 0)
    assert settings.engine.url == ()


async def test_a_night_there_leaves_out_no_origin(home):
    """In the process of its own that trains; on Discord the same pair waits."""
    place = simulated_home(home, "playground")
    for one in (home, place):
        with Store.open(one.db) as store:
            said(store)
    result = await train_in_simulation(place.root, force=True, trigger="manual", local_date=None)
    assert result.outcome == "skipped"
    assert "There are 1 eligible pairs" in result.reason
    with Store.open(home.db) as store:
        counts = store.counts(learn_from=load_settings(home).training.learn_from)
    assert (counts.eligible, counts.excluded) == (0, 1)
    assert in_english(excluded(1)) not in result.reason
