-- Statements of the group-commit writer. Each (but those of the stream and of marks) takes arrays, one element a row; they run in this order.
-- Those marked `one` take scalars where there is one row. A row may
-- stand twice for one key in a group: each statement says which wins. A statement that must not go wrong fails by itself.

-- name: room_insert tells=nothing
-- A new room. Rows: as many as given.
INSERT INTO rooms (room_nid, room_id, version, event_seq, depth, extremities, last_position,
	notify_seq, highlight_seq, created_at_ms)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[],
	$7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]);

-- name: room_publish tells=nothing
-- New rooms that are listed in the directory. Index: rooms_pkey.
UPDATE rooms SET is_published = true FROM unnest($1::bigint[]) AS u(room_nid) WHERE rooms.room_nid = u.room_nid;

-- name: alias_claim tells=nothing
-- Aliases of new rooms: alias, nid, creator, time. Fails when one is taken.
INSERT INTO aliases (alias, room_nid, creator, created_at_ms)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[]);

-- name: server_notice_room_claim tells=nothing
-- Users' rooms for server notices: user, nid. Fails when a user has one.
INSERT INTO notice_rooms (user_id, room_nid) SELECT * FROM unnest($1::text[], $2::bigint[]);

-- name: room_succeed tells=nothing
-- Aliases and places in the directory go from old rooms to new ones: old nid, new nid. Index: aliases_room_idx, rooms_pkey.
WITH pairs AS (
	SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS u(old_nid, new_nid)
), moved AS (
	UPDATE aliases SET room_nid = p.new_nid FROM pairs p WHERE aliases.room_nid = p.old_nid RETURNING 1
)
UPDATE rooms SET is_published = rooms.room_nid = p.new_nid AND old.is_published
FROM pairs p JOIN rooms old ON old.room_nid = p.old_nid
WHERE rooms.room_nid IN (p.old_nid, p.new_nid);

-- name: stream_advance tells=nothing
-- Takes $1 positions; the row's lock is held to the end of the transaction, which orders the commits of all processes.
-- Marks the transaction as number $3 of the writer $2, see writer_mark_ask. Tells other processes with the commit: the position, and the
-- text $4 (storage/news.h). Fails (divides by zero) when a later transaction of the writer is marked, or this one was asked for and given up.
-- One row: the newest position. Index: stream_head_pkey, writer_marks_pkey.
WITH mark AS (
	INSERT INTO writer_marks (writer_id, serial, at_ms)
	VALUES ($2, $3, (extract(epoch FROM now()) * 1000)::bigint)
	ON CONFLICT (writer_id) DO UPDATE SET serial = excluded.serial,
		at_ms = excluded.at_ms / CASE WHEN writer_marks.serial < excluded.serial THEN 1 ELSE 0 END
)
UPDATE stream_head SET position = position + $1 RETURNING position, pg_notify('belfry', position::text || ' ' || $4::text);

-- name: stream_take tells=nothing
-- The same by a writer that knows of no other: the head is its own from here on, so that it need not be marked elsewhere (stream_advance_known).
-- The mark of whose it was goes where that one looks for it. Index: stream_head_pkey, writer_marks_pkey.
WITH held AS MATERIALIZED (
	SELECT writer_id, serial FROM stream_head WHERE only_row FOR UPDATE
), parted AS (
	INSERT INTO writer_marks (writer_id, serial, at_ms)
	SELECT writer_id, serial, (extract(epoch FROM now()) * 1000)::bigint FROM held WHERE writer_id NOT IN (0, $2)
	ON CONFLICT (writer_id) DO UPDATE SET serial = greatest(writer_marks.serial, excluded.serial), at_ms = excluded.at_ms
), mark AS (
	INSERT INTO writer_marks (writer_id, serial, at_ms)
	VALUES ($2, $3, (extract(epoch FROM now()) * 1000)::bigint)
	ON CONFLICT (writer_id) DO UPDATE SET serial = excluded.serial,
		at_ms = excluded.at_ms / CASE WHEN writer_marks.serial < excluded.serial THEN 1 ELSE 0 END
)
UPDATE stream_head SET position = position + $1, writer_id = $2, serial = $3 FROM held WHERE only_row
RETURNING position, pg_notify('belfry', position::text || ' ' || $4::text);

-- name: stream_advance_known tells=nothing
-- The same by the writer whose the head is, when the newest position is $5; else it fails, too. One row in all. Index: stream_head_pkey.
UPDATE stream_head SET position = position + $1,
	serial = $3::bigint / CASE WHEN writer_id = $2 AND serial < $3 AND position = $5::bigint THEN 1 ELSE 0 END
RETURNING position, pg_notify('belfry', position::text || ' ' || $4::text);

