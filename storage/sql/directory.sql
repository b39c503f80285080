-- name: directory_changes hot
-- Up to $4 state events of the types $3 with $1 < position <= $2, in order; the text only of member events. Rooms that became whole are among
-- them, with an empty type. Index: events_stream_idx, rooms_whole_idx.
SELECT position, room_nid, type, state_key, json FROM (
	(SELECT position, room_nid, type, state_key, CASE WHEN type = 'm.room.member' THEN json END AS json
	FROM events WHERE position > 0 AND position > $1 AND position <= $2 AND state_key IS NOT NULL AND type = ANY ($3::text[])
	ORDER BY position LIMIT $4)
	UNION ALL
	(SELECT whole_at, room_nid, '', '', NULL FROM rooms WHERE whole_at > 0 AND whole_at > $1 AND whole_at <= $2
	ORDER BY whole_at LIMIT $4)
) AS changes ORDER BY position LIMIT $4;

-- name: directory_members_unknown hot
-- Up to $2 members of rooms ($1) who are in the state, but whose coming was never in the stream: room, user and member event of those who
-- are not in the directory. Index: states_earlier_idx, directory_users_pkey, events_pkey.
SELECT s.room_nid, s.state_key, e.json
FROM states s JOIN events e ON e.room_nid = s.room_nid AND e.position = s.event_position
WHERE s.room_nid = ANY ($1::bigint[]) AND s.type = 'm.room.member' AND s.membership = 'join'
	AND s.to_position = 9223372036854775807 AND s.event_position < 0
	AND NOT EXISTS (SELECT 1 FROM directory_users d WHERE d.user_id = s.state_key) LIMIT $2;

-- name: directory_states hot
-- The current state events of some rooms that have one of some types and an empty key, by room. Index: states_pkey, events_pkey.
SELECT s.room_nid, s.type, e.json
FROM unnest($1::bigint[]) AS r(room_nid) CROSS JOIN unnest($2::text[]) AS t(type) CROSS JOIN LATERAL (
	SELECT * FROM states WHERE room_nid = r.room_nid AND type = t.type AND state_key = '' ORDER BY from_position DESC LIMIT 1
) AS s JOIN events e ON e.room_nid = s.room_nid AND e.position = s.event_position
WHERE s.to_position = 9223372036854775807
ORDER BY s.room_nid;

-- name: directory_room_set
-- Summaries: room, name, topic, alias, avatar, join rule, type, world-readable, guests, terms. Index: room_summaries_pkey, members_room_idx.
INSERT INTO room_summaries (room_nid, joined_members, name, topic, canonical_alias, avatar_url,
	join_rule, room_type, is_world_readable, guest_can_join, terms)
SELECT u.room_nid,
	(SELECT count(*) FROM members m WHERE m.room_nid = u.room_nid AND m.membership = 'join'),
	u.name, u.topic, u.alias, u.avatar, u.join_rule, u.room_type, u.readable <> 0, u.guests <> 0, u.terms::tsvector
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
	$8::bigint[], $9::bigint[], $10::text[]) AS
	u(room_nid, name, topic, alias, avatar, join_rule, room_type, readable, guests, terms)
ON CONFLICT (room_nid) DO UPDATE SET joined_members = excluded.joined_members, name = excluded.name,
	topic = excluded.topic, canonical_alias = excluded.canonical_alias, avatar_url = excluded.avatar_url,
	join_rule = excluded.join_rule, room_type = excluded.room_type,
	is_world_readable = excluded.is_world_readable, guest_can_join = excluded.guest_can_join,
	terms = excluded.terms;

-- name: directory_room_count
-- How many are joined to some rooms. Index: room_summaries_pkey, members_room_idx.
UPDATE room_summaries s SET joined_members = n.joined
FROM (
	SELECT u.room_nid, (SELECT count(*) FROM members m WHERE m.room_nid = u.room_nid AND m.membership = 'join') AS joined
	FROM unnest($1::bigint[]) AS u(room_nid)
) AS n
WHERE s.room_nid = n.room_nid AND s.joined_members <> n.joined;

-- name: directory_user_set
-- Names: user, name, avatar, folded name, local, terms. Index: directory_users_pkey.
INSERT INTO directory_users (user_id, display_name, avatar_url, folded_name, is_local, terms)
SELECT u.user_id, u.name, u.avatar, u.folded, u.is_local <> 0, u.terms::tsvector
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[]) AS
	u(user_id, name, avatar, folded, is_local, terms)
ON CONFLICT (user_id) DO UPDATE SET display_name = excluded.display_name, avatar_url = excluded.avatar_url,
	folded_name = excluded.folded_name, is_local = excluded.is_local, terms = excluded.terms;

-- name: directory_user_remove
-- Those of some users. Index: directory_users_pkey.
DELETE FROM directory_users WHERE user_id = ANY ($1::text[]);

-- name: directory_stale_take
-- Up to 200 accounts that may be out of date, no longer so after the transaction: with name and picture as JSON, and whether they are to be
-- found at all. Index: directory_stale_pkey, accounts_pkey, profiles_pkey.
WITH taken AS (
	DELETE FROM directory_stale WHERE user_id = ANY (ARRAY(
		SELECT user_id FROM directory_stale LIMIT 200 FOR UPDATE SKIP LOCKED))
	RETURNING user_id
)
SELECT t.user_id, n.value, p.value, coalesce(a.state <> 'deactivated' AND NOT a.is_guest, false)
FROM taken t
LEFT JOIN accounts a ON a.user_id = t.user_id
LEFT JOIN profiles n ON n.user_id = t.user_id AND n.field = 'displayname'
LEFT JOIN profiles p ON p.user_id = t.user_id AND p.field = 'avatar_url';

