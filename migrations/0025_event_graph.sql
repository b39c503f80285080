-- What: what is kept of the events' graph beyond the timeline: outliers, soft-failed and rejected events, the state after events on forks,
--       holes in history, redactions that came before what they redact.
-- Why:  docs/federation.md, "Where an event stands", "State".
-- Cost: no pass over events: the column gets a constant default. Old processes may not run beside it:
--       they would show what is no part of the timeline.

CREATE SEQUENCE outlier_blocks AS bigint;
COMMENT ON SEQUENCE outlier_blocks IS 'each number stands for 1,000 positions below the timeline; a process takes some at a time';

ALTER TABLE events ADD COLUMN fate integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN events.position IS 'stream position; negative: history from before this server came; at -2^60 and below: no part of the timeline';
COMMENT ON COLUMN events.fate IS '0: in the timeline; 1: outlier; 2: soft-failed; 3: rejected; 4: in the timeline, fetched later';

CREATE TABLE event_states (
	room_nid bigint NOT NULL,
	position bigint NOT NULL,
	base_position bigint NOT NULL,
	difference text NOT NULL,
	CONSTRAINT event_states_pkey PRIMARY KEY (room_nid, position)
);
COMMENT ON TABLE event_states IS 'State after events that did not stand on everything that was known: a room''s state at a position, and what differs from it';
COMMENT ON COLUMN event_states.room_nid IS 'room';
COMMENT ON COLUMN event_states.position IS 'of the event';
COMMENT ON COLUMN event_states.base_position IS 'position whose state is meant';
COMMENT ON COLUMN event_states.difference IS 'JSON array of [type, state key, event id, or null where there is no such state]';

CREATE TABLE room_gaps (
	room_nid bigint NOT NULL,
	position bigint NOT NULL,
	prev_id text NOT NULL,
	attempts bigint NOT NULL DEFAULT 0,
	retry_at_ms bigint NOT NULL DEFAULT 0,
	CONSTRAINT room_gaps_pkey PRIMARY KEY (room_nid, position, prev_id)
);
CREATE INDEX room_gaps_prev_idx ON room_gaps (room_nid, prev_id);
COMMENT ON TABLE room_gaps IS 'Where the timeline does not go on although the room does';
COMMENT ON COLUMN room_gaps.room_nid IS 'room';
COMMENT ON COLUMN room_gaps.position IS 'of the event on this side';
COMMENT ON COLUMN room_gaps.prev_id IS 'one of its prev_events that is not in the timeline';
COMMENT ON COLUMN room_gaps.attempts IS 'how often nobody could fill it';
COMMENT ON COLUMN room_gaps.retry_at_ms IS 'not asked for again before';

CREATE TABLE waiting_redactions (
	room_nid bigint NOT NULL,
	redacts text NOT NULL,
	position bigint NOT NULL,
	CONSTRAINT waiting_redactions_pkey PRIMARY KEY (room_nid, redacts, position)
);
COMMENT ON TABLE waiting_redactions IS 'Redactions in the timeline whose event has not come yet';
COMMENT ON COLUMN waiting_redactions.room_nid IS 'room';
COMMENT ON COLUMN waiting_redactions.redacts IS 'event id';
COMMENT ON COLUMN waiting_redactions.position IS 'of the redaction';