-- name: writer_mark_ask tells=nothing
-- One row: whether the writer's transaction $2, its last one, was committed: then nothing changes, wherever it is marked. Waits for it while it is
-- under way; if it has not begun, as it may where the database hangs, it never will: the next number is taken in its place, wherever it would
-- look. The head first, as all do who take both. Index: stream_head_pkey, writer_marks_pkey.
WITH held AS MATERIALIZED (
	SELECT writer_id = $1 AND serial = $2 AS is_committed FROM stream_head WHERE only_row FOR UPDATE
), noted AS (
	INSERT INTO writer_marks (writer_id, serial, at_ms)
	SELECT $1, $2::bigint + 1, (extract(epoch FROM now()) * 1000)::bigint FROM held WHERE NOT is_committed
	ON CONFLICT (writer_id) DO UPDATE SET at_ms = excluded.at_ms,
		serial = CASE WHEN writer_marks.serial = $2 THEN $2 ELSE excluded.serial END
	RETURNING serial = $2 AS is_committed
), outcome AS MATERIALIZED (
	SELECT h.is_committed OR coalesce((SELECT n.is_committed FROM noted n), false) AS is_committed FROM held h
)
UPDATE stream_head SET serial = CASE WHEN writer_id = $1 AND serial < $2 AND NOT o.is_committed THEN $2 + 1 ELSE serial END
FROM outcome o WHERE only_row RETURNING o.is_committed;

-- name: writer_mark_tidy tells=nothing
-- Writers that have written nothing for a week: they are gone, or mark anew. A row for each start of a server.
DELETE FROM writer_marks WHERE at_ms < (extract(epoch FROM now()) * 1000)::bigint - 604800000;

-- name: room_stand tells=nothing
-- Rooms and the event_seq that what is written rests on: fails when one has gone on. Index: rooms_pkey.
SELECT 1 / CASE WHEN EXISTS (SELECT 1 FROM unnest($1::bigint[], $2::bigint[]) AS u(room_nid, event_seq)
	JOIN rooms r ON r.room_nid = u.room_nid WHERE r.event_seq <> u.event_seq) THEN 0 ELSE 1 END;

-- name: state_stand tells=nothing
-- State that what is written rests on: nid, type, state_key, event id (empty: there is none). Fails when another event holds. Only the
-- interval that began last can be open. Index: states_pkey.
SELECT 1 / CASE WHEN EXISTS (SELECT 1 FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS
	u(room_nid, type, state_key, event_id)
	WHERE u.event_id <> coalesce((SELECT CASE WHEN s.to_position + 0 = 9223372036854775807 THEN s.event_id END FROM states s
		WHERE s.room_nid = u.room_nid AND s.type = u.type AND s.state_key = u.state_key
		ORDER BY s.from_position DESC LIMIT 1), '')) THEN 0 ELSE 1 END;

-- name: room_advance one tells=message:1
-- Rooms go on, each by a row: nid, event_seq before, event_seq after, depth, extremities, position, notify_seq, highlight_seq. "Before" has
-- to be what stands in the table: a row that does not fit would become a room of its own, without what a room has to have, which fails the
-- write. Arrays as in event_insert. Index: rooms_pkey.
MERGE INTO rooms USING (
	SELECT unnest($1::bigint[]) AS room_nid, unnest($2::bigint[]) AS seq_before, unnest($3::bigint[]) AS seq_after,
		unnest($4::bigint[]) AS depth, unnest($5::text[]) AS extremities, unnest($6::bigint[]) AS position,
		unnest($7::bigint[]) AS notify_seq, unnest($8::bigint[]) AS highlight_seq
) AS n ON rooms.room_nid = n.room_nid AND rooms.event_seq = n.seq_before
WHEN MATCHED THEN UPDATE SET event_seq = n.seq_after, depth = n.depth, extremities = n.extremities,
	last_position = n.position, notify_seq = n.notify_seq, highlight_seq = n.highlight_seq
WHEN NOT MATCHED THEN INSERT (room_nid) VALUES (n.room_nid);

-- name: event_insert one tells=message:1
-- One row for each event; a unique violation when an id is known. Arrays side by side in SELECT are walked through together; in FROM each
-- would become a table first. Index: events_pkey.
INSERT INTO events (room_nid, position, event_id, type, state_key, sender, origin_server_ts, depth,
	json, replaces_position, thread_root, txn, notify_seq, highlight_seq)
SELECT unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::text[]), unnest($4::text[]), unnest($5::text[]),
	unnest($6::text[]), unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::text[]), unnest($10::bigint[]),
	unnest($11::text[]), unnest($12::text[]), unnest($13::bigint[]), unnest($14::bigint[]);

