-- What: what is done in a room after a notice was sent there (edits, pins), the texts that it had before, drafts.
-- Why:  a notice can be edited, stands among the pinned events until it expires, and can wait until somebody releases it.
-- Cost: none. Old processes may run beside it: they send, but neither edit nor pin.

ALTER TABLE notices
	ADD COLUMN is_pinned boolean NOT NULL DEFAULT false,
	ADD COLUMN edits bigint NOT NULL DEFAULT 0,
	ADD COLUMN edited_at_ms bigint,
	DROP CONSTRAINT notices_state_check,
	ADD CONSTRAINT notices_state_check CHECK (state IN ('draft', 'scheduled', 'sent', 'cancelled', 'expired'));
COMMENT ON COLUMN notices.state IS 'draft (waits for somebody to release it), scheduled, sent (nothing more is due), cancelled, expired';
COMMENT ON COLUMN notices.is_pinned IS 'stands among the pinned events of its rooms until it expires';
COMMENT ON COLUMN notices.edits IS 'how often its texts were changed';
COMMENT ON COLUMN notices.edited_at_ms IS 'when they were changed the last time; null: never';

CREATE TABLE notice_edits (
	notice_id bigint NOT NULL,
	ordinal bigint NOT NULL,
	texts text NOT NULL,
	replaced_at_ms bigint NOT NULL,
	CONSTRAINT notice_edits_pkey PRIMARY KEY (notice_id, ordinal),
	CONSTRAINT notice_edits_notice_fkey FOREIGN KEY (notice_id) REFERENCES notices (notice_id) ON DELETE CASCADE
);
COMMENT ON TABLE notice_edits IS 'What notices said before they were edited';
COMMENT ON COLUMN notice_edits.notice_id IS 'notice';
COMMENT ON COLUMN notice_edits.ordinal IS '0: as it was taken';
COMMENT ON COLUMN notice_edits.texts IS 'as in notices';
COMMENT ON COLUMN notice_edits.replaced_at_ms IS 'when they were replaced';

CREATE TABLE notice_follow_ups (
	notice_id bigint NOT NULL,
	due_at_ms bigint NOT NULL,
	room_id text NOT NULL,
	kind text NOT NULL,
	ordinal bigint NOT NULL,
	txn_key bytea NOT NULL,
	next_try_ms bigint,
	failures bigint NOT NULL,
	reason text,
	done_at_ms bigint,
	CONSTRAINT notice_follow_ups_pkey PRIMARY KEY (notice_id, due_at_ms, room_id, kind, ordinal),
	CONSTRAINT notice_follow_ups_delivery_fkey FOREIGN KEY (notice_id, due_at_ms, room_id)
		REFERENCES notice_deliveries (notice_id, due_at_ms, room_id) ON DELETE CASCADE,
	CONSTRAINT notice_follow_ups_kind_check CHECK (kind IN ('edit', 'amend', 'pin', 'unpin'))
);
CREATE INDEX notice_follow_ups_waiting_idx ON notice_follow_ups (next_try_ms) WHERE next_try_ms IS NOT NULL;
COMMENT ON TABLE notice_follow_ups IS 'What is done in a room after a notice was sent there';
COMMENT ON COLUMN notice_follow_ups.notice_id IS 'of the delivery';
COMMENT ON COLUMN notice_follow_ups.due_at_ms IS 'of the delivery';
COMMENT ON COLUMN notice_follow_ups.room_id IS 'of the delivery';
COMMENT ON COLUMN notice_follow_ups.kind IS 'edit: the newest texts, and people are told; amend: without telling; pin; unpin';
COMMENT ON COLUMN notice_follow_ups.ordinal IS 'of edits: how many there were; else 0';
COMMENT ON COLUMN notice_follow_ups.txn_key IS 'key of its event in transactions, made of the first five';
COMMENT ON COLUMN notice_follow_ups.next_try_ms IS 'when it is to be done; null: it was, or will not be';
COMMENT ON COLUMN notice_follow_ups.failures IS 'how often it could not be done';
COMMENT ON COLUMN notice_follow_ups.reason IS 'why it could not be done the last time';
COMMENT ON COLUMN notice_follow_ups.done_at_ms IS 'when it was done';
