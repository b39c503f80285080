-- What: the index of searchable texts.
-- Why:  POST /search; filled by a stream consumer, so the send path does nothing for it.
-- Cost: none by itself; the consumer then reads all events once, some ten thousand a second.
-- Old processes may run beside it.

CREATE TABLE search_texts (
	room_nid bigint NOT NULL,
	position bigint NOT NULL,
	target_position bigint NOT NULL,
	superseded_at bigint,
	key smallint NOT NULL,
	sender text NOT NULL,
	origin_server_ts bigint NOT NULL,
	has_url boolean NOT NULL,
	terms tsvector NOT NULL,
	CONSTRAINT search_texts_pkey PRIMARY KEY (room_nid, position)
);
CREATE INDEX search_texts_target_idx ON search_texts (room_nid, target_position);
CREATE INDEX search_texts_terms_idx ON search_texts USING gin (terms) WITH (gin_pending_list_limit = 256);
COMMENT ON TABLE search_texts IS 'Terms of the texts that can be searched: one row for each event, and for each edit';
COMMENT ON COLUMN search_texts.room_nid IS 'room; also a term of its own (r…), so that one look-up takes both';
COMMENT ON COLUMN search_texts.position IS 'of the event with the text';
COMMENT ON COLUMN search_texts.target_position IS 'of the event that is found: of an edit, what it edits; else position';
COMMENT ON COLUMN search_texts.superseded_at IS 'position of the next edit of the same event: the text holds before it; NULL: it is the newest';
COMMENT ON COLUMN search_texts.key IS '1 content.body, 2 content.name, 3 content.topic';
COMMENT ON COLUMN search_texts.sender IS 'user id';
COMMENT ON COLUMN search_texts.origin_server_ts IS 'milliseconds, of the event that is found';
COMMENT ON COLUMN search_texts.has_url IS 'the content has a url';
COMMENT ON COLUMN search_texts.terms IS 'terms with their places in the text (base/terms.h)';