-- name: event_move tells=rewritten:1
-- Outliers come into the timeline: nid, event id, position, replaced position, thread, notify_seq,
-- highlight_seq, fate. One that is none any more (another process has judged it) divides by zero, which fails the write. Index:
-- events_event_id_key.
WITH moved AS (
	UPDATE events SET position = u.position, fate = u.fate, replaces_position = u.replaces_position,
		thread_root = u.thread_root, notify_seq = u.notify_seq, highlight_seq = u.highlight_seq
	FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[]) AS
		u(room_nid, event_id, position, replaces_position, thread_root, notify_seq, highlight_seq, fate)
	WHERE events.event_id = u.event_id AND events.room_nid = u.room_nid AND events.fate = 1
	RETURNING 1
)
SELECT 1 / CASE WHEN (SELECT count(*) FROM moved) = cardinality($2::text[]) THEN 1 ELSE 0 END;

-- name: state_event_move tells=rewritten:1
-- State whose events have moved: nid, type, state_key, event id, position. Index: states_pkey.
UPDATE states SET event_position = u.position
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[]) AS
	u(room_nid, type, state_key, event_id, position)
WHERE states.room_nid = u.room_nid AND states.type = u.type AND states.state_key = u.state_key
	AND states.event_id = u.event_id;

-- name: state_forget tells=rewritten:1
-- All intervals of some keys are written anew: nid, type, state_key. Index: states_pkey.
DELETE FROM states s USING unnest($1::bigint[], $2::text[], $3::text[]) AS u(room_nid, type, state_key)
WHERE s.room_nid = u.room_nid AND s.type = u.type AND s.state_key = u.state_key;

-- name: state_interval_insert tells=rewritten:1
-- Intervals as they are known now: nid, type, state_key, from, to, event position, event id, membership.
INSERT INTO states (room_nid, type, state_key, from_position, to_position, event_position, event_id, membership)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[]);

-- name: transaction_insert one tells=nothing
-- Fails when the transaction id was used before (another process was first).
INSERT INTO transactions (key, event_id, created_at_ms) SELECT unnest($1::bytea[]), unnest($2::text[]), unnest($3::bigint[]);

-- name: delayed_event_take tells=nothing
-- Delayed events that are being sent: id, when they were due. Divides by zero, which fails the write, when one has been put off, sent or cancelled
-- meanwhile. Index: delayed_events_pkey.
WITH taken AS (
	DELETE FROM delayed_events USING unnest($1::text[], $2::bigint[]) AS u(delay_id, due_at_ms)
	WHERE delayed_events.delay_id = u.delay_id AND delayed_events.due_at_ms + 0 = u.due_at_ms RETURNING 1
)
SELECT 1 / CASE WHEN (SELECT count(*) FROM taken) = cardinality($1::text[]) THEN 1 ELSE 0 END;

-- name: state_close tells=room:1
-- Ends the intervals that new state replaces: nid, type, state_key, position. Only the one that began last can be open: it is looked up, and found
-- again by where it lies, for nobody else ends one while the stream's head is held, which each group begins with; any other way may lead through all that holds in the
-- room. Index: states_pkey.
UPDATE states SET to_position = n.position
FROM (
	SELECT u.position, (SELECT s.ctid FROM states s WHERE s.room_nid = u.room_nid AND s.type = u.type AND s.state_key = u.state_key
		ORDER BY s.from_position DESC LIMIT 1) AS last
	FROM (
		SELECT room_nid, type, state_key, min(position) AS position
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) AS
			u(room_nid, type, state_key, position)
		GROUP BY room_nid, type, state_key
	) AS u OFFSET 0
) AS n
WHERE states.ctid = n.last AND states.to_position + 0 = 9223372036854775807;

-- name: state_open tells=room:1
-- Begins intervals: nid, type, state_key, position, event position, event id, membership. Several rows of one key in a
-- group follow each other.
INSERT INTO states (room_nid, type, state_key, from_position, event_position, event_id, membership,
	to_position)
SELECT u.*, coalesce(lead(u.position) OVER (PARTITION BY u.room_nid, u.type, u.state_key
	ORDER BY u.position), 9223372036854775807)
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[],
	$7::text[]) AS
	u(room_nid, type, state_key, position, event_position, event_id, membership);

-- name: member_set tells=room:1,user:2@5
-- nid, user, membership, position, is_local, stripped, is_forgotten; the last one wins. Index: members_pkey.
INSERT INTO members (room_nid, user_id, membership, position, is_local, stripped, is_forgotten)
SELECT DISTINCT ON (u.room_nid, u.user_id) u.*
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::boolean[], $6::text[], $7::boolean[]) AS
	u(room_nid, user_id, membership, position, is_local, stripped, is_forgotten)
