"""The schema, as numbered steps that are only ever appended to.

A step that has been released is never edited: a database may have been made by it. Steps use SQL and nothing
from the rest of the package, so that they mean the same for ever. They run in one transaction, with foreign
keys off until they are done (SQLite needs that to rebuild a table).

sqlite-utils keeps the record of applied steps. It is loaded only where one is applied, since it loads pandas where
that is installed, and a quick command would spend most of its time on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from sqlite3 import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SET = "nightshift"


def applied(db: Connection) -> list[str]:
    """Names of the steps that this database has had, by sqlite-utils' own table."""
    if not db.execute("select 1 from sqlite_master where name = '_sqlite_migrations'").fetchone():
        return []
    rows = db.execute("select name from _sqlite_migrations where migration_set = ? order by rowid", [SET])
    return [row[0] for row in rows]


def apply(db: Connection) -> None:
    """Apply the steps that are missing. Call it in a transaction, or each step is one of its own."""
    from sqlite_utils import Database, Migrations

    migrations = Migrations(SET)
    for step in STEPS:
        migrations()(step)
    migrations.apply(Database(db))


def m001_replies_and_reviews(db: Database) -> None:
    # authors_known: every user turn of a reply on Discord names its author. content_hash: of turns and completion.
    db.execute("""
        create table replies (
            id integer primary key,
            source text not null,
            conversation text not null,
            turns text not null,
            text text not null,
            adapter text,
            base_model text not null,
            guild_id integer,
            channel_id integer,
            message_id integer,
            asker_id integer,
            prompt_message_id integer,
            finish_reason text not null,
            created_at text not null,
            redacted integer not null default 0,
            authors_known integer not null,
            content_hash text
        )
    """)
    db.execute("create unique index replies_message on replies (message_id) where message_id is not null")
    db.execute("create index replies_content on replies (content_hash) where content_hash is not null")
    db.execute("create unique index replies_imported on replies (content_hash) where source = 'import'")
    # The moderators' queue, without a million imported rows to step over.
    db.execute("create index replies_said on replies (id) where source <> 'import'")
    db.execute("""
        create table reviews (
            id integer primary key,
            reply_id integer not null references replies (id) on delete cascade,
            verdict text not null,
            edited_text text,
            reason text,
            reviewer_id integer,
            reviewer text not null,
            created_at text not null,
            content_hash text
        )
    """)
    # Ends with the row's id, so "the latest review of this reply" is one step in this index.
    db.execute("create index reviews_reply on reviews (reply_id)")
    db.execute("create index reviews_content on reviews (content_hash) where content_hash is not null")


def m002_people_in_replies(db: Database) -> None:
    db.execute("""
        create table reply_authors (
            reply_id integer not null references replies (id) on delete cascade,
            user_id integer not null,
            primary key (reply_id, user_id)
        ) without rowid
    """)
    db.execute("create index reply_authors_user on reply_authors (user_id)")
    db.execute("""
        create table reply_messages (
            reply_id integer not null references replies (id) on delete cascade,
            message_id integer not null,
            primary key (reply_id, message_id)
        ) without rowid
    """)
    db.execute("create index reply_messages_message on reply_messages (message_id)")
    db.execute("""
        create table consents (
            user_id integer primary key,
            opted_in integer not null,
            updated_at text not null
        )
    """)
    db.execute("""
        insert or ignore into reply_authors (reply_id, user_id)
        select replies.id, turn.value ->> 'author_id' from replies, json_each(replies.turns) as turn
        where turn.value ->> 'role' <> 'assistant' and turn.value ->> 'author_id' is not null
        union select id, asker_id from replies where asker_id is not null
    """)
    db.execute("""
        insert or ignore into reply_messages (reply_id, message_id)
        select replies.id, turn.value ->> 'message_id' from replies, json_each(replies.turns) as turn
        where turn.value ->> 'message_id' is not null
        union select id, prompt_message_id from replies where prompt_message_id is not null
    """)


