-- What: which servers are in which rooms since when; other servers as destinations; what waits for them; what they were told of devices.
-- Why:  docs/federation.md, "What goes to others".
-- Cost: none; the first event of each room that was there before costs one pass over its members. Old processes may run beside it.

CREATE TABLE server_stays (
	room_nid bigint NOT NULL,
	server text NOT NULL,
	from_position bigint NOT NULL,
	to_position bigint NOT NULL DEFAULT 9223372036854775807,
	CONSTRAINT server_stays_pkey PRIMARY KEY (room_nid, server, from_position)
);
COMMENT ON TABLE server_stays IS 'Servers with joined users in rooms that this server is in, ours among them, as intervals of positions';
COMMENT ON COLUMN server_stays.room_nid IS 'room';
COMMENT ON COLUMN server_stays.server IS 'server name';
COMMENT ON COLUMN server_stays.from_position IS 'event with which its first user came, or this server did';
COMMENT ON COLUMN server_stays.to_position IS 'event with which its last user went; the largest bigint: it is there';

CREATE TABLE destinations (
	server text NOT NULL,
	failures bigint NOT NULL DEFAULT 0,
	interval_ms bigint NOT NULL DEFAULT 0,
	retry_at_ms bigint NOT NULL DEFAULT 0,
	failing_since_ms bigint NOT NULL DEFAULT 0,
	reached_at_ms bigint NOT NULL DEFAULT 0,
	cause text NOT NULL DEFAULT '',
	open_rooms bigint[] NOT NULL DEFAULT '{}',
	open_positions bigint[] NOT NULL DEFAULT '{}',
	open_edus bigint[] NOT NULL DEFAULT '{}',
	CONSTRAINT destinations_pkey PRIMARY KEY (server)
) WITH (fillfactor = 70);
COMMENT ON TABLE destinations IS 'Servers that were sent transactions';
COMMENT ON COLUMN destinations.server IS 'server name';
COMMENT ON COLUMN destinations.failures IS 'transactions that failed in a row';
COMMENT ON COLUMN destinations.interval_ms IS 'pause after the last failure';
COMMENT ON COLUMN destinations.retry_at_ms IS 'not before; 0: at once';
COMMENT ON COLUMN destinations.failing_since_ms IS 'first failure in the row; 0: none';
COMMENT ON COLUMN destinations.reached_at_ms IS 'when it was last noted that a transaction was taken; 0: never';
COMMENT ON COLUMN destinations.cause IS 'of the last failure, for administrators';
COMMENT ON COLUMN destinations.open_rooms IS 'of the transaction that failed: the rooms of its events, which is sent again first';
COMMENT ON COLUMN destinations.open_positions IS 'positions of these events';
COMMENT ON COLUMN destinations.open_edus IS 'numbers of its stored EDUs';

CREATE TABLE outbox_missed (
	server text NOT NULL,
	room_nid bigint NOT NULL,
	from_position bigint NOT NULL,
	CONSTRAINT outbox_missed_pkey PRIMARY KEY (server, room_nid)
);
COMMENT ON TABLE outbox_missed IS 'Rooms whose events a destination has not got from a position on, whatever came after it';
COMMENT ON COLUMN outbox_missed.server IS 'destination';
COMMENT ON COLUMN outbox_missed.room_nid IS 'room';
COMMENT ON COLUMN outbox_missed.from_position IS 'first position that it missed';

CREATE TABLE outbox_edus (
	edu_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
	server text NOT NULL,
	key text NOT NULL,
	edu_type text NOT NULL,
	content text NOT NULL,
	CONSTRAINT outbox_edus_pkey PRIMARY KEY (server, edu_id),
	CONSTRAINT outbox_edus_key_key UNIQUE (server, key)
);
COMMENT ON TABLE outbox_edus IS 'EDUs that a destination has to get sometime, in order';
COMMENT ON COLUMN outbox_edus.edu_id IS 'number; the order';
COMMENT ON COLUMN outbox_edus.server IS 'destination';
COMMENT ON COLUMN outbox_edus.key IS 'what a newer one takes the place of, or a repeated one is known by';
COMMENT ON COLUMN outbox_edus.edu_type IS 'm.direct_to_device, m.device_list_update, m.signing_key_update';
COMMENT ON COLUMN outbox_edus.content IS 'JSON object; of keys only whose they are: what they are is added when it is sent';

CREATE TABLE outbox_marks (
	event_id text NOT NULL,
	is_sent boolean NOT NULL,
	created_at_ms bigint NOT NULL,
	CONSTRAINT outbox_marks_pkey PRIMARY KEY (event_id)
);
CREATE INDEX outbox_marks_created_idx ON outbox_marks (created_at_ms);
COMMENT ON TABLE outbox_marks IS 'Events that are sent though their sender is not ours, or not sent though it is';
COMMENT ON COLUMN outbox_marks.event_id IS 'Matrix event id';
COMMENT ON COLUMN outbox_marks.is_sent IS 'which of the two';
COMMENT ON COLUMN outbox_marks.created_at_ms IS 'for tidying up';

CREATE TABLE device_list_told (
	user_id text NOT NULL,
	device_id text NOT NULL,
	digest text NOT NULL,
	position bigint NOT NULL,
	CONSTRAINT device_list_told_pkey PRIMARY KEY (user_id, device_id)
);
COMMENT ON TABLE device_list_told IS 'What other servers were last told of local users'' devices; a difference is what is told next';
COMMENT ON COLUMN device_list_told.user_id IS 'whose';
COMMENT ON COLUMN device_list_told.device_id IS 'device; empty: cross-signing keys';
COMMENT ON COLUMN device_list_told.digest IS 'of keys, signatures and name';
COMMENT ON COLUMN device_list_told.position IS 'stream_id of the update';