ORDER BY u.room_nid, u.user_id, u.position DESC
ON CONFLICT (user_id, room_nid) DO UPDATE SET membership = excluded.membership,
	position = excluded.position, stripped = excluded.stripped, is_forgotten = excluded.is_forgotten;

-- name: relation_insert tells=nothing
-- One row for each relation. Index: relations_pkey.
INSERT INTO relations (room_nid, parent_id, position, rel_type, type, sender)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[])
ON CONFLICT DO NOTHING;

-- name: event_state_insert tells=nothing
-- The state after events that stood on a fork: nid, position, base position, difference. Index: event_states_pkey.
INSERT INTO event_states (room_nid, position, base_position, difference)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[])
ON CONFLICT (room_nid, position) DO UPDATE SET base_position = excluded.base_position, difference = excluded.difference;

-- name: gap_pass tells=room:1
-- Wherever an event is missing, what it stands on is missing: nid, event id, id of what it stands on and is not in the timeline.
-- Index: room_gaps_prev_idx, room_gaps_pkey.
INSERT INTO room_gaps (room_nid, position, prev_id)
SELECT g.room_nid, g.position, u.behind FROM unnest($1::bigint[], $2::text[], $3::text[]) AS u(room_nid, prev_id, behind)
JOIN room_gaps g ON g.room_nid = u.room_nid AND g.prev_id = u.prev_id
ON CONFLICT DO NOTHING;

-- name: gap_close tells=room:1
-- Events that were missing have come: nid, event id. Index: room_gaps_prev_idx.
DELETE FROM room_gaps g USING unnest($1::bigint[], $2::text[]) AS u(room_nid, prev_id)
WHERE g.room_nid = u.room_nid AND g.prev_id = u.prev_id;

-- name: gap_insert tells=room:1
-- Previous events that are missing: nid, position of the event on this side, event id. Those that came in the same transaction are
-- none. Index: room_gaps_pkey, events_event_id_key.
INSERT INTO room_gaps (room_nid, position, prev_id)
SELECT u.room_nid, u.position, u.prev_id FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS u(room_nid, position, prev_id)
WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.event_id = u.prev_id AND e.position > -1152921504606846976)
ON CONFLICT DO NOTHING;

-- name: gap_leave tells=room:1
-- Events that come in this transaction, and count as missing until the room's history is put in order with them: nid, position of the event on
-- this side, event id. Index: room_gaps_pkey.
INSERT INTO room_gaps (room_nid, position, prev_id) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])
ON CONFLICT DO NOTHING;

-- name: event_place_set tells=rewritten:1
-- Events that history shows elsewhere than where they came: nid, place, position. Index: event_places_position_key.
INSERT INTO event_places (room_nid, place, position) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
ON CONFLICT (room_nid, position) DO UPDATE SET place = excluded.place;

-- name: gap_move tells=rewritten:1
-- Gaps go along with the events at which they are: nid, place, new place. Index: room_gaps_pkey.
UPDATE room_gaps g SET position = u.to_place
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS u(room_nid, from_place, to_place)
WHERE g.room_nid = u.room_nid AND g.position = u.from_place;

-- name: waiting_redaction_insert tells=room:1
-- Redactions of what has not come yet: nid, event id, position of the redaction. Index: waiting_redactions_pkey.
INSERT INTO waiting_redactions (room_nid, redacts, position)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])
ON CONFLICT DO NOTHING;

-- name: waiting_redaction_delete tells=room:1
-- What they wait for has come: nid, event id. Index: waiting_redactions_pkey.
DELETE FROM waiting_redactions w USING unnest($1::bigint[], $2::text[]) AS u(room_nid, redacts)
WHERE w.room_nid = u.room_nid AND w.redacts = u.redacts;

-- name: event_redact tells=rewritten:1
-- The event's text is replaced by its redacted form: nid, event id, text, position of the redaction; or it is held back (the smallest
-- bigint), or no longer (0). The first redaction stays. One that is held back and redacted has the redacted text, and is held back all the
-- same. Index: events_event_id_key.
UPDATE events SET json = n.json, redacted_by = CASE
	WHEN NOT n.is_released AND (n.is_held OR events.redacted_by IS NOT NULL) THEN '-9223372036854775808'::bigint
	ELSE nullif(n.position, 0) END
FROM (
	SELECT DISTINCT ON (u.event_id) u.*, bool_or(u.position = 0) OVER same AS is_released,
		bool_or(u.position = '-9223372036854775808'::bigint) OVER same AS is_held
	FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) AS u(room_nid, event_id, json, position)
	WINDOW same AS (PARTITION BY u.event_id)
	ORDER BY u.event_id, u.position = '-9223372036854775808'::bigint, u.position = 0, u.position
) AS n
WHERE events.event_id = n.event_id AND events.room_nid = n.room_nid
	AND coalesce(events.redacted_by, '-9223372036854775808'::bigint) = '-9223372036854775808'::bigint;

