-- What: notices that wait for their delivery, and each user's room for them.
-- Why:  the command that sends one works beside a running server, which alone may add to rooms.
-- Cost: none. Old processes may run beside it: they leave the notices waiting.

CREATE TABLE server_notices (
	notice_id bigint GENERATED ALWAYS AS IDENTITY,
	user_id text NOT NULL,
	body text NOT NULL,
	created_at_ms bigint NOT NULL,
	CONSTRAINT server_notices_pkey PRIMARY KEY (notice_id)
);
COMMENT ON TABLE server_notices IS 'Server notices that are not delivered yet';
COMMENT ON COLUMN server_notices.notice_id IS 'number; the order of delivery';
COMMENT ON COLUMN server_notices.user_id IS 'local user who gets it';
COMMENT ON COLUMN server_notices.body IS 'plain text';
COMMENT ON COLUMN server_notices.created_at_ms IS 'when it was written';

CREATE TABLE notice_rooms (
	user_id text NOT NULL,
	room_nid bigint NOT NULL,
	CONSTRAINT notice_rooms_pkey PRIMARY KEY (user_id)
);
COMMENT ON TABLE notice_rooms IS 'The one room in which a user gets server notices';
COMMENT ON COLUMN notice_rooms.user_id IS 'local user';
COMMENT ON COLUMN notice_rooms.room_nid IS 'room';