-- name: directory_user_search hot
-- Up to $6 users that match $1, whom $2 may know of: local ones when $3, those with whom $2 shares a room, those in rooms that
-- everybody may join or read. An exact user id ($4) or name ($5) comes first, then names that begin so, then those with a name.
-- Index: directory_users_terms_idx, members_pkey, room_summaries_pkey.
SELECT d.user_id, d.display_name, d.avatar_url
FROM directory_users d
WHERE d.terms @@ $1::text::tsquery AND d.user_id <> $2 AND (($3::boolean AND d.is_local) OR EXISTS (
	SELECT 1 FROM members m
	LEFT JOIN members mine ON mine.user_id = $2 AND mine.room_nid = m.room_nid AND mine.membership = 'join'
	LEFT JOIN room_summaries s ON s.room_nid = m.room_nid
	WHERE m.user_id = d.user_id AND m.membership = 'join'
		AND (mine.user_id IS NOT NULL OR s.join_rule = 'public' OR s.is_world_readable)))
ORDER BY d.user_id = $4 DESC, d.folded_name = $5 DESC, starts_with(d.folded_name, $5) DESC,
	d.display_name IS NULL, d.folded_name, d.user_id
LIMIT $6;

-- name: directory_rooms_after
-- Up to $6 published rooms, largest first, behind $4 members and room $5; that match $1 (NULL: all), of the types $2 (NULL: any; '' is
-- none). Those of a network only ($7, $8; NULL: this server's list), or of all networks too ($9). With how many there are. A room in which
-- nobody is any more can be joined by nobody.
-- Index: rooms_published_idx, network_rooms_pkey, rooms_pkey, room_summaries_pkey.
WITH listed AS (
	SELECT room_nid FROM rooms WHERE is_published AND $7::text IS NULL
	UNION SELECT room_nid FROM network_rooms WHERE $9::boolean OR (appservice_id = $7 AND network_id = $8)
), matched AS (
	SELECT r.room_id, s.* FROM listed l JOIN rooms r ON r.room_nid = l.room_nid
	JOIN room_summaries s ON s.room_nid = r.room_nid
	WHERE s.joined_members > 0 AND ($1::text IS NULL OR s.terms @@ $1::text::tsquery)
		AND ($2::text[] IS NULL OR coalesce(s.room_type, '') = ANY ($2::text[]))
)
SELECT room_nid, room_id, joined_members, name, topic, canonical_alias, avatar_url, join_rule, room_type,
	is_world_readable, guest_can_join, (SELECT count(*) FROM matched)
FROM matched
WHERE $3::boolean AND (joined_members < $4 OR (joined_members = $4 AND room_nid > $5))
ORDER BY joined_members DESC, room_nid LIMIT $6;

-- name: directory_rooms_before
-- The same before $4 members and room $5, the nearest first.
WITH listed AS (
	SELECT room_nid FROM rooms WHERE is_published AND $7::text IS NULL
	UNION SELECT room_nid FROM network_rooms WHERE $9::boolean OR (appservice_id = $7 AND network_id = $8)
), matched AS (
	SELECT r.room_id, s.* FROM listed l JOIN rooms r ON r.room_nid = l.room_nid
	JOIN room_summaries s ON s.room_nid = r.room_nid
	WHERE s.joined_members > 0 AND ($1::text IS NULL OR s.terms @@ $1::text::tsquery)
		AND ($2::text[] IS NULL OR coalesce(s.room_type, '') = ANY ($2::text[]))
)
SELECT room_nid, room_id, joined_members, name, topic, canonical_alias, avatar_url, join_rule, room_type,
	is_world_readable, guest_can_join, (SELECT count(*) FROM matched)
FROM matched
WHERE NOT $3::boolean AND (joined_members > $4 OR (joined_members = $4 AND room_nid < $5))
ORDER BY joined_members, room_nid DESC LIMIT $6;

-- name: network_room_set
-- At most one row: service, network, room. Index: network_rooms_pkey.
INSERT INTO network_rooms (appservice_id, network_id, room_nid) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: network_room_remove
-- At most one row: service, network, room. Index: network_rooms_pkey.
DELETE FROM network_rooms WHERE appservice_id = $1 AND network_id = $2 AND room_nid = $3;

-- name: mutual_rooms hot
-- Up to $4 rooms, by id, that both users are joined to, behind room id $3; with how many there are. Index: members_pkey, rooms_pkey.
WITH mutual AS (
	SELECT r.room_id FROM members a
	JOIN members b ON b.user_id = $2 AND b.room_nid = a.room_nid AND b.membership = 'join'
	JOIN rooms r ON r.room_nid = a.room_nid
	WHERE a.user_id = $1 AND a.membership = 'join'
)
SELECT room_id, (SELECT count(*) FROM mutual) FROM mutual WHERE room_id > $3 ORDER BY room_id LIMIT $4;