-- name: relation_delete tells=rewritten:1
-- A redacted event no longer relates to anything: nid, position. Index: relations_pkey by room.
DELETE FROM relations USING unnest($1::bigint[], $2::text[], $3::bigint[]) AS u(room_nid, parent_id, position)
WHERE relations.room_nid = u.room_nid AND relations.parent_id = u.parent_id
	AND relations.position = u.position;

-- name: search_forget tells=nothing
-- What is redacted is not found any more, nor its edits: nid, position. Index: search_texts_pkey, search_texts_target_idx.
DELETE FROM search_texts t USING unnest($1::bigint[], $2::bigint[]) AS u(room_nid, position) CROSS JOIN LATERAL (
	SELECT position FROM search_texts WHERE room_nid = u.room_nid AND position = u.position
	UNION SELECT position FROM search_texts WHERE room_nid = u.room_nid AND target_position = u.position
) AS g
WHERE t.room_nid = u.room_nid AND t.position = g.position;

-- name: mention_insert tells=nothing
-- One row for each user mentioned. Index: mentions_pkey.
INSERT INTO mentions (user_id, room_nid, position, thread_root, is_counted)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::boolean[])
ON CONFLICT DO NOTHING;

-- name: receipt_set tells=receipts:1,own:2
-- nid, user, type, thread, event id, event position, ts, position; the one whose event is furthest on wins, also over what is
-- stored. Index: receipts_pkey.
INSERT INTO receipts (room_nid, user_id, receipt_type, thread_id, event_id, event_position, ts, position)
SELECT DISTINCT ON (u.room_nid, u.user_id, u.receipt_type, u.thread_id) u.*
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
	$8::bigint[]) AS
	u(room_nid, user_id, receipt_type, thread_id, event_id, event_position, ts, position)
ORDER BY u.room_nid, u.user_id, u.receipt_type, u.thread_id, u.event_position DESC, u.position
ON CONFLICT (room_nid, user_id, receipt_type, thread_id) DO UPDATE SET event_id = excluded.event_id,
	event_position = excluded.event_position, ts = excluded.ts, position = excluded.position
WHERE receipts.event_position < excluded.event_position;

-- name: account_data_set tells=user:1
-- user, nid, type, content, position, position expected before (-1: any, 0: none yet); the last one wins. What was expected and is not so
-- divides by zero, which fails the write. Index: account_data_pkey.
WITH given AS (
	SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[]) AS
		u(user_id, room_nid, type, content, position, expected)
), newest AS (
	SELECT DISTINCT ON (user_id, room_nid, type) * FROM given
	ORDER BY user_id, room_nid, type, position DESC
), crowded AS (
	SELECT 1 FROM given GROUP BY user_id, room_nid, type HAVING count(*) > 1 AND max(expected) >= 0
), stored AS (
	INSERT INTO account_data (user_id, room_nid, type, content, position)
	SELECT n.user_id, n.room_nid, n.type, n.content, n.position FROM newest n
	WHERE n.expected < 0 OR n.expected = coalesce((SELECT a.position FROM account_data a
		WHERE a.user_id = n.user_id AND a.room_nid = n.room_nid AND a.type = n.type), 0)
	ON CONFLICT (user_id, room_nid, type) DO UPDATE SET content = excluded.content,
		position = excluded.position
	RETURNING 1
)
SELECT 1 / CASE WHEN NOT EXISTS (SELECT 1 FROM crowded)
	AND (SELECT count(*) FROM stored) = (SELECT count(*) FROM newest) THEN 1 ELSE 0 END;

-- name: consumer_move tells=nothing
-- Stream consumers go on: name, position before, position after. One that does not stand where it is said to divides by zero, which
-- fails the write. Index: consumers_pkey.
WITH moved AS (
	UPDATE consumers SET position = u.after
	FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS u(name, before, after)
	WHERE consumers.name = u.name AND consumers.position = u.before
	RETURNING 1
)
SELECT 1 / CASE WHEN (SELECT count(*) FROM moved) = cardinality($1::text[]) THEN 1 ELSE 0 END;

-- name: device_hold tells=nothing
-- Devices until the commit, in the order of device_delete: user, device. In a group with identity keys they are those of these keys and of its messages, so that none
-- of the statements behind it waits for who ends several of a user. By itself, so that those behind it see what was done while it waited. Index: devices_pkey.
SELECT count(*) FROM (SELECT DISTINCT user_id, device_id FROM unnest($1::text[], $2::text[]) AS u(user_id, device_id) ORDER BY user_id, device_id) AS w
CROSS JOIN LATERAL (SELECT 1 FROM devices d WHERE d.user_id = w.user_id AND d.device_id = w.device_id FOR KEY SHARE) AS h;

