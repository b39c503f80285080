-- What: who may command a sender by message, and messages to senders that nobody has looked at yet.
-- Why:  offices post from their clients; no command is run twice or lost, whatever processes end meanwhile (docs/notices.md).
-- Cost: the new index is empty for notices of today. Old processes may run beside it: they leave messages to senders alone.

CREATE TABLE notice_managers (
	sender text NOT NULL,
	user_id text NOT NULL,
	CONSTRAINT notice_managers_pkey PRIMARY KEY (sender, user_id),
	CONSTRAINT notice_managers_sender_fkey FOREIGN KEY (sender) REFERENCES notice_senders (user_id)
);
COMMENT ON TABLE notice_managers IS 'Who may command a sender by message, beside the server''s administrators';
COMMENT ON COLUMN notice_managers.sender IS 'sender';
COMMENT ON COLUMN notice_managers.user_id IS 'person';

CREATE TABLE notice_commands (
	event_id text NOT NULL,
	sender text NOT NULL,
	room_id text NOT NULL,
	user_id text NOT NULL,
	kind text NOT NULL,
	queued_at_ms bigint NOT NULL,
	next_try_ms bigint NOT NULL,
	CONSTRAINT notice_commands_pkey PRIMARY KEY (event_id, sender),
	CONSTRAINT notice_commands_kind_check CHECK (kind IN ('message', 'invite'))
);
CREATE INDEX notice_commands_waiting_idx ON notice_commands (next_try_ms);
COMMENT ON TABLE notice_commands IS 'Messages in direct rooms with senders, and invitations of senders, that are to be looked at';
COMMENT ON COLUMN notice_commands.event_id IS 'message or invitation';
COMMENT ON COLUMN notice_commands.sender IS 'sender to whom it goes';
COMMENT ON COLUMN notice_commands.room_id IS 'room';
COMMENT ON COLUMN notice_commands.user_id IS 'who has written or invited';
COMMENT ON COLUMN notice_commands.kind IS 'message or invite';
COMMENT ON COLUMN notice_commands.queued_at_ms IS 'when it was taken from the stream';
COMMENT ON COLUMN notice_commands.next_try_ms IS 'when it is to be looked at';

CREATE UNIQUE INDEX notices_command_key ON notices (sender, request_key) WHERE token_id IS NULL;
