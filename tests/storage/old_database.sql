-- A database as the first step of the schema left it, with rows: what a long-lived home may look like.
begin;
create table _sqlite_migrations (id integer primary key, migration_set text, name text, applied_at text);
create unique index idx__sqlite_migrations_migration_set_name on _sqlite_migrations (migration_set, name);
insert into _sqlite_migrations values (1, 'nightshift', 'm001_replies_and_reviews', '2026-01-01 04:00:00.000000+00:00');
create table replies (
    id integer primary key, source text not null, conversation text not null, turns text not null, text text not null,
    adapter text, base_model text not null, guild_id integer, channel_id integer, message_id integer, asker_id integer,
    prompt_message_id integer, finish_reason text not null, created_at text not null,
    redacted integer not null default 0, authors_known integer not null, content_hash text
);
create unique index replies_message on replies (message_id) where message_id is not null;
create index replies_content on replies (content_hash) where content_hash is not null;
create unique index replies_imported on replies (content_hash) where source = 'import';
create index replies_said on replies (id) where source <> 'import';
create table reviews (
    id integer primary key, reply_id integer not null references replies (id) on delete cascade, verdict text not null,
    edited_text text, reason text, reviewer_id integer, reviewer text not null, created_at text not null,
    content_hash text
);
create index reviews_reply on reviews (reply_id);
create index reviews_content on reviews (content_hash) where content_hash is not null;
insert into replies values (1, 'discord', 'discord:7:70',
    '[{"role":"system","content":"Be kind."},{"role":"user","content":"Tea?","author_id":101,"message_id":501},'
    || '{"role":"assistant","content":"Green?","message_id":502},'
    || '{"role":"user","content":"Where?","author_id":102,"message_id":503}]',
    'Second shelf.', null, 'embedded', 1, 7, 504, 102, 503, 'stop', '2026-01-01T03:00:00.000+00:00', 0, 1, 'aa');
insert into replies values (2, 'import', 'import:0123456789abcdef', '[{"role":"user","content":"Hi"}]', 'Hello.',
    null, '', null, null, null, null, null, 'stop', '2026-01-01T03:00:01.000+00:00', 0, 1, 'bb');
insert into reviews values (1, 1, 'edit', 'Third shelf.', null, 9, 'mod', '2026-01-01T03:10:00.000+00:00', 'cc');
insert into reviews values (2, 2, 'approve', null, null, null, 'import', '2026-01-01T03:10:01.000+00:00', null);
commit;
