-- What: positions of simplified sliding sync (MSC4186), each with what its client had been told by then.
-- Why:  a client names the position of the last answer that it has, and is told what has changed since. Which rooms it knows, and up to where, does not
--       follow from a position of the stream as with the other sync: it depends on what the client looked at.
-- How:  a row for each answer that told something, of which the two newest of a connection stay. Of a device there are sixteen connections at the most, and
--       all end with it.
-- Cost: none on an empty table. Old processes may run beside it.

CREATE TABLE sliding_positions (
	position_nid bigint GENERATED ALWAYS AS IDENTITY,
	user_id text NOT NULL,
	device_id text NOT NULL,
	conn_id text NOT NULL,
	state bytea NOT NULL,
	CONSTRAINT sliding_positions_pkey PRIMARY KEY (user_id, device_id, conn_id, position_nid),
	CONSTRAINT sliding_positions_device_fkey FOREIGN KEY (user_id, device_id)
		REFERENCES devices (user_id, device_id) ON DELETE CASCADE
);
COMMENT ON TABLE sliding_positions IS 'What clients of sliding sync have been told: the two newest positions of each connection';
COMMENT ON COLUMN sliding_positions.position_nid IS 'row number, which the client is told; later ones are greater';
COMMENT ON COLUMN sliding_positions.user_id IS 'whose';
COMMENT ON COLUMN sliding_positions.device_id IS 'of which device';
COMMENT ON COLUMN sliding_positions.conn_id IS 'which of its connections, as the client calls it; empty where it does not';
COMMENT ON COLUMN sliding_positions.state IS 'rooms, up to where they were told, and what was wanted of them (matrix/sliding_state.c)';