-- name: device_key_set tells=device:1
-- Identity keys: user, device, Ed25519 key, body; the last one wins. With another identity the device's one-time and fallback
-- keys end, with another body the signatures over it. Its counters are held in the order of one_time_key_add, which waits for all of a device.
-- Fails when there is no such device. Index: device_keys_pkey, one_time_key_counters_pkey.
WITH given AS (
	SELECT DISTINCT ON (user_id, device_id) user_id, device_id, ed25519, body
	FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS
		u(user_id, device_id, ed25519, body, n)
	ORDER BY user_id, device_id, n DESC
), changed AS (
	SELECT g.user_id, g.device_id FROM given g
	JOIN device_keys k ON k.user_id = g.user_id AND k.device_id = g.device_id WHERE k.ed25519 <> g.ed25519
), no_one_time_keys AS (
	DELETE FROM one_time_key_counters o USING (
		SELECT k.user_id, k.device_id, k.algorithm FROM changed c
		JOIN one_time_key_counters k ON k.user_id = c.user_id AND k.device_id = c.device_id
		ORDER BY k.user_id, k.device_id, k.algorithm FOR UPDATE OF k
	) AS h WHERE o.user_id = h.user_id AND o.device_id = h.device_id AND o.algorithm = h.algorithm
), no_fallback_keys AS (
	DELETE FROM fallback_keys f USING changed c WHERE f.user_id = c.user_id AND f.device_id = c.device_id
), no_signatures AS (
	DELETE FROM key_signatures s USING given g
	WHERE s.target_user = g.user_id AND s.target_key = g.device_id AND NOT EXISTS (SELECT 1 FROM device_keys k
		WHERE k.user_id = g.user_id AND k.device_id = g.device_id AND k.body = g.body)
)
INSERT INTO device_keys (user_id, device_id, ed25519, body) SELECT * FROM given
ON CONFLICT (user_id, device_id) DO UPDATE SET ed25519 = excluded.ed25519, body = excluded.body;

-- name: cross_key_set tells=nothing
-- Cross-signing keys: user, usage, public key, body; the last one wins. What the old key signed, and what was signed of it,
-- ends with it; with the master key also the user's other keys. Index: cross_signing_keys_pkey, key_signatures_signer_idx.
WITH given AS (
	SELECT DISTINCT ON (user_id, usage) user_id, usage, public_key, body
	FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS
		u(user_id, usage, public_key, body, n)
	ORDER BY user_id, usage, n DESC
), changed AS (
	SELECT k.user_id, k.usage, k.public_key FROM given g
	JOIN cross_signing_keys k ON k.user_id = g.user_id AND k.usage = g.usage WHERE k.public_key <> g.public_key
), orphaned AS (
	DELETE FROM cross_signing_keys k USING changed c
	WHERE k.user_id = c.user_id AND c.usage = 'master'
		AND NOT EXISTS (SELECT 1 FROM given g WHERE g.user_id = k.user_id AND g.usage = k.usage)
	RETURNING k.user_id, k.public_key
), ended AS (
	SELECT user_id, public_key FROM changed UNION ALL SELECT user_id, public_key FROM orphaned
), no_signatures_by AS (
	DELETE FROM key_signatures s USING ended e
	WHERE s.signer_user = e.user_id AND s.signer_key = 'ed25519:' || e.public_key
), no_signatures_of AS (
	DELETE FROM key_signatures s USING ended e WHERE s.target_user = e.user_id AND s.target_key = e.public_key
		AND NOT (s.signer_user = e.user_id AND s.signer_key IN (SELECT 'ed25519:' || public_key FROM ended))
)
INSERT INTO cross_signing_keys (user_id, usage, public_key, body) SELECT * FROM given
ON CONFLICT (user_id, usage) DO UPDATE SET public_key = excluded.public_key, body = excluded.body;

-- name: key_signature_set tells=nothing
-- Checked signatures: target user, target key, signer, signer's key, signature; the last one wins. Index: key_signatures_pkey.
INSERT INTO key_signatures (target_user, target_key, signer_user, signer_key, signature)
SELECT DISTINCT ON (target_user, target_key, signer_user, signer_key)
	target_user, target_key, signer_user, signer_key, signature
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS
	u(target_user, target_key, signer_user, signer_key, signature, n)
ORDER BY target_user, target_key, signer_user, signer_key, n DESC
ON CONFLICT (target_user, target_key, signer_user, signer_key) DO UPDATE SET signature = excluded.signature;