def m003_runs(db: Database) -> None:
    # "trigger" is a keyword of SQL, so the column says "started_by".
    db.execute("""
        create table runs (
            number integer primary key,
            id text not null unique,
            started_by text not null,
            stage text not null,
            started_at text not null,
            local_date text not null,
            pid integer not null,
            finished_at text,
            outcome text,
            reason text,
            champion text,
            challenger text,
            champion_nll real,
            challenger_nll real,
            holdout_pairs integer,
            train_pairs integer,
            snapshot_hash text,
            config text not null,
            details text not null
        )
    """)
    db.execute("""
        create table run_metrics (
            id integer primary key,
            run_id text not null references runs (id) on delete cascade,
            step integer not null,
            name text not null,
            value real,
            at text not null
        )
    """)
    db.execute("create index run_metrics_run on run_metrics (run_id)")


def m004_adapters_and_promotions(db: Database) -> None:
    db.execute("""
        create table adapters (
            id text primary key not null,
            run_id text references runs (id),
            base_model text not null,
            created_at text not null,
            manifest text not null,
            retired_at text
        )
    """)
    # autoincrement: the bot watches for a number higher than the last it saw, so none is ever used twice.
    db.execute("""
        create table promotions (
            id integer primary key autoincrement,
            adapter text references adapters (id),
            kind text not null,
            actor text not null,
            reason text not null,
            created_at text not null
        )
    """)


def m005_audit(db: Database) -> None:
    db.execute("""
        create table audit (
            id integer primary key,
            created_at text not null,
            guild_id integer,
            actor_id integer,
            actor text not null,
            action text not null,
            subject text not null,
            details text not null
        )
    """)


def m006_guild_settings(db: Database) -> None:
    # channel_id 0: the whole server. value: JSON.
    db.execute("""
        create table guild_settings (
            guild_id integer not null,
            channel_id integer not null,
            name text not null,
            value text not null,
            updated_at text not null,
            primary key (guild_id, channel_id, name)
        ) without rowid
    """)


def m007_moderation(db: Database) -> None:
    # confidence: mean probability of the reply's tokens, for reviewing the unsure ones first.
    db.execute("alter table replies add column confidence real")
    db.execute("create index replies_guild on replies (guild_id, id) where source <> 'import'")
    # A reply that is shown only once approved. message_ids: JSON, the Discord messages it stands in, first to last.
    db.execute("""
        create table holds (
            reply_id integer primary key references replies (id) on delete cascade,
            message_ids text not null
        )
    """)
    # One vote a person for each sampled question of a run; no words, so nothing to redact.
    db.execute("""
        create table votes (
            run_id text not null,
            sample integer not null,
            voter_id integer not null,
            guild_id integer not null,
            preference text not null,
            created_at text not null,
            primary key (run_id, sample, voter_id)
        ) without rowid
    """)


def m008_quotas(db: Database) -> None:
    db.execute("create index replies_asker on replies (asker_id, created_at) where asker_id is not null")


def m010_members(db: Database) -> None:
    db.execute("create table introductions (user_id integer primary key, created_at text not null)")
    # Which replies a run saw, as spans of their numbers.
    db.execute("""
        create table run_replies (
            run_id text not null references runs (id) on delete cascade,
            first_id integer not null,
            last_id integer not null,
            primary key (run_id, first_id)
        ) without rowid
    """)
    db.execute("create index replies_redacted on replies (id) where redacted = 1")
    db.execute("create index reviews_reviewer on reviews (reviewer_id) where reviewer_id is not null")
    # The bot's answer to somebody, shown in a later conversation, may quote them: their consent is needed there too.
    db.execute("""
        insert or ignore into reply_authors (reply_id, user_id)
        select replies.id, shown.asker_id
        from replies, json_each(replies.turns) as turn
        join replies as shown on shown.message_id = turn.value ->> 'message_id'
        where replies.source = 'discord' and turn.value ->> 'role' = 'assistant'
            and shown.asker_id is not null and shown.redacted = 0
    """)


