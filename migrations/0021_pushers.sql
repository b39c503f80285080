-- What: pushers and what waits to be delivered to them; receipts by stream position.
-- Why:  a notification is stored with the consumer's position, so it is neither lost in a crash nor made twice.
-- Cost: builds an index over receipts (one entry for each user and thread that was read). Old processes may run beside it.

CREATE TABLE pushers (
	pusher_nid bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
	user_id text NOT NULL,
	app_id text NOT NULL,
	pushkey text NOT NULL,
	kind text NOT NULL,
	app_display_name text NOT NULL,
	device_display_name text NOT NULL,
	profile_tag text,
	lang text NOT NULL,
	data text NOT NULL,
	device_id text,
	set_at_ms bigint NOT NULL,
	since_position bigint NOT NULL,
	badge bigint NOT NULL DEFAULT -1,
	next_try_ms bigint,
	failures bigint NOT NULL DEFAULT 0,
	failing_since_ms bigint NOT NULL DEFAULT 0,
	CONSTRAINT pushers_pkey PRIMARY KEY (pusher_nid),
	CONSTRAINT pushers_pushkey_key UNIQUE (app_id, pushkey, user_id),
	CONSTRAINT pushers_kind_known CHECK (kind IN ('http')),
	CONSTRAINT pushers_user_fkey FOREIGN KEY (user_id) REFERENCES accounts (user_id) ON DELETE CASCADE,
	CONSTRAINT pushers_device_fkey FOREIGN KEY (user_id, device_id)
		REFERENCES devices (user_id, device_id) ON DELETE CASCADE
);
CREATE INDEX pushers_device_idx ON pushers (user_id, device_id);
CREATE INDEX pushers_due_idx ON pushers (next_try_ms) WHERE next_try_ms IS NOT NULL;
COMMENT ON TABLE pushers IS 'Where users want to be notified outside of their clients'' syncs';
COMMENT ON COLUMN pushers.pusher_nid IS 'number';
COMMENT ON COLUMN pushers.user_id IS 'whose';
COMMENT ON COLUMN pushers.app_id IS 'the application''s id';
COMMENT ON COLUMN pushers.pushkey IS 'the device''s address at its provider';
COMMENT ON COLUMN pushers.kind IS 'http';
COMMENT ON COLUMN pushers.app_display_name IS 'as given';
COMMENT ON COLUMN pushers.device_display_name IS 'as given';
COMMENT ON COLUMN pushers.profile_tag IS 'as given';
COMMENT ON COLUMN pushers.lang IS 'language of texts, as given';
COMMENT ON COLUMN pushers.data IS 'JSON object as given';
COMMENT ON COLUMN pushers.device_id IS 'device that made it, with which it ends; NULL: an application service without one';
COMMENT ON COLUMN pushers.set_at_ms IS 'when it was last set';
COMMENT ON COLUMN pushers.since_position IS 'stream position when it was made: what is older it is not told';
COMMENT ON COLUMN pushers.badge IS 'count of unread messages that was told last; -1: none yet';
COMMENT ON COLUMN pushers.next_try_ms IS 'something waits, and is not sent before this; NULL: nothing waits';
COMMENT ON COLUMN pushers.failures IS 'attempts that failed in a row';
COMMENT ON COLUMN pushers.failing_since_ms IS 'the first of them; 0: none';

CREATE TABLE push_queue (
	pusher_nid bigint NOT NULL,
	position bigint NOT NULL,
	room_nid bigint NOT NULL,
	tweaks text,
	CONSTRAINT push_queue_pkey PRIMARY KEY (pusher_nid, position),
	CONSTRAINT push_queue_pusher_fkey FOREIGN KEY (pusher_nid) REFERENCES pushers (pusher_nid) ON DELETE CASCADE
);
COMMENT ON TABLE push_queue IS 'Notifications that wait for their delivery, in order of position';
COMMENT ON COLUMN push_queue.pusher_nid IS 'to whom';
COMMENT ON COLUMN push_queue.position IS 'of the event, or of the receipt that changed the counts';
COMMENT ON COLUMN push_queue.room_nid IS 'room of the event; 0: only the counts have changed';
COMMENT ON COLUMN push_queue.tweaks IS 'JSON object';

CREATE INDEX receipts_stream_idx ON receipts (position);
