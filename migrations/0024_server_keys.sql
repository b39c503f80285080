-- What: signing keys of other servers, and their newest answer about them.
-- Why:  events are checked by keys that their server may not publish any more, or while it is away; a notary hands
--       on what a server said, word for word.
-- Cost: none. Old processes may run beside it: they know nothing of keys.

CREATE TABLE server_keys (
	server_name text NOT NULL,
	key_id text NOT NULL,
	public_key bytea NOT NULL,
	valid_until_ms bigint NOT NULL,
	expired_ms bigint,
	seen_at_ms bigint NOT NULL,
	CONSTRAINT server_keys_pkey PRIMARY KEY (server_name, key_id)
);
COMMENT ON TABLE server_keys IS 'Public signing keys of other servers';
COMMENT ON COLUMN server_keys.server_name IS 'whose';
COMMENT ON COLUMN server_keys.key_id IS 'algorithm and version';
COMMENT ON COLUMN server_keys.public_key IS '32 bytes';
COMMENT ON COLUMN server_keys.valid_until_ms IS 'as a current key: until when; at most 7 days after it was seen';
COMMENT ON COLUMN server_keys.expired_ms IS 'as an old key: when it was given up; NULL: it was not';
COMMENT ON COLUMN server_keys.seen_at_ms IS 'when an answer last held it; of too many the ones seen longest ago go';

CREATE TABLE server_key_answers (
	server_name text NOT NULL,
	answer text NOT NULL,
	valid_until_ms bigint NOT NULL,
	received_at_ms bigint NOT NULL,
	CONSTRAINT server_key_answers_pkey PRIMARY KEY (server_name)
);
COMMENT ON TABLE server_key_answers IS 'The newest answer of each server about its keys, as it was signed';
COMMENT ON COLUMN server_key_answers.server_name IS 'whose';
COMMENT ON COLUMN server_key_answers.answer IS 'JSON text';
COMMENT ON COLUMN server_key_answers.valid_until_ms IS 'until when the answer says that it holds';
COMMENT ON COLUMN server_key_answers.received_at_ms IS 'when it came';