def m011_quarantine(db: Database) -> None:
    # words: the content hash of the pair that was judged. state: 'held', 'confirmed' or 'dismissed'.
    db.execute("""
        create table quarantine (
            reply_id integer primary key references replies (id) on delete cascade,
            reason text not null,
            run_id text not null references runs (id) on delete cascade,
            created_at text not null,
            words text not null,
            state text not null,
            decided_by text,
            decided_by_id integer,
            decided_at text
        )
    """)


def m012_replaced_answers(db: Database) -> None:
    # Another answer takes the place of the first in its Discord message: both are replies, the newest stands there.
    db.execute("drop index replies_message")
    db.execute("create index replies_message on replies (message_id) where message_id is not null")


def m013_servers_that_teach(db: Database) -> None:
    # The first server that the bot joined, for good: its pairs are learned from until the operator names others.
    db.execute("""
        create table home_server (
            id integer primary key check (id = 1),
            guild_id integer not null,
            since text not null
        )
    """)
    db.execute("""
        insert into home_server (id, guild_id, since)
        select 1, guild_id, created_at from replies where source = 'discord' and guild_id is not null
        order by id limit 1
    """)
    # run_id may be null: such a pair waits since it was imported on Discord, not since a night.
    db.execute("alter table quarantine rename to former_quarantine")
    db.execute("""
        create table quarantine (
            reply_id integer primary key references replies (id) on delete cascade,
            reason text not null,
            run_id text references runs (id) on delete cascade,
            created_at text not null,
            words text not null,
            state text not null,
            decided_by text,
            decided_by_id integer,
            decided_at text
        )
    """)
    db.execute("insert into quarantine select * from former_quarantine")
    db.execute("drop table former_quarantine")
    # What was imported on Discord before waits for a second moderator too, and never shares a conversation with others.
    db.execute("""
        insert or ignore into quarantine (reply_id, reason, run_id, created_at, words, state)
        select id, 'It was imported on Discord, and a second moderator has not looked at it yet.', null, created_at,
            content_hash, 'held'
        from replies where source = 'import' and guild_id is not null and content_hash is not null
    """)
    db.execute("""
        update replies set conversation = 'import:' || guild_id || substr(conversation, 7)
        where source = 'import' and guild_id is not null
    """)


def m014_messages_of_answers(db: Database) -> None:
    # Every Discord message in which a reply stands or stood; `replies.message_id` is the first.
    db.execute("""
        create table answer_messages (
            message_id integer not null,
            reply_id integer not null references replies (id) on delete cascade,
            primary key (message_id, reply_id)
        ) without rowid
    """)
    db.execute("create index answer_messages_reply on answer_messages (reply_id)")
    db.execute("""
        insert or ignore into answer_messages (message_id, reply_id)
        select message_id, id from replies where message_id is not null
        union select message.value, reply_id from holds, json_each(holds.message_ids) as message
    """)
    # authors_known from here on: and every turn of the bot's is known to answer somebody.
    db.execute("""
        update replies set authors_known = 0
        where source = 'discord' and authors_known and exists (
            select 1 from json_each(replies.turns) as turn
            where turn.value ->> 'role' = 'assistant' and coalesce((
                select min(shown.asker_id is not null and shown.redacted = 0)
                from answer_messages join replies as shown on shown.id = answer_messages.reply_id
                where answer_messages.message_id = turn.value ->> 'message_id'
            ), 0) = 0
        )
    """)


def m015_words_said_here(db: Database) -> None:
    # Keyed hashes of what was said on Discord (said = 1) or first came in a file (0), to know it again in a file.
    db.execute("create table said_words (hash blob primary key, said integer not null) without rowid")
    # complete: what is stored has its hashes; a database with replies from before gets them when it is opened.
    db.execute("""
        create table said_words_key (
            id integer primary key check (id = 1),
            key blob not null,
            complete integer not null
        )
    """)
    db.execute("""
        insert into said_words_key (id, key, complete)
        values (1, randomblob(32), not exists (select 1 from replies))
    """)


