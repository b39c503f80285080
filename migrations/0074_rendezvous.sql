-- What: sessions by which two devices of a person meet when one signs the other in by a QR code (MSC4108, version of 2024).
-- Why:  anybody may begin one, and each of its requests may come to another process.
-- How:  a session has one of 4,096 slots, which are given out in turn: a new one takes the place of the oldest, so the table cannot grow, whoever
--       fills it. Unlogged: after a crash or on a standby it is empty, and people show a new QR code; in return no request flushes anything.
-- Cost: none on an existing database. Old processes may run beside it: they do not know the endpoints (404).

CREATE SEQUENCE rendezvous_slots AS integer MAXVALUE 4096 CYCLE;
COMMENT ON SEQUENCE rendezvous_slots IS 'whose place the next session takes';

CREATE UNLOGGED TABLE rendezvous_sessions (
	slot integer NOT NULL,
	id_hash bytea NOT NULL,
	etag text NOT NULL,
	payload bytea NOT NULL,
	modified_ms bigint NOT NULL,
	expires_ms bigint NOT NULL,
	CONSTRAINT rendezvous_sessions_pkey PRIMARY KEY (slot)
);
CREATE UNIQUE INDEX rendezvous_sessions_id_idx ON rendezvous_sessions (id_hash);
COMMENT ON TABLE rendezvous_sessions IS 'Where two devices leave messages for each other while one signs the other in';
COMMENT ON COLUMN rendezvous_sessions.slot IS 'of rendezvous_slots';
COMMENT ON COLUMN rendezvous_sessions.id_hash IS 'SHA-256 of the id in the session''s address';
COMMENT ON COLUMN rendezvous_sessions.etag IS 'of this payload: drawn anew with each, without its quotes';
COMMENT ON COLUMN rendezvous_sessions.payload IS 'the last message of either device, which they encrypt; at most 4 KiB';
COMMENT ON COLUMN rendezvous_sessions.modified_ms IS 'when it was left there';
COMMENT ON COLUMN rendezvous_sessions.expires_ms IS 'when the session ends; no message changes that';