-- name: device_list_change tells=keys:1
-- Somebody's keys changed: user, who alone sees it ('': everybody), position. Index: device_list_changes_pkey.
INSERT INTO device_list_changes (user_id, seen_by, position)
SELECT user_id, seen_by, max(position) FROM unnest($1::text[], $2::text[], $3::bigint[]) AS
	u(user_id, seen_by, position)
GROUP BY user_id, seen_by
ON CONFLICT (user_id, seen_by) DO UPDATE SET position = excluded.position;

-- name: device_message_insert one tells=device:1
-- A message for each device that there is: user, device, position, text. The devices are held until the commit, so that a device's end takes its messages
-- along (devices_end), and nothing comes behind it. Index: devices_pkey.
INSERT INTO device_messages (user_id, device_id, position, message)
SELECT u.user_id, u.device_id, u.position, u.message
FROM (SELECT unnest($1::text[]) AS user_id, unnest($2::text[]) AS device_id, unnest($3::bigint[]) AS position, unnest($4::text[]) AS message) AS u
JOIN devices d ON d.user_id = u.user_id AND d.device_id = u.device_id
ORDER BY u.user_id, u.device_id FOR KEY SHARE OF d;

-- name: device_message_trim tells=nothing
-- Of the devices given the newest messages stay: user, device, how many. What goes is looked up for each device, and found again by where it lies:
-- nothing changes a message. What another one takes away meanwhile (device_message_next, in another order) is passed over: so this waits for nobody.
-- Index: device_messages_pkey.
DELETE FROM device_messages WHERE ctid = ANY (ARRAY(
	SELECT m.ctid FROM (SELECT DISTINCT user_id, device_id, kept FROM unnest($1::text[], $2::text[], $3::bigint[]) AS
		g(user_id, device_id, kept)) AS u
	CROSS JOIN LATERAL (SELECT n.position FROM device_messages n WHERE n.user_id = u.user_id AND n.device_id = u.device_id
		ORDER BY n.position DESC OFFSET u.kept LIMIT 1) AS last
	CROSS JOIN LATERAL (SELECT d.ctid FROM device_messages d WHERE d.user_id = u.user_id AND d.device_id = u.device_id
		AND d.position <= last.position FOR UPDATE SKIP LOCKED) AS m));

-- name: device_list_settle tells=keys:1
-- What was pending of these users has its position now; signatures over devices that ended go. What is not committed yet is not
-- seen here and stays pending. Last, for a device that ends has locked its own row before it waits for this one.
-- Index: device_list_pending_pkey, key_signatures_pkey.
WITH users AS (
	DELETE FROM device_list_pending p USING (SELECT DISTINCT user_id FROM unnest($1::text[]) AS u(user_id)) AS u
	WHERE p.user_id = u.user_id RETURNING p.user_id
)
DELETE FROM key_signatures s USING users u WHERE s.target_user = u.user_id
	AND NOT EXISTS (SELECT 1 FROM device_keys k WHERE k.user_id = s.target_user AND k.device_id = s.target_key)
	AND NOT EXISTS (SELECT 1 FROM cross_signing_keys c WHERE c.user_id = s.target_user AND c.public_key = s.target_key);

-- name: inbox_transaction_insert tells=nothing
-- Transactions of other servers: origin, id, answer, time. Fails when one is known (another request was first).
INSERT INTO inbox_transactions (origin, txn_id, answer, received_at_ms)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]);

-- name: inbox_insert tells=nothing
-- What came in them: queue, origin, event id ('': an EDU), text, time; in the order given. The same event of the same server
-- is there once; one that waits for another attempt and comes again is tried at once. Index: inbox_event_key, twice.
WITH given AS (
	SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) WITH ORDINALITY AS
		u(queue, origin, event_id, body, at_ms, n)
), again AS (
	UPDATE inbox SET due_at_ms = g.at_ms FROM given AS g
	WHERE inbox.queue = g.queue AND inbox.event_id = g.event_id AND inbox.origin = g.origin AND inbox.event_id <> ''
		AND inbox.due_at_ms > g.at_ms
)
INSERT INTO inbox (queue, origin, event_id, body, received_at_ms, due_at_ms)
SELECT queue, origin, event_id, body, at_ms, at_ms FROM given ORDER BY n
ON CONFLICT (queue, event_id, origin) WHERE event_id <> '' DO NOTHING;

-- name: remote_list_set tells=nothing
-- Device lists of users of other servers: user, stream id, stale, master key, self-signing key. The row with the newest stream id
-- wins, and what is older than the list changes nothing. Index: remote_device_lists_pkey.
INSERT INTO remote_device_lists (user_id, stream_id, is_stale, master_key, self_signing_key)
SELECT DISTINCT ON (user_id) user_id, stream_id, is_stale, master_key, self_signing_key
FROM unnest($1::text[], $2::bigint[], $3::boolean[], $4::text[], $5::text[]) AS
	u(user_id, stream_id, is_stale, master_key, self_signing_key)