def m016_removed_words(db: Database) -> None:
    # A removal whose traces in the file are still to be overwritten.
    db.execute("create table erasures (id integer primary key autoincrement, requested_at text not null)")
    # Of whom nothing said before this Discord message is stored again. person: a keyed hash, by the one key below.
    db.execute("create table forgettings (person text primary key, before integer not null) without rowid")
    db.execute("create table forgetting_key (id integer primary key check (id = 1), key blob not null)")
    db.execute("insert into forgetting_key (id, key) values (1, randomblob(32))")
    # redacted is a sum from here on: 1, words were withdrawn; 2, all words were let go in time.
    db.execute("drop index replies_redacted")
    db.execute("create index replies_redacted on replies (id) where redacted <> 0")


def m017_posts(db: Database) -> None:
    # Messages of the bot that show stored words. kind: 'card', 'question', 'report' or 'answer'. due: to be blanked.
    db.execute("""
        create table posts (
            message_id integer primary key,
            guild_id integer,
            channel_id integer not null,
            kind text not null,
            reply_id integer,
            run_id text,
            sample integer,
            due integer not null default 0
        )
    """)
    db.execute("create index posts_reply on posts (reply_id) where reply_id is not null")
    db.execute("create index posts_run on posts (run_id) where run_id is not null")
    db.execute("create index posts_due on posts (message_id) where due = 1")


def m018_threads(db: Database) -> None:
    # Which channel a thread belongs to whose words are stored: once the channel is gone, Discord tells no more.
    db.execute("create table threads (thread_id integer primary key, parent_id integer not null)")
    db.execute("create index threads_parent on threads (parent_id)")


def m019_outbox(db: Database) -> None:
    # autoincrement: a row that takes another's place must not get its number.
    db.execute("""
        create table outbox (
            id integer primary key autoincrement,
            reply_id integer not null references replies (id) on delete cascade,
            kind text not null,
            details text not null,
            error text,
            created_at text not null,
            unique (reply_id, kind)
        )
    """)


def m020_growing(db: Database) -> None:
    # message_ids: JSON.
    db.execute("""
        create table growing (
            question_id integer primary key,
            channel_id integer not null,
            message_ids text not null
        )
    """)


def m022_places(db: Database) -> None:
    # Where on a server something was said, to ask of each place who may read it. The queue goes by number instead.
    db.execute(
        "create index replies_places on replies (guild_id, channel_id) "
        "where channel_id is not null and source <> 'import'"
    )


def m023_private_threads(db: Database) -> None:
    # Whether a thread is private; null where it was kept before and nobody knows.
    db.execute("alter table threads add column private integer")


def m024_bot_state(db: Database) -> None:
    # What the bot remembers about itself, such as which commands it uploaded.
    db.execute("create table bot_state (name text primary key, value text not null) without rowid")


def m025_standing_verdicts(db: Database) -> None:
    # The verdict that stands, kept by the database itself: null while a reply waits. So a queue of any length is read
    # from an index, where each reply's latest review had to be looked up before.
    db.execute("alter table replies add column standing text")
    db.execute("""
        update replies set standing = (
            select nullif(verdict, 'undo') from reviews where reviews.reply_id = replies.id
            order by reviews.id desc limit 1
        )
    """)
    db.execute("""
        create trigger reviews_added after insert on reviews begin
            update replies set standing = nullif(new.verdict, 'undo') where id = new.reply_id;
        end
    """)
    db.execute("""
        create trigger reviews_removed after delete on reviews begin
            update replies set standing = (
                select nullif(verdict, 'undo') from reviews where reviews.reply_id = old.reply_id
                order by reviews.id desc limit 1
            ) where id = old.reply_id;
        end
    """)
    waiting = "source <> 'import' and redacted = 0 and standing is null"
    db.execute(f"create index replies_waiting on replies (guild_id, id) where {waiting}")
    db.execute(f"""
        create index replies_unsure on replies (
            guild_id,
            (case finish_reason when 'stop' then coalesce(confidence, 2.0) else coalesce(confidence, 0.0) - 1.0 end), id
        ) where {waiting}
    """)
    db.execute("create index replies_judged on replies (standing) where redacted = 0 and standing is not null")
    db.execute("create index replies_channel on replies (channel_id) where channel_id is not null")
    db.execute("drop index replies_said")  # the queue of all servers, which `replies_waiting` serves


