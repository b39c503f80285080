-- What: rooms into which this server came without their members, which it fetches afterwards.
-- Why:  docs/federation.md, "Coming into rooms".
-- Cost: none. Old processes may not run beside it: they would take such rooms for whole.

ALTER TABLE rooms ADD COLUMN whole_at bigint NOT NULL DEFAULT 0;
CREATE INDEX rooms_whole_idx ON rooms (whole_at) WHERE whole_at > 0;
COMMENT ON COLUMN rooms.whole_at IS 'position at which the members left out at the join became known; 0: none were; the largest bigint: they are not known yet';

CREATE TABLE partial_joins (
	room_nid bigint NOT NULL,
	join_event_id text NOT NULL,
	servers text NOT NULL,
	attempts bigint NOT NULL DEFAULT 0,
	retry_at_ms bigint NOT NULL,
	CONSTRAINT partial_joins_pkey PRIMARY KEY (room_nid)
);
CREATE INDEX partial_joins_retry_idx ON partial_joins (retry_at_ms);
COMMENT ON TABLE partial_joins IS 'Rooms whose members are not known yet';
COMMENT ON COLUMN partial_joins.room_nid IS 'room';
COMMENT ON COLUMN partial_joins.join_event_id IS 'our join: the state before it is what is missing';
COMMENT ON COLUMN partial_joins.servers IS 'JSON array: who took the join, then who else is said to be in the room; empty once the members are stored';
COMMENT ON COLUMN partial_joins.attempts IS 'how often nobody gave the state';
COMMENT ON COLUMN partial_joins.retry_at_ms IS 'when others are asked again';
