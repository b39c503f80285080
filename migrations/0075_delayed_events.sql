-- What: events that clients have given to be sent later (MSC4140, delayed events).
-- Why:  a member of a meeting whose program ends without a word is taken out of it by an event that was given before, and that its client would have
--       put off again and again for as long as it was there.
-- How:  a row until the event is sent or cancelled. It goes in the transaction that brings the event, so that the event is sent once.
-- Cost: none on an empty table. Old processes may run beside it: they send none, and forget what they remember each time that one is given,
--       since they do not know that word of the news.

CREATE TABLE delayed_events (
	delay_id text NOT NULL,
	user_id text NOT NULL,
	room_id text NOT NULL,
	type text NOT NULL,
	state_key text,
	content text NOT NULL,
	origin_server_ts bigint,
	delay_ms bigint NOT NULL,
	running_since_ms bigint NOT NULL,
	due_at_ms bigint NOT NULL,
	CONSTRAINT delayed_events_pkey PRIMARY KEY (delay_id)
);
CREATE INDEX delayed_events_due_idx ON delayed_events (due_at_ms);
CREATE INDEX delayed_events_user_idx ON delayed_events (user_id);
COMMENT ON TABLE delayed_events IS 'Events that are to be sent later';
COMMENT ON COLUMN delayed_events.delay_id IS 'what clients call it; who knows it may have it sent, put off or cancelled';
COMMENT ON COLUMN delayed_events.user_id IS 'who sends it';
COMMENT ON COLUMN delayed_events.room_id IS 'where';
COMMENT ON COLUMN delayed_events.type IS 'of the event';
COMMENT ON COLUMN delayed_events.state_key IS 'of the event; NULL: it is no state';
COMMENT ON COLUMN delayed_events.content IS 'of the event, JSON';
COMMENT ON COLUMN delayed_events.origin_server_ts IS 'time that an application service gave it; NULL: when it is sent';
COMMENT ON COLUMN delayed_events.delay_ms IS 'how long it is put off, from the beginning and each time anew';
COMMENT ON COLUMN delayed_events.running_since_ms IS 'when it was put off last';
COMMENT ON COLUMN delayed_events.due_at_ms IS 'when to send it; later by some seconds each time that it could not be sent for no fault of its own';