def m026_reported_runs(db: Database) -> None:
    # When people were told how a run ended. What was over before this column came is not told again.
    db.execute("alter table runs add column reported_at text")
    db.execute("update runs set reported_at = coalesce(finished_at, started_at) where outcome is not null")


def m028_reply_numbers(db: Database) -> None:
    # A number is given once: an old card's button must never act on a later reply.
    db.execute("""
        create trigger replies_deleted after delete on replies begin
            insert into bot_state (name, value) values ('last_reply', old.id) on conflict (name)
            do update set value = max(cast(value as integer), old.id);
        end
    """)


def m030_origins(db: Database) -> None:
    # Each turn says where its words came from, and each reply what its prompt is made of, as a sum: 1 a message in a
    # channel, 2 a direct message, 4 a Discord conversation that another program saved, 8 a slash command or form, 16 a
    # file, 32 a moderator's wording, 64 the bot. What nobody knows counts as a message. Of what is stored already: only
    # an answer to /ask holds its question in the message that holds the answer, and a turn of an import that names its
    # author was said on Discord.
    db.execute("alter table replies add column origins integer not null default 1")
    done = 0
    while rows := db.execute(
        "select id, source, guild_id, turns from replies where id > ? order by id limit 500", [done]
    ).fetchall():
        for reply_id, source, guild_id, text in rows:
            turns, bits = json.loads(text), 16 if source == "import" else 0
            for turn in turns:
                shown = [
                    row[0]
                    for row in db.execute(
                        """
                        select replies.origins | 32 * exists (
                            select 1 from reviews where reply_id = replies.id and verdict = 'edit')
                        from answer_messages join replies on replies.id = answer_messages.reply_id
                        where answer_messages.message_id = ? and (replies.id < ? or ? <> 'assistant')
                        """,
                        [turn.get("message_id"), reply_id, turn["role"]],
                    )
                ]
                if source != "discord":
                    origin, bit = ("discord_export", 4) if "author_id" in turn else ("import", 16)
                elif turn["role"] == "assistant":
                    origin, bit = "bot", 64
                    for one in shown or [1]:
                        bit |= one
                elif turn["role"] == "system" or shown:
                    origin, bit = "command", 8
                else:
                    origin, bit = ("direct_message", 2) if guild_id is None else ("message", 1)
                turn["origin"], bits = origin, bits | bit
            db.execute(
                "update replies set turns = ?, origins = ? where id = ?",
                [json.dumps(turns, ensure_ascii=False, separators=(",", ":")), bits, reply_id],
            )
        done = rows[-1][0]


def m040_reasons_of_runs(db: Database) -> None:
    # Why a run ended as it did, as codes with values (JSON): each reader is told in their own language.
    db.execute("alter table runs add column why text")


def m041_candidates(db: Database) -> None:
    # Adapters that were kept out for lack of certainty, and which pairs were counted for or against each.
    db.execute("""
        create table candidates (
            adapter text primary key references adapters (id) on delete cascade,
            rival text,
            wealth text not null,
            pairs integer not null,
            created_at text not null
        )
    """)
    db.execute("""
        create table candidate_pairs (
            adapter text not null references candidates (adapter) on delete cascade,
            reply_id integer not null references replies (id) on delete cascade,
            primary key (adapter, reply_id)
        ) without rowid
    """)
    db.execute("create index candidate_pairs_reply on candidate_pairs (reply_id)")


