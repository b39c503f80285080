-- The one stream of positions.

-- name: stream_position hot
-- One row: the newest position that any process has given out. Index: stream_head_pkey (one row).
SELECT position FROM stream_head WHERE only_row;

-- name: stream_say
-- Tells all processes something that is no commit (storage/news.h).
SELECT pg_notify('belfry', $1::text);
