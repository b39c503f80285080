-- What: the notices of a school: who sends them, what is to be said when and where, what became of each in each room, and the tokens of
--       programs that post.
-- Why:  a notice that was taken is sent exactly once, whatever processes run or end meanwhile (docs/notices.md).
-- Cost: none. Old processes may run beside it: they leave notices waiting, and may forget a transaction id that is still needed.

CREATE TABLE notice_senders (
	user_id text NOT NULL,
	created_at_ms bigint NOT NULL,
	CONSTRAINT notice_senders_pkey PRIMARY KEY (user_id)
);
COMMENT ON TABLE notice_senders IS 'Local accounts in whose name notices are posted';
COMMENT ON COLUMN notice_senders.user_id IS 'account to which nobody can log in';
COMMENT ON COLUMN notice_senders.created_at_ms IS 'when it became one';

CREATE TABLE notice_tokens (
	token_id bigint GENERATED ALWAYS AS IDENTITY,
	hash bytea NOT NULL,
	sender text NOT NULL,
	targets text NOT NULL,
	name text NOT NULL,
	created_at_ms bigint NOT NULL,
	CONSTRAINT notice_tokens_pkey PRIMARY KEY (token_id),
	CONSTRAINT notice_tokens_hash_key UNIQUE (hash),
	CONSTRAINT notice_tokens_sender_fkey FOREIGN KEY (sender) REFERENCES notice_senders (user_id)
);
COMMENT ON TABLE notice_tokens IS 'What other programs show to post notices';
COMMENT ON COLUMN notice_tokens.token_id IS 'number, to revoke it by';
COMMENT ON COLUMN notice_tokens.hash IS 'SHA-256 of the token, which is kept nowhere';
COMMENT ON COLUMN notice_tokens.sender IS 'the one sender in whose name it posts';
COMMENT ON COLUMN notice_tokens.targets IS 'rooms, aliases and spaces to which it may post, with spaces between them';
COMMENT ON COLUMN notice_tokens.name IS 'what people call it';
COMMENT ON COLUMN notice_tokens.created_at_ms IS 'when it was made';

CREATE TABLE notices (
	notice_id bigint GENERATED ALWAYS AS IDENTITY,
	sender text NOT NULL,
	texts text NOT NULL,
	state text NOT NULL,
	start_at text,
	zone text NOT NULL,
	rule text,
	except_at text NOT NULL,
	next_at_ms bigint,
	expires_at_ms bigint,
	created_at_ms bigint NOT NULL,
	token_id bigint,
	request_key text,
	CONSTRAINT notices_pkey PRIMARY KEY (notice_id),
	CONSTRAINT notices_request_key UNIQUE (token_id, request_key),
	CONSTRAINT notices_sender_fkey FOREIGN KEY (sender) REFERENCES notice_senders (user_id),
	CONSTRAINT notices_state_check CHECK (state IN ('scheduled', 'sent', 'cancelled', 'expired'))
);
CREATE INDEX notices_next_idx ON notices (next_at_ms) WHERE next_at_ms IS NOT NULL;
CREATE INDEX notices_sender_idx ON notices (sender, notice_id);
COMMENT ON TABLE notices IS 'What is said, when, and how far it has come';
COMMENT ON COLUMN notices.notice_id IS 'number';
COMMENT ON COLUMN notices.sender IS 'in whose name';
COMMENT ON COLUMN notices.texts IS 'JSON array of {"lang", "text"}: Markdown, in the order in which it is shown';
COMMENT ON COLUMN notices.state IS 'scheduled, sent (nothing more is due), cancelled, expired';
COMMENT ON COLUMN notices.start_at IS 'date and time as they were written; null: at once';
COMMENT ON COLUMN notices.zone IS 'time zone of the clock that they are read on';
COMMENT ON COLUMN notices.rule IS 'iCalendar RRULE; null: once';
COMMENT ON COLUMN notices.except_at IS 'dates that are left out, with spaces between them';
COMMENT ON COLUMN notices.next_at_ms IS 'when it is due next; null: never again';
COMMENT ON COLUMN notices.expires_at_ms IS 'when nobody needs it any more; null: not said';
COMMENT ON COLUMN notices.created_at_ms IS 'when it was taken';
COMMENT ON COLUMN notices.token_id IS 'token that posted it; null: the command line';
COMMENT ON COLUMN notices.request_key IS 'of the request, which may be repeated; null: none';

CREATE TABLE notice_targets (
	notice_id bigint NOT NULL,
	ordinal bigint NOT NULL,
	target text NOT NULL,
	languages text NOT NULL,
	CONSTRAINT notice_targets_pkey PRIMARY KEY (notice_id, ordinal),
	CONSTRAINT notice_targets_notice_fkey FOREIGN KEY (notice_id) REFERENCES notices (notice_id) ON DELETE CASCADE
);
COMMENT ON TABLE notice_targets IS 'Where a notice goes';
COMMENT ON COLUMN notice_targets.notice_id IS 'notice';
COMMENT ON COLUMN notice_targets.ordinal IS 'order in which they were given';
COMMENT ON COLUMN notice_targets.target IS 'room id, or alias, of a room or a space';
COMMENT ON COLUMN notice_targets.languages IS 'those that are shown there, with spaces between them; empty: all';

CREATE TABLE notice_deliveries (
	notice_id bigint NOT NULL,
	due_at_ms bigint NOT NULL,
	room_id text NOT NULL,
	languages text NOT NULL,
	txn_key bytea NOT NULL,
	next_try_ms bigint,
	failures bigint NOT NULL,
	reason text,
	event_id text,
	sent_at_ms bigint,
	CONSTRAINT notice_deliveries_pkey PRIMARY KEY (notice_id, due_at_ms, room_id),
	CONSTRAINT notice_deliveries_notice_fkey FOREIGN KEY (notice_id) REFERENCES notices (notice_id) ON DELETE CASCADE
);
CREATE INDEX notice_deliveries_waiting_idx ON notice_deliveries (next_try_ms) WHERE next_try_ms IS NOT NULL;
COMMENT ON TABLE notice_deliveries IS 'One time of a notice in one room; becomes one event';
COMMENT ON COLUMN notice_deliveries.notice_id IS 'notice';
COMMENT ON COLUMN notice_deliveries.due_at_ms IS 'when it was due';
COMMENT ON COLUMN notice_deliveries.room_id IS 'room; the target as it was given when it led to none';
COMMENT ON COLUMN notice_deliveries.languages IS 'as of the target';
COMMENT ON COLUMN notice_deliveries.txn_key IS 'key of its event in transactions, made of the first three';
COMMENT ON COLUMN notice_deliveries.next_try_ms IS 'when it is to be sent; null: it was, or will not be';
COMMENT ON COLUMN notice_deliveries.failures IS 'how often it could not be sent';
COMMENT ON COLUMN notice_deliveries.reason IS 'why it could not be sent the last time';
COMMENT ON COLUMN notice_deliveries.event_id IS 'what was sent; null: nothing yet';
COMMENT ON COLUMN notice_deliveries.sent_at_ms IS 'when it was sent';
