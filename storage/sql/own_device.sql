-- name: own_device_find hot
-- At most one row. Index: own_devices_pkey, own_cross_keys_pkey.
SELECT d.device_id, d.account, c.seeds FROM own_devices d LEFT JOIN own_cross_keys c ON c.user_id = d.user_id
WHERE d.user_id = $1;

-- name: own_device_insert
-- One row unless the user has such a device: user, device, account. Index: own_devices_pkey.
INSERT INTO own_devices (user_id, device_id, account) VALUES ($1, $2, $3)
ON CONFLICT (user_id) DO NOTHING RETURNING device_id;

-- name: own_device_lock
-- At most one row; whoever changes anything of an own device locks it first. Index: own_devices_pkey.
SELECT device_id, account FROM own_devices WHERE user_id = $1 FOR UPDATE;

-- name: own_device_account_set
-- User, account. Index: own_devices_pkey.
UPDATE own_devices SET account = $2 WHERE user_id = $1;

-- name: own_device_all
-- All of them; there are few.
SELECT user_id FROM own_devices ORDER BY user_id;

-- name: own_cross_keys_insert
-- User, seeds; the first stay. Index: own_cross_keys_pkey.
INSERT INTO own_cross_keys (user_id, seeds) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING;

-- name: own_session_list hot
-- Sessions with devices: user, their keys; the one used last comes first. Index: own_olm_sessions_pkey.
SELECT peer_key, session_id, peer_user, run, state FROM own_olm_sessions
WHERE user_id = $1 AND peer_key = ANY($2::text[])
ORDER BY peer_key, used_at_ms DESC, session_id;

-- name: own_session_set
-- User, then arrays: their keys, session ids, their users, runs, times, states. What is used is used later than all before it, also
-- within a millisecond and with a clock that was set back; at 0 nothing was. With whom there is a session may be told anew when there
-- is none. Index: own_olm_sessions_pkey, own_peers_pkey.
WITH given AS (
	SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[])
		AS u(peer_key, session_id, peer_user, run, used_at_ms, state)
), heard AS (
	UPDATE own_peers SET is_told = false FROM given g
	WHERE own_peers.user_id = $1 AND own_peers.peer_key = g.peer_key AND own_peers.is_told
)
INSERT INTO own_olm_sessions (user_id, peer_key, session_id, peer_user, run, used_at_ms, state)
SELECT $1::text, g.peer_key, session_id, peer_user, run,
	CASE WHEN g.used_at_ms = 0 THEN 0 ELSE greatest(g.used_at_ms, b.used_at_ms + 1) END, state
FROM given g CROSS JOIN LATERAL (
	SELECT max(s.used_at_ms) AS used_at_ms FROM own_olm_sessions s WHERE s.user_id = $1 AND s.peer_key = g.peer_key OFFSET 0) AS b
ORDER BY g.peer_key, session_id
ON CONFLICT (user_id, peer_key, session_id) DO UPDATE SET state = excluded.state,
	used_at_ms = greatest(own_olm_sessions.used_at_ms, excluded.used_at_ms);

-- name: own_session_trim
-- With each of some devices, and with all that each of some users said to own, the sessions used last stay: user, their keys, how many,
-- their users, how many. Index: own_olm_sessions_pkey, own_olm_sessions_user_idx.
DELETE FROM own_olm_sessions s USING (
	SELECT o.peer_key, o.session_id FROM (SELECT DISTINCT k FROM unnest($2::text[]) AS u(k)) AS p CROSS JOIN LATERAL (
		SELECT n.peer_key, n.session_id FROM own_olm_sessions n WHERE n.user_id = $1 AND n.peer_key = p.k
		ORDER BY n.used_at_ms DESC, n.session_id OFFSET $3::bigint) AS o
	UNION
	SELECT o.peer_key, o.session_id FROM (SELECT DISTINCT k FROM unnest($4::text[]) AS u(k)) AS p CROSS JOIN LATERAL (
		SELECT n.peer_key, n.session_id FROM own_olm_sessions n WHERE n.user_id = $1 AND n.peer_user = p.k
		ORDER BY n.used_at_ms DESC, n.session_id OFFSET $5::bigint) AS o
) AS old
WHERE s.user_id = $1 AND s.peer_key = old.peer_key AND s.session_id = old.session_id;

