-- What: rooms, their events, state intervals, members, aliases, relations, transaction ids.
-- Why:  docs/architecture.md, "State is a timeline plus differences".
-- Cost: none on an empty database. Old processes may run beside it: there are none.

CREATE SEQUENCE room_nids AS bigint INCREMENT 100;
COMMENT ON SEQUENCE room_nids IS 'room numbers; a process takes 100 at a time';

CREATE TABLE rooms (
	room_nid bigint NOT NULL,
	room_id text NOT NULL,
	version text NOT NULL,
	event_seq bigint NOT NULL,
	depth bigint NOT NULL,
	extremities text NOT NULL,
	last_position bigint NOT NULL,
	notify_seq bigint NOT NULL DEFAULT 0,
	highlight_seq bigint NOT NULL DEFAULT 0,
	is_published boolean NOT NULL DEFAULT false,
	created_at_ms bigint NOT NULL,
	CONSTRAINT rooms_pkey PRIMARY KEY (room_nid),
	CONSTRAINT rooms_room_id_key UNIQUE (room_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE rooms IS 'Rooms this server is or was in';
COMMENT ON COLUMN rooms.room_nid IS 'number used by all other tables';
COMMENT ON COLUMN rooms.room_id IS 'Matrix room id';
COMMENT ON COLUMN rooms.version IS 'room version';
COMMENT ON COLUMN rooms.event_seq IS 'events added so far; the optimistic lock of the room';
COMMENT ON COLUMN rooms.depth IS 'depth of the deepest forward extremity';
COMMENT ON COLUMN rooms.extremities IS 'JSON array of the forward extremities'' event ids';
COMMENT ON COLUMN rooms.last_position IS 'position of the newest event';
COMMENT ON COLUMN rooms.notify_seq IS 'running count of notifying events outside threads (unread counts are differences of it)';
COMMENT ON COLUMN rooms.highlight_seq IS 'running count of events outside threads that highlight for everybody';
COMMENT ON COLUMN rooms.is_published IS 'listed in the room directory';
COMMENT ON COLUMN rooms.created_at_ms IS 'when this server learned of it';

CREATE TABLE events (
	room_nid bigint NOT NULL,
	position bigint NOT NULL,
	event_id text NOT NULL,
	type text NOT NULL,
	state_key text,
	sender text NOT NULL,
	origin_server_ts bigint NOT NULL,
	depth bigint NOT NULL,
	json text NOT NULL,
	replaces_position bigint,
	thread_root text,
	txn text,
	notify_seq bigint NOT NULL,
	highlight_seq bigint NOT NULL,
	redacted_by bigint,
	CONSTRAINT events_pkey PRIMARY KEY (room_nid, position),
	CONSTRAINT events_event_id_key UNIQUE (event_id)
);
CREATE INDEX events_thread_idx ON events (room_nid, thread_root, position) WHERE thread_root IS NOT NULL;
CREATE INDEX events_ts_idx ON events (room_nid, origin_server_ts);
ALTER TABLE events ALTER COLUMN json SET STORAGE EXTERNAL;
COMMENT ON TABLE events IS 'The timeline: every event of every room at its position';
COMMENT ON COLUMN events.room_nid IS 'room';
COMMENT ON COLUMN events.position IS 'stream position';
COMMENT ON COLUMN events.event_id IS 'Matrix event id';
COMMENT ON COLUMN events.type IS 'event type';
COMMENT ON COLUMN events.state_key IS 'NULL unless a state event';
COMMENT ON COLUMN events.sender IS 'user id';
COMMENT ON COLUMN events.origin_server_ts IS 'milliseconds, as the sender says';
COMMENT ON COLUMN events.depth IS 'as in the event';
COMMENT ON COLUMN events.json IS 'the PDU as canonical JSON without unsigned; redacted form once redacted';
COMMENT ON COLUMN events.replaces_position IS 'position of the state event that it replaced';
COMMENT ON COLUMN events.thread_root IS 'event id of its thread''s root; NULL outside threads';
COMMENT ON COLUMN events.txn IS 'device id, tab, transaction id of the local request';
COMMENT ON COLUMN events.notify_seq IS 'running count within its thread (or outside threads) up to and with this event';
COMMENT ON COLUMN events.highlight_seq IS 'the same for events that highlight for everybody';
COMMENT ON COLUMN events.redacted_by IS 'position of the redaction';

CREATE TABLE states (
	room_nid bigint NOT NULL,
	type text NOT NULL,
	state_key text NOT NULL,
	from_position bigint NOT NULL,
	to_position bigint NOT NULL DEFAULT 9223372036854775807,
	event_position bigint NOT NULL,
	event_id text NOT NULL,
	membership text,
	CONSTRAINT states_pkey PRIMARY KEY (room_nid, type, state_key, from_position)
);
CREATE INDEX states_to_idx ON states (room_nid, to_position);
COMMENT ON TABLE states IS 'Resolved state of rooms as intervals of positions';
COMMENT ON COLUMN states.room_nid IS 'room';
COMMENT ON COLUMN states.type IS 'event type';
COMMENT ON COLUMN states.state_key IS 'state key';
COMMENT ON COLUMN states.from_position IS 'first position at which it holds';
COMMENT ON COLUMN states.to_position IS 'first position at which it no longer holds; the largest bigint: current';
COMMENT ON COLUMN states.event_position IS 'where the event stands in events';
COMMENT ON COLUMN states.event_id IS 'its event id';
COMMENT ON COLUMN states.membership IS 'of m.room.member events';

CREATE TABLE members (
	user_id text NOT NULL,
	room_nid bigint NOT NULL,
	membership text NOT NULL,
	position bigint NOT NULL,
	is_local boolean NOT NULL,
	is_forgotten boolean NOT NULL DEFAULT false,
	stripped text,
	CONSTRAINT members_pkey PRIMARY KEY (user_id, room_nid)
);
CREATE INDEX members_room_idx ON members (room_nid, membership);
COMMENT ON TABLE members IS 'Newest membership of each user in each room';
COMMENT ON COLUMN members.user_id IS 'user';
COMMENT ON COLUMN members.room_nid IS 'room';
COMMENT ON COLUMN members.membership IS 'join, invite, knock, leave, ban';
COMMENT ON COLUMN members.position IS 'of the membership event';
COMMENT ON COLUMN members.is_local IS 'user of this server';
COMMENT ON COLUMN members.is_forgotten IS 'the user has forgotten the room';
COMMENT ON COLUMN members.stripped IS 'JSON array of stripped state of an invite or knock';

CREATE TABLE transactions (
	key bytea NOT NULL,
	event_id text NOT NULL,
	created_at_ms bigint NOT NULL,
	CONSTRAINT transactions_pkey PRIMARY KEY (key)
);
CREATE INDEX transactions_created_idx ON transactions (created_at_ms);
COMMENT ON TABLE transactions IS 'Transaction ids of events sent by local devices';
COMMENT ON COLUMN transactions.key IS 'hash of user, device, kind, room, type and transaction id';
COMMENT ON COLUMN transactions.event_id IS 'what the request made';
COMMENT ON COLUMN transactions.created_at_ms IS 'for tidying up';

CREATE TABLE relations (
	room_nid bigint NOT NULL,
	parent_id text NOT NULL,
	position bigint NOT NULL,
	rel_type text NOT NULL,
	type text NOT NULL,
	sender text NOT NULL,
	CONSTRAINT relations_pkey PRIMARY KEY (room_nid, parent_id, position)
);
COMMENT ON TABLE relations IS 'Events that relate to others';
COMMENT ON COLUMN relations.room_nid IS 'room';
COMMENT ON COLUMN relations.parent_id IS 'event id related to';
COMMENT ON COLUMN relations.position IS 'of the relating event';
COMMENT ON COLUMN relations.rel_type IS 'm.replace, m.thread, m.annotation, …';
COMMENT ON COLUMN relations.type IS 'type of the relating event';
COMMENT ON COLUMN relations.sender IS 'sender of the relating event';

CREATE TABLE aliases (
	alias text NOT NULL,
	room_nid bigint NOT NULL,
	creator text NOT NULL,
	created_at_ms bigint NOT NULL,
	CONSTRAINT aliases_pkey PRIMARY KEY (alias)
);
CREATE INDEX aliases_room_idx ON aliases (room_nid);
COMMENT ON TABLE aliases IS 'Local room aliases';
COMMENT ON COLUMN aliases.alias IS 'Matrix room alias';
COMMENT ON COLUMN aliases.room_nid IS 'room';
COMMENT ON COLUMN aliases.creator IS 'user who made it';
COMMENT ON COLUMN aliases.created_at_ms IS 'when';

CREATE TABLE mentions (
	user_id text NOT NULL,
	room_nid bigint NOT NULL,
	position bigint NOT NULL,
	thread_root text,
	is_counted boolean NOT NULL,
	CONSTRAINT mentions_pkey PRIMARY KEY (user_id, room_nid, position)
);
COMMENT ON TABLE mentions IS 'Highlights of single users (m.mentions); rows only for those mentioned';
COMMENT ON COLUMN mentions.user_id IS 'who';
COMMENT ON COLUMN mentions.room_nid IS 'room';
COMMENT ON COLUMN mentions.position IS 'of the mentioning event';
COMMENT ON COLUMN mentions.thread_root IS 'its thread; NULL outside threads';
COMMENT ON COLUMN mentions.is_counted IS 'the event is in notify_seq too';

CREATE TABLE receipts (
	room_nid bigint NOT NULL,
	user_id text NOT NULL,
	receipt_type text NOT NULL,
	thread_id text NOT NULL,
	event_id text NOT NULL,
	event_position bigint NOT NULL,
	ts bigint NOT NULL,
	position bigint NOT NULL,
	CONSTRAINT receipts_pkey PRIMARY KEY (room_nid, user_id, receipt_type, thread_id)
);
CREATE INDEX receipts_position_idx ON receipts (room_nid, position);
COMMENT ON TABLE receipts IS 'Newest read receipts';
COMMENT ON COLUMN receipts.room_nid IS 'room';
COMMENT ON COLUMN receipts.user_id IS 'reader';
COMMENT ON COLUMN receipts.receipt_type IS 'm.read or m.read.private';
COMMENT ON COLUMN receipts.thread_id IS 'thread root''s id, main, or empty for unthreaded';
COMMENT ON COLUMN receipts.event_id IS 'read up to';
COMMENT ON COLUMN receipts.event_position IS 'its position';
COMMENT ON COLUMN receipts.ts IS 'milliseconds';
COMMENT ON COLUMN receipts.position IS 'stream position of the receipt';
