-- What: feeds and calendars that are asked at intervals, and what of them was seen already.
-- Why:  each new item becomes one notice, once for ever (docs/notices.md).
-- Cost: none. Old processes may run beside it: they do not ask.

CREATE TABLE notice_sources (
	source_id bigint GENERATED ALWAYS AS IDENTITY,
	sender text NOT NULL,
	targets text NOT NULL,
	url text NOT NULL,
	language text NOT NULL,
	every_ms bigint NOT NULL,
	days_before bigint NOT NULL,
	at_time text NOT NULL,
	created_at_ms bigint NOT NULL,
	next_at_ms bigint NOT NULL,
	is_primed boolean NOT NULL,
	title text NOT NULL,
	etag text,
	modified text,
	body bytea,
	asked_at_ms bigint,
	failures bigint NOT NULL,
	problem text,
	CONSTRAINT notice_sources_pkey PRIMARY KEY (source_id),
	CONSTRAINT notice_sources_sender_fkey FOREIGN KEY (sender) REFERENCES notice_senders (user_id)
);
CREATE INDEX notice_sources_next_idx ON notice_sources (next_at_ms);
COMMENT ON TABLE notice_sources IS 'Feeds and calendars whose items become notices';
COMMENT ON COLUMN notice_sources.source_id IS 'number';
COMMENT ON COLUMN notice_sources.sender IS 'in whose name';
COMMENT ON COLUMN notice_sources.targets IS 'rooms, aliases and spaces, with spaces between them';
COMMENT ON COLUMN notice_sources.url IS 'http or https';
COMMENT ON COLUMN notice_sources.language IS 'of its texts; empty: not said';
COMMENT ON COLUMN notice_sources.every_ms IS 'pause between two times that it is asked';
COMMENT ON COLUMN notice_sources.days_before IS 'of a calendar: how many days before an event it is announced';
COMMENT ON COLUMN notice_sources.at_time IS 'of a calendar: at what time of that day, such as 07:00';
COMMENT ON COLUMN notice_sources.created_at_ms IS 'when it was added';
COMMENT ON COLUMN notice_sources.next_at_ms IS 'when it is asked next, or something of its calendar is to be announced';
COMMENT ON COLUMN notice_sources.is_primed IS 'whether what was there at first was noted; before nothing is posted';
COMMENT ON COLUMN notice_sources.title IS 'what it calls itself; empty: nothing yet';
COMMENT ON COLUMN notice_sources.etag IS 'of the answer that was taken last';
COMMENT ON COLUMN notice_sources.modified IS 'Last-Modified of that answer';
COMMENT ON COLUMN notice_sources.body IS 'the calendar as it was then; null: a feed, or nothing yet';
COMMENT ON COLUMN notice_sources.asked_at_ms IS 'when it answered last';
COMMENT ON COLUMN notice_sources.failures IS 'how often in a row it could not be asked or read';
COMMENT ON COLUMN notice_sources.problem IS 'why it could not the last time, or what of it cannot be read; null: nothing is wrong';

CREATE TABLE notice_source_items (
	source_id bigint NOT NULL,
	item_key text NOT NULL,
	version text NOT NULL,
	is_posted boolean NOT NULL,
	title text NOT NULL,
	starts_at_ms bigint,
	seen_at_ms bigint NOT NULL,
	CONSTRAINT notice_source_items_pkey PRIMARY KEY (source_id, item_key),
	CONSTRAINT notice_source_items_source_fkey FOREIGN KEY (source_id) REFERENCES notice_sources (source_id) ON DELETE CASCADE
);
CREATE INDEX notice_source_items_coming_idx ON notice_source_items (source_id, starts_at_ms) WHERE starts_at_ms IS NOT NULL;
COMMENT ON TABLE notice_source_items IS 'Items of sources that are known: none of them is posted again';
COMMENT ON COLUMN notice_source_items.source_id IS 'source';
COMMENT ON COLUMN notice_source_items.item_key IS 'SHA-256 of what the source calls it, in Base64';
COMMENT ON COLUMN notice_source_items.version IS 'SHA-256, in Base64, of what people were told of an event: when, where, cancelled or not; empty for items of feeds';
COMMENT ON COLUMN notice_source_items.is_posted IS 'whether it became a notice, in the same transaction; else it was there before the source was';
COMMENT ON COLUMN notice_source_items.title IS 'of an event, for when it vanishes; else empty';
COMMENT ON COLUMN notice_source_items.starts_at_ms IS 'of an event that people were told of, and that is not cancelled';
COMMENT ON COLUMN notice_source_items.seen_at_ms IS 'when it was seen, or posted last';
