-- What: reminders of notices, which wait to be sent or were.
-- Why:  the command that asks for them works beside a running server, and asking twice reminds once (docs/notices.md).
-- Cost: none. Old processes may run beside it: they leave reminders waiting, and may forget a transaction id that is still needed.

CREATE TABLE notice_reminders (
	notice_id bigint NOT NULL,
	due_at_ms bigint NOT NULL,
	user_id text NOT NULL,
	room_id text NOT NULL,
	level text NOT NULL,
	asked_at_ms bigint NOT NULL,
	txn_key bytea NOT NULL,
	next_try_ms bigint,
	failures bigint NOT NULL,
	reason text,
	sent_as text,
	CONSTRAINT notice_reminders_pkey PRIMARY KEY (notice_id, due_at_ms, user_id),
	CONSTRAINT notice_reminders_notice_fkey FOREIGN KEY (notice_id) REFERENCES notices (notice_id) ON DELETE CASCADE,
	CONSTRAINT notice_reminders_level_check CHECK (level IN ('read', 'confirmed')),
	CONSTRAINT notice_reminders_sent_as_check CHECK (sent_as IN ('message', 'mail'))
);
CREATE INDEX notice_reminders_waiting_idx ON notice_reminders (next_try_ms) WHERE next_try_ms IS NOT NULL;
COMMENT ON TABLE notice_reminders IS 'The newest reminder of an occurrence of a notice to each person';
COMMENT ON COLUMN notice_reminders.notice_id IS 'notice';
COMMENT ON COLUMN notice_reminders.due_at_ms IS 'when the occurrence was due';
COMMENT ON COLUMN notice_reminders.user_id IS 'who is reminded';
COMMENT ON COLUMN notice_reminders.room_id IS 'where the person finds the notice';
COMMENT ON COLUMN notice_reminders.level IS 'what has not been done: read, confirmed';
COMMENT ON COLUMN notice_reminders.asked_at_ms IS 'when it was asked for';
COMMENT ON COLUMN notice_reminders.txn_key IS 'key of its message in transactions';
COMMENT ON COLUMN notice_reminders.next_try_ms IS 'when it is to be sent; null: it was, or will not be';
COMMENT ON COLUMN notice_reminders.failures IS 'how often it could not be sent';
COMMENT ON COLUMN notice_reminders.reason IS 'why it could not be sent the last time';
COMMENT ON COLUMN notice_reminders.sent_as IS 'message or mail; null: it was not';