def m045_undoings(db: Database) -> None:
    # Verdicts of one moderator that were taken back together, with what was added for each, so that it can be reversed.
    db.execute("""
        create table undoings (
            id integer primary key,
            moderator_id integer not null,
            guild_id integer,
            since text not null,
            actor text not null,
            created_at text not null,
            reversed_at text
        )
    """)
    db.execute("""
        create table undone_reviews (
            undoing_id integer not null references undoings (id) on delete cascade,
            reply_id integer not null references replies (id) on delete cascade,
            review_id integer not null references reviews (id) on delete cascade,
            placed_id integer not null references reviews (id) on delete cascade,
            primary key (undoing_id, reply_id)
        )
    """)
    db.execute("create index undone_reviews_reply on undone_reviews (reply_id)")
    db.execute("create index undone_reviews_review on undone_reviews (review_id)")
    db.execute("create index undone_reviews_placed on undone_reviews (placed_id)")
    db.execute("""
        create table undone_decisions (
            undoing_id integer not null references undoings (id) on delete cascade,
            reply_id integer not null references replies (id) on delete cascade,
            words text not null,
            state text not null,
            decided_by text,
            decided_by_id integer,
            decided_at text,
            primary key (undoing_id, reply_id)
        )
    """)
    db.execute("create index undone_decisions_reply on undone_decisions (reply_id)")


def m050_recall(db: Database) -> None:
    # Documents of a server. channel_id: who reads this channel may be shown it; null: everybody on the server.
    db.execute("""
        create table documents (
            id integer primary key autoincrement,
            guild_id integer not null,
            title text not null,
            kind text not null,
            url text,
            channel_id integer,
            message_id integer,
            added_by text not null,
            added_by_id integer,
            created_at text not null,
            updated_at text not null
        )
    """)
    db.execute("create index documents_guild on documents (guild_id)")
    # What can be found: the question of an approved reply, or a chunk of a document. guild_id 0: of no server. Direct
    # messages are never found.
    # message_id, author_id: of the Discord message whose words a chunk holds. autoincrement: no number names two.
    db.execute("""
        create table recall_entries (
            id integer primary key autoincrement,
            guild_id integer not null,
            reply_id integer unique references replies (id) on delete cascade,
            document_id integer references documents (id) on delete cascade,
            position integer not null default 0,
            heading text not null default '',
            text text not null,
            message_id integer,
            author_id integer
        )
    """)
    db.execute("create index recall_entries_document on recall_entries (document_id) where document_id is not null")
    db.execute("create index recall_entries_message on recall_entries (message_id) where message_id is not null")
    db.execute("create index recall_entries_author on recall_entries (author_id) where author_id is not null")
    db.execute("""
        create virtual table recall_words using fts5 (
            heading, text, content = 'recall_entries', content_rowid = 'id',
            tokenize = 'porter unicode61 remove_diacritics 2'
        )
    """)
    # Of unit length, in float16; bot_state says which model made them.
    db.execute("""
        create table recall_vectors (
            entry_id integer primary key references recall_entries (id) on delete cascade,
            guild_id integer not null,
            documents integer not null,
            vector blob not null
        )
    """)
    db.execute("create index recall_vectors_of on recall_vectors (guild_id, documents, entry_id)")
    # How often the vectors of a server changed, so that what holds them in memory looks again.
    db.execute("""
        create table recall_versions (
            guild_id integer not null,
            documents integer not null,
            version integer not null,
            primary key (guild_id, documents)
        ) without rowid
    """)
    # What is to be done: replies without an entry, entries without a vector.
    db.execute("create table recall_due (reply_id integer primary key references replies (id) on delete cascade)")
    db.execute("""
        create table recall_unembedded (
            entry_id integer primary key references recall_entries (id) on delete cascade
        )
    """)
    db.execute("""
        create trigger recall_entries_added after insert on recall_entries begin
            insert into recall_words (rowid, heading, text) values (new.id, new.heading, new.text);
            insert into recall_unembedded (entry_id) values (new.id);
        end
    """)
    db.execute("""
        create trigger recall_entries_removed after delete on recall_entries begin
            insert into recall_words (recall_words, rowid, heading, text)
            values ('delete', old.id, old.heading, old.text);
        end
    """)
    for event, row in (("insert", "new"), ("delete", "old")):
        # Two pairs of SQL's own words.
        db.execute(f"""
            create trigger recall_vectors_{event} after {event} on recall_vectors begin
                insert into recall_versions (guild_id, documents, version) values ({row}.guild_id, {row}.documents, 1)
                on conflict (guild_id, documents) do update set version = version + 1;
            end
        """)  # noqa: S608
    # An approval makes an entry due; whatever ends it takes the entry away at once.
    db.execute("""
        create trigger replies_recalled after update of standing on replies
        when new.standing in ('approve', 'edit') and new.redacted = 0
            and (new.source <> 'discord' or new.guild_id is not null) begin
            insert or ignore into recall_due (reply_id) values (new.id);
        end
    """)
    db.execute("""
        create trigger replies_not_recalled after update of standing, redacted on replies
        when new.redacted <> 0 or coalesce(new.standing, '') not in ('approve', 'edit') begin
            delete from recall_entries where reply_id = new.id;
            delete from recall_due where reply_id = new.id;
        end
    """)
    db.execute("""
        insert into recall_due (reply_id)
        select id from replies where standing in ('approve', 'edit') and redacted = 0
            and (source <> 'discord' or guild_id is not null)
    """)


