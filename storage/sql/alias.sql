-- name: alias_find hot
-- At most one row. Index: aliases_pkey.
SELECT a.room_nid, r.room_id, a.creator FROM aliases a JOIN rooms r ON r.room_nid = a.room_nid
WHERE a.alias = $1;

-- name: alias_insert
-- One row; a unique violation when it is taken. Index: aliases_pkey.
INSERT INTO aliases (alias, room_nid, creator, created_at_ms) VALUES ($1, $2, $3, $4);

-- name: alias_delete hot
-- At most one row. Index: aliases_pkey.
DELETE FROM aliases WHERE alias = $1;

-- name: alias_list hot
-- All of a room, in order. Index: aliases_room_idx.
SELECT alias FROM aliases WHERE room_nid = $1 ORDER BY alias;