-- name: own_session_forget
-- Nothing more is sent with the sessions with a device: user, key, who owns it. Index: own_olm_sessions_pkey.
UPDATE own_olm_sessions SET run = '' WHERE user_id = $1 AND peer_key = $2 AND peer_user = $3;

-- name: own_peer_renew
-- One row when the session with a device may be renewed: user, key, now, time before which it was last. Index: own_peers_pkey.
INSERT INTO own_peers (user_id, peer_key, renewed_at_ms) VALUES ($1, $2, $3)
ON CONFLICT (user_id, peer_key) DO UPDATE SET renewed_at_ms = excluded.renewed_at_ms
	WHERE own_peers.renewed_at_ms < $4
RETURNING peer_key;

-- name: own_peer_tell
-- Those of the devices that were not told yet: user, keys. Index: own_peers_pkey.
INSERT INTO own_peers (user_id, peer_key, is_told)
SELECT $1::text, u.peer_key, true FROM unnest($2::text[]) AS u(peer_key) ORDER BY u.peer_key
ON CONFLICT (user_id, peer_key) DO UPDATE SET is_told = true WHERE NOT own_peers.is_told
RETURNING peer_key;

-- name: own_message_next
-- Messages to own devices, of which there are few, up to a position, the oldest first: up to, how many. Index: device_messages_pkey.
SELECT d.user_id, d.device_id, m.position, m.message FROM own_devices d CROSS JOIN LATERAL (
	SELECT n.position, n.message FROM device_messages n
	WHERE n.user_id = d.user_id AND n.device_id = d.device_id AND n.position <= $1
	ORDER BY n.position LIMIT $2
) AS m ORDER BY m.position, d.user_id LIMIT $2;

-- name: own_message_delete
-- User, device, position. Index: device_messages_pkey.
DELETE FROM device_messages WHERE user_id = $1 AND device_id = $2 AND position = $3;

-- name: own_room_key_find hot
-- At most one row: user, session. Index: own_room_keys_pkey.
SELECT room_id, sender, sender_key, sender_ed25519, state FROM own_room_keys WHERE user_id = $1 AND session_id = $2;

-- name: own_room_key_set
-- User, session, room, sender, sender's keys, time, state; and how many of one sender stay. Index: own_room_keys_pkey,
-- own_room_keys_sender_idx.
WITH old AS (
	DELETE FROM own_room_keys k WHERE k.user_id = $1 AND k.session_id <> $2 AND k.session_id IN (
		SELECT n.session_id FROM own_room_keys n WHERE n.user_id = $1 AND n.sender = $4
		ORDER BY n.received_at_ms DESC, n.session_id OFFSET $9::bigint)
)
INSERT INTO own_room_keys (user_id, session_id, room_id, sender, sender_key, sender_ed25519, received_at_ms, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (user_id, session_id) DO UPDATE SET received_at_ms = excluded.received_at_ms, state = excluded.state;

-- name: own_room_message_add
-- One row: the event that has the index, whoever else adds one at the same time; this one, if none had: user, session, index, event.
-- Index: own_room_messages_pkey.
INSERT INTO own_room_messages (user_id, session_id, message_index, event_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id, session_id, message_index) DO UPDATE SET event_id = own_room_messages.event_id
RETURNING event_id;

-- name: own_room_is_in hot
-- One row if the user is in the room, or invited: room, user. Index: rooms_room_id_key, members_pkey.
SELECT 1 FROM rooms r JOIN members m ON m.room_nid = r.room_nid
WHERE r.room_id = $1 AND m.user_id = $2 AND m.membership IN ('join', 'invite');