def m051_recalled(db: Database) -> None:
    # What was shown with the prompt of a reply: another reply as an example, or an entry of a document. No words.
    # Their numbers stay when those are gone: an answer may still repeat what it was shown.
    db.execute("""
        create table recalled (
            reply_id integer not null references replies (id) on delete cascade,
            position integer not null,
            example_id integer,
            entry_id integer,
            score real not null,
            tokens integer not null,
            primary key (reply_id, position)
        ) without rowid
    """)
    db.execute("create index recalled_example on recalled (example_id) where example_id is not null")
    db.execute("create index recalled_entry on recalled (entry_id) where entry_id is not null")


def m052_answerability(db: Database) -> None:
    # best: the score of what fitted a question best, shown or not. handed_over: the moderators were asked instead.
    db.execute("""
        create table answerability (
            reply_id integer primary key references replies (id) on delete cascade,
            best real not null,
            handed_over integer not null
        )
    """)


def m056_answers_in_documents(db: Database) -> None:
    # Whom the message of the bot's answered that a chunk holds. Its reply may be deleted before the chunk is.
    db.execute("""
        create table recall_askers (
            entry_id integer not null references recall_entries (id) on delete cascade,
            user_id integer not null,
            primary key (entry_id, user_id)
        ) without rowid
    """)
    db.execute("create index recall_askers_user on recall_askers (user_id)")
    db.execute("""
        insert or ignore into recall_askers (entry_id, user_id)
        select recall_entries.id, asker_id from recall_entries
        join answer_messages on answer_messages.message_id = recall_entries.message_id
        join replies on replies.id = answer_messages.reply_id where asker_id is not null
    """)
    # What was shown with a reply's prompt counts as m030 and m014 say: also the bot's words, and whom it answered.
    for (reply_id,) in db.execute("select distinct reply_id from recalled order by reply_id").fetchall():
        db.execute(
            """
            insert or ignore into reply_authors (reply_id, user_id)
            select ?1, user_id from recalled join reply_authors on reply_authors.reply_id = recalled.example_id
            where recalled.reply_id = ?1
            union select ?1, user_id from recalled join recall_askers on recall_askers.entry_id = recalled.entry_id
            where recalled.reply_id = ?1
            """,
            [reply_id],
        )
        db.execute(
            """
            update replies set authors_known = 0 where id = ?1 and (exists (
                select 1 from recalled join replies as shown on shown.id = recalled.example_id
                where recalled.reply_id = ?1 and shown.source = 'discord' and not shown.authors_known
            ) or exists (
                select 1 from recalled join recall_entries on recall_entries.id = recalled.entry_id
                where recalled.reply_id = ?1 and recall_entries.message_id is not null and author_id is null
                    and not exists (select 1 from recall_askers where recall_askers.entry_id = recall_entries.id)
            ))
            """,
            [reply_id],
        )
        for (bits,) in db.execute(
            """
            select shown.origins | iif(shown.standing = 'edit', 32, iif(shown.source = 'import', 0, 64))
            from recalled join replies as shown on shown.id = recalled.example_id where recalled.reply_id = ?1
            union all
            select 65 from recalled join recall_entries on recall_entries.id = recalled.entry_id
            where recalled.reply_id = ?1 and recall_entries.message_id is not null and author_id is null
            """,
            [reply_id],
        ).fetchall():
            db.execute("update replies set origins = origins | ? where id = ?", [bits, reply_id])