ORDER BY user_id, stream_id DESC
ON CONFLICT (user_id) DO UPDATE SET stream_id = excluded.stream_id, is_stale = excluded.is_stale,
	master_key = excluded.master_key, self_signing_key = excluded.self_signing_key
WHERE remote_device_lists.stream_id <= excluded.stream_id OR remote_device_lists.is_stale;

-- name: remote_list_spoil tells=nothing
-- Changes of these users were missed. Index: remote_device_lists_pkey.
UPDATE remote_device_lists SET is_stale = true FROM unnest($1::text[]) AS u(user_id)
WHERE remote_device_lists.user_id = u.user_id;

-- name: remote_list_part tells=nothing
-- Who has left rooms: user, nid. Of those who share no room with anybody here any more no changes are told: of the user and, where nobody of
-- here is left in the room, of all who are in it. Index: members_local_idx, members_room_idx, remote_device_lists_pkey, members_pkey.
WITH parted AS (
	SELECT * FROM unnest($1::text[], $2::bigint[]) AS u(user_id, room_nid)
), abandoned AS MATERIALIZED (
	SELECT DISTINCT p.room_nid FROM parted p WHERE NOT EXISTS (
		SELECT 1 FROM members h WHERE h.room_nid = p.room_nid AND h.is_local AND h.membership = 'join')
)
UPDATE remote_device_lists l SET is_stale = true FROM (
	SELECT user_id FROM parted
	UNION SELECT m.user_id FROM abandoned a JOIN members m ON m.room_nid = a.room_nid AND m.membership = 'join'
) AS gone
WHERE l.user_id = gone.user_id AND NOT l.is_stale AND NOT EXISTS (
	SELECT 1 FROM members m JOIN members h ON h.room_nid = m.room_nid AND h.is_local AND h.membership = 'join'
	WHERE m.user_id = l.user_id AND m.membership = 'join');

-- name: remote_device_clear tells=nothing
-- The devices of these users are written anew, as of a stream id: user, stream id. Index: remote_devices_pkey.
DELETE FROM remote_devices USING unnest($1::text[], $2::bigint[]) AS u(user_id, stream_id), remote_device_lists l
WHERE remote_devices.user_id = u.user_id AND l.user_id = u.user_id AND l.stream_id = u.stream_id;

-- name: remote_device_set tells=nothing
-- Devices, as of a stream id: user, stream id, device, keys, name. Those of lists that are newer meanwhile, or not known, are left out.
-- Index: remote_devices_pkey, remote_device_lists_pkey.
INSERT INTO remote_devices (user_id, device_id, keys, display_name)
SELECT DISTINCT ON (u.user_id, u.device_id) u.user_id, u.device_id, u.keys, u.display_name
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS
	u(user_id, stream_id, device_id, keys, display_name, n)
JOIN remote_device_lists l ON l.user_id = u.user_id AND l.stream_id = u.stream_id
ORDER BY u.user_id, u.device_id, u.n DESC
ON CONFLICT (user_id, device_id) DO UPDATE SET keys = excluded.keys, display_name = excluded.display_name;

-- name: remote_device_delete tells=nothing
-- Devices that ended: user, device. Index: remote_devices_pkey.
DELETE FROM remote_devices USING unnest($1::text[], $2::text[]) AS u(user_id, device_id)
WHERE remote_devices.user_id = u.user_id AND remote_devices.device_id = u.device_id;

-- name: partial_join_insert tells=room:1
-- Rooms into which this server comes without their members: nid, join, servers, time. Index: rooms_pkey, partial_joins_pkey.
WITH given AS (
	SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) AS u(room_nid, join_event_id, servers, retry_at_ms)
), marked AS (
	UPDATE rooms SET whole_at = 9223372036854775807 FROM given g WHERE rooms.room_nid = g.room_nid
)
INSERT INTO partial_joins (room_nid, join_event_id, servers, retry_at_ms)
SELECT room_nid, join_event_id, servers, retry_at_ms FROM given;

-- name: partial_join_end tells=room:1
-- Rooms whose members are all known from a position on: nid, position. Index: partial_joins_pkey, rooms_pkey.
WITH given AS (
	SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS u(room_nid, position)
), ended AS (
	DELETE FROM partial_joins p USING given g WHERE p.room_nid = g.room_nid
)
UPDATE rooms SET whole_at = g.position, last_position = greatest(rooms.last_position, g.position)
FROM given g WHERE rooms.room_nid = g.room_nid;