def m057_gains_of_candidates(db: Database) -> None:
    # The sum of the gains on the counted pairs, uncut; of pairs counted before this step nobody knows it any more.
    db.execute("alter table candidates add column gain real not null default 0")


def m058_voices(db: Database) -> None:
    # guild_id: the server whose voice it is; null: the one voice of all servers.
    for table in ("runs", "adapters", "promotions"):
        db.execute(f"alter table {table} add column guild_id integer")
        db.execute(f"create index {table}_guild on {table} (guild_id) where guild_id is not null")
    # Two servers may import the same words. Where all share one voice, the import itself looks for them everywhere.
    db.execute("drop index replies_imported")
    db.execute("""
        create unique index replies_imported on replies (content_hash, coalesce(guild_id, 0)) where source = 'import'
    """)


def m059_moments_of_snapshots(db: Database) -> None:
    # When a run's snapshot was taken: a verdict that was given after its start may be in it.
    db.execute("alter table runs add column snapshot_at text")


def m060_leases(db: Database) -> None:
    # renewed_s: seconds of the machine's monotonic clock.
    db.execute("create table leases (name text primary key, holder text not null, renewed_s real not null)")


def m061_servers_of_unfinished_answers(db: Database) -> None:
    # null: a direct message. Which process cleans up after a crash depends on it.
    db.execute("alter table growing add column guild_id integer")


def m062_left_servers(db: Database) -> None:
    # Servers that the bot is no longer on. What is kept of them is deleted after a while, unless it returns.
    db.execute("create table left_servers (guild_id integer primary key, left_at text not null)")


def m063_joined_servers(db: Database) -> None:
    # On which servers each bot (an application on Discord) was seen. No other bot can tell that it has left one.
    db.execute("""
        create table joined_servers (
            guild_id integer not null, application_id integer not null, primary key (guild_id, application_id)
        ) without rowid
    """)


STEPS: tuple[Callable[[Database], None], ...] = (
    m001_replies_and_reviews,
    m002_people_in_replies,
    m003_runs,
    m004_adapters_and_promotions,
    m005_audit,
    m006_guild_settings,
    m007_moderation,
    m008_quotas,
    m010_members,
    m011_quarantine,
    m012_replaced_answers,
    m013_servers_that_teach,
    m014_messages_of_answers,
    m015_words_said_here,
    m016_removed_words,
    m017_posts,
    m018_threads,
    m019_outbox,
    m020_growing,
    m022_places,
    m023_private_threads,
    m024_bot_state,
    m025_standing_verdicts,
    m026_reported_runs,
    m028_reply_numbers,
    m030_origins,
    m040_reasons_of_runs,
    m041_candidates,
    m045_undoings,
    m050_recall,
    m051_recalled,
    m052_answerability,
    m056_answers_in_documents,
    m057_gains_of_candidates,
    m058_voices,
    m059_moments_of_snapshots,
    m060_leases,
    m061_servers_of_unfinished_answers,
    m062_left_servers,
    m063_joined_servers,
)
